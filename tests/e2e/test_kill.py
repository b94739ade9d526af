"""kill -9 in each stage at random points, then go on: the same ids, nothing lost, nothing doubled, no orphan."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import orjson
import pytest

from tests.e2e.conftest import FinishedDemo
from tests.e2e.demo_run import kill_after, read_run, run_demo, start_demo, summarise_verdicts, wait_for

pytestmark = [pytest.mark.bubblewrap, pytest.mark.slow]


def list_sandbox_processes() -> list[str]:
    found = subprocess.run(["pgrep", "-af", "^bwrap .*--hostname sandbox"], capture_output=True, text=True, check=False)
    return found.stdout.splitlines()


def find_stage(run: Path) -> str:
    """The stage of the last event that was logged: where the kill fell."""
    events = [orjson.loads(line) for line in (run / "logs" / "events.jsonl").read_bytes().splitlines()]
    started = [event["stage"] for event in events if event["event"] == "StageStarted"]
    return str(started[-1]) if started else "start"


def test_killed_again_and_again_at_random_points(demo: FinishedDemo, tmp_path: Path) -> None:
    rng = random.Random(20)
    run = tmp_path / "demo"
    hit: list[str] = []
    for number in range(8):
        process = start_demo(tmp_path, "--set", "generate.parallel=2", "--set", "rollout.parallel=2")
        # By what is on disk and not by the clock, so that each stage is hit however slow the machine is.
        if number < 4:
            wait_for(run / "tasks", "tasks-*", at_least=2 * number + 1, timeout_sec=150.0)
        else:
            wait_for(run / "trajectories", "trajectories-*", at_least=number - 3, timeout_sec=150.0)
        if not kill_after(process, rng.uniform(0.0, 0.5)):
            break
        hit.append(find_stage(run))
    assert {"generate", "rollout"} <= set(hit), hit
    result = run_demo(tmp_path)
    assert result.returncode == 0, result.stderr
    undisturbed, survived = read_run(demo.run), read_run(run)
    assert sorted(t["id"] for t in survived.tasks) == sorted(t["id"] for t in undisturbed.tasks)
    assert sorted(r["id"] for r in survived.rejected) == sorted(r["id"] for r in undisturbed.rejected)
    assert len({r["id"] for r in survived.trajectories}) == len(survived.trajectories)
    assert summarise_verdicts(survived) == summarise_verdicts(undisturbed)
    assert survived.kept == undisturbed.kept
    assert not list(run.rglob("*.part"))


def test_killed_while_the_corpus_is_written(demo: FinishedDemo, tmp_path: Path) -> None:
    """The folder as a kill leaves it: half a corpus beside the old one, or the old one already moved away."""
    run = tmp_path / "demo"
    shutil.copytree(demo.run, run)
    (run / "corpus").rename(run / "corpus.old-1")
    (run / "corpus.tmp-1" / "data").mkdir(parents=True)
    result = run_demo(tmp_path)
    assert result.returncode == 0, result.stderr
    assert read_run(run).kept == read_run(demo.run).kept
    assert [path.name for path in run.glob("corpus*")] == ["corpus"]


def test_no_sandbox_outlives_a_killed_run(tmp_path: Path) -> None:
    before = set(list_sandbox_processes())
    process = start_demo(tmp_path)
    wait_for(tmp_path / "demo" / "trajectories", "trajectories-*", at_least=1)
    assert kill_after(process, 0.0)
    for _ in range(50):
        left = set(list_sandbox_processes()) - before
        if not left:
            break
        subprocess.run(["sleep", "0.1"], check=True)
    assert not left
