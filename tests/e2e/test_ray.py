"""A cluster of three real nodes on loopback: the demo of one process, though nodes and driver are killed on the way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import FinishedDemo
from tests.e2e.demo_run import Lines, read_run, summarise_verdicts, wait_for
from tests.engine.ray_cluster import QUIET, RayCluster, start_cluster

pytestmark = [pytest.mark.bubblewrap, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with start_cluster(3) as started:
        yield started


@contextmanager
def start(cluster: RayCluster, runs: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The demo on the cluster; what it says goes to runs/log."""
    command = [sys.executable, "-m", "terminal_task_gen", "demo", "--output-dir", str(runs)]
    command += ["--engine", "ray", "--address", cluster.address]
    command += ["--set", "generate.parallel=2", "--set", "rollout.parallel=1", "--set", "sandbox.warm=0"]
    with (runs / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, env=QUIET) as process:
        try:
            yield process
        except AssertionError as error:
            error.add_note((runs / "log").read_text())
            raise
        finally:
            process.kill()


def list_ids(rows: list[dict[str, str]]) -> list[str]:
    return sorted(row["id"] for row in rows)


def assert_same(found: Lines, wanted: Lines) -> None:
    assert list_ids(found.tasks) == list_ids(wanted.tasks)
    assert list_ids(found.rejected) == list_ids(wanted.rejected)
    assert list_ids(found.trajectories) == list_ids(wanted.trajectories)
    assert summarise_verdicts(found) == summarise_verdicts(wanted)
    assert found.kept == wanted.kept


def test_driver_and_node_are_killed_and_nothing_is_lost_or_doubled(
    demo: FinishedDemo, cluster: RayCluster, tmp_path: Path
) -> None:
    run = tmp_path / "demo"
    with start(cluster, tmp_path):
        wait_for(run / "tasks", "tasks-ray*", at_least=4, timeout_sec=300.0)
    with start(cluster, tmp_path) as process:
        wait_for(run / "trajectories", "trajectories-ray*", at_least=3, timeout_sec=600.0)
        cluster.kill_node(1)
        process.wait(timeout=600)
    told = (tmp_path / "log").read_text()
    assert process.returncode == 0, told
    assert "dealt again" in told
    assert_same(read_run(run), read_run(demo.run))
    writers = {path.name.split("-")[1] for path in (run / "trajectories").glob("trajectories-ray*")}
    assert len(writers) >= 2, "more than one node took part; the killed one may have finished nothing"
    assert not list(run.rglob("*.part"))


def test_no_cluster_at_the_address_is_one_clear_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "terminal_task_gen", "demo", "--output-dir", str(tmp_path), "--engine", "ray"]
    result = subprocess.run(
        [*command, "--address", "127.0.0.1:9"],
        capture_output=True,
        text=True,
        check=False,
        env={**QUIET, "RAY_gcs_rpc_server_connect_timeout_s": "2"},
    )
    assert result.returncode == 2
    assert "no Ray cluster answers at 127.0.0.1:9" in result.stderr
    assert not list(tmp_path.iterdir()), "nothing half-written"
