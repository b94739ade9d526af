"""Partitions: processes at once, killed, resumed, with another n in between; the run is as one process makes it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.e2e.conftest import FinishedDemo
from tests.e2e.demo_run import ENVIRON, REPOSITORY, Lines, read_run, summarise_verdicts, wait_for
from tests.e2e.scripted_endpoint import serve_scripted

pytestmark = [pytest.mark.bubblewrap, pytest.mark.slow]

DEMO = REPOSITORY / "configs" / "demo"


@pytest.fixture
def base_url() -> Iterator[str]:
    with serve_scripted() as address:
        yield address


def start(command: str, run: Path, base_url: str, partition: str) -> subprocess.Popen[str]:
    """One partition of a stage of the demo, as a scheduler starts it."""
    arguments = ["--partition", partition, "--base-url", base_url, "--model", "scripted-teacher", "--parallel", "2"]
    if command == "generate":
        arguments += ["-c", str(DEMO.with_suffix(".yaml")), "--seeds", str(DEMO / "seeds"), "--sandbox", "bubblewrap"]
        arguments += ["--output-dir", str(run.parent), "--name", run.name, "--api-key-env", ""]
    else:
        arguments += [str(run)]
    return subprocess.Popen(
        [sys.executable, "-m", "terminal_task_gen", command, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRON,
    )


def run_all(command: str, run: Path, base_url: str, count: int) -> None:
    processes = [start(command, run, base_url, f"{index}/{count}") for index in range(count)]
    for process in processes:
        _, told = process.communicate(timeout=200)
        assert process.returncode == 0, told


def filter_run(run: Path) -> Lines:
    command = [sys.executable, "-m", "terminal_task_gen", "filter", str(run)]
    command += ["--benchmark", str(DEMO / "benchmark.jsonl")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRON)
    assert result.returncode == 0, result.stderr
    return read_run(run)


def list_ids(rows: list[dict[str, object]]) -> list[object]:
    return sorted(row["id"] for row in rows)  # type: ignore[type-var]


def test_three_at_once_killed_and_gone_on_with_as_two(demo: FinishedDemo, tmp_path: Path, base_url: str) -> None:
    run = tmp_path / "demo"
    started = [start("generate", run, base_url, f"{index}/3") for index in range(3)]
    wait_for(run / "tasks", "*-p1of3-*", at_least=1)
    started[1].kill()
    for process in started:
        process.communicate(timeout=200)
    assert [process.returncode for process in started] == [0, -9, 0]
    run_all("generate", run, base_url, 2)

    first = start("rollout", run, base_url, "0/2")
    wait_for(run / "trajectories", "*-p0of2-*", at_least=1)
    first.kill()
    first.communicate()
    run_all("rollout", run, base_url, 3)

    whole, parts = read_run(demo.run), filter_run(run)
    assert list_ids(parts.tasks) == list_ids(whole.tasks)
    assert list_ids(parts.rejected) == list_ids(whole.rejected)
    assert summarise_verdicts(parts) == summarise_verdicts(whole)
    assert len(parts.trajectories) == len(whole.trajectories)
    identity = orjson.loads((run / "run.json").read_bytes())
    assert {row["run_id"] for row in parts.kept} == {identity["run_id"]}
    assert not list(run.rglob("*.part"))


def test_another_n_waits_for_the_old_one(tmp_path: Path, base_url: str) -> None:
    run = tmp_path / "demo"
    first = start("generate", run, base_url, "0/3")
    deadline = time.monotonic() + 60
    while not list(run.glob(".lock-of3-*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    second = start("generate", run, base_url, "0/2")
    _, told = second.communicate(timeout=60)
    first.kill()
    first.communicate()
    assert second.returncode == 2
    assert "another ttg is writing" in told
