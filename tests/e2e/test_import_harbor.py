"""Harbor task directories on a real engine: imported, proved, rolled out on, judged by their own tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import orjson
import pytest
from docker.errors import ImageNotFound

from terminal_task_gen.sandbox.docker import DockerFactory
from terminal_task_gen.store import REJECTED, TASKS, RunDirectory
from terminal_task_gen.task import Rejection, Task
from tests.generate.harbor_directory import write_directory
from tests.rollout.rollout_bench import DONE, open_bench, say

pytestmark = [pytest.mark.docker, pytest.mark.slow]


@pytest.fixture
def images() -> Iterator[list[str]]:
    """Names of imported images, to be removed."""
    names: list[str] = []
    yield names
    client = docker.from_env()
    for name in names:
        for tag in (f"ttg-{name}:latest", f"ttg-{name}_env:latest"):
            try:
                client.images.remove(tag, force=True)
            except ImageNotFound:
                continue
    client.close()


def import_tasks(folder: Path) -> RunDirectory:
    command = [sys.executable, "-m", "terminal_task_gen", "import", "harbor", "tasks", "--name", "h"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return RunDirectory(folder / "runs" / "h")


async def test_imported_proved_and_rolled_out(tmp_path: Path, images: list[str]) -> None:
    write_directory(tmp_path / "tasks" / "hello")
    cheap = "#!/bin/sh\necho 1 > /logs/verifier/reward.txt\n"
    write_directory(tmp_path / "tasks" / "cheap", {"tests/test.sh": cheap})
    write_directory(tmp_path / "tasks" / "wrong", {"solution/solve.sh": "#!/bin/sh\ntrue\n"})
    write_directory(tmp_path / "tasks" / "unbuildable", {"environment/Dockerfile": "FROM ttg-base:latest\nRUN false\n"})
    run = import_tasks(tmp_path)
    damages: list[object] = []
    (task,) = run.read_records(TASKS, Task, damages.append)
    images.append(task.image)
    refused = {r.reason for r in run.read_records(REJECTED, Rejection, damages.append)}
    assert refused == {"fail_first", "oracle", "harbor_image"}
    assert [gate.gate for gate in task.gates] == ["import", "fail_first", "oracle"]
    before = [path.read_bytes() for path in sorted((tmp_path / "runs/h/tasks").iterdir())]
    import_tasks(tmp_path)
    assert [path.read_bytes() for path in sorted((tmp_path / "runs/h/tasks").iterdir())] == before, "nothing is redone"

    recordings = tmp_path / "recordings"
    recordings.mkdir()
    async with open_bench(DockerFactory(), recordings) as bench:
        solved = await bench.roll(say("pwd; /opt/tool/bin/tool | tee out.txt\n"), DONE, task=task)
        idle = await bench.roll(DONE, task=task)
    told = orjson.loads(solved.model_dump_json())
    assert "root@sandbox:/work/inner#" in told["messages"][0]["content"]
    assert "tool-hi there" in told["steps"][0]["observation"]
    assert told["verdict"]["reward"] == 1.0
    assert "level 3 in /work/inner" in told["verdict"]["log"]
    verdict = orjson.loads(idle.model_dump_json())["verdict"]
    assert (verdict["reward"], verdict["passed"], verdict["tests"][0]["name"]) == (0.0, False, "reward")


def test_it_needs_an_engine(tmp_path: Path) -> None:
    write_directory(tmp_path / "tasks" / "hello")
    command = [
        sys.executable,
        "-m",
        "terminal_task_gen",
        "import",
        "harbor",
        "tasks",
        "--set",
        "sandbox.driver=bubblewrap",
    ]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "need a Docker engine" in result.stderr
