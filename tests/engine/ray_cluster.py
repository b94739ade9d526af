"""A real Ray cluster on loopback: a head that does no work, and nodes with raylets, agents and workers of their own.

Run as a program it is the cluster: it says where it is, takes `add` on stdin, and ends with its stdin. The rest is for
the process that starts it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.demo_run import ENVIRON

QUIET = {
    **ENVIRON,
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
}


class RayCluster:
    """The cluster as its starter sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address = ""
        self.raylets: list[int] = []
        """Process ids, of the nodes that work."""

    def add_node(self, cpus: int = 1) -> None:
        """Back when it has joined."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"add {cpus}\n")
        self._process.stdin.flush()
        self.raylets.append(self._read()["raylet"])

    def kill_node(self, number: int) -> None:
        """kill -9 of its raylet and all that runs below it, as a power cut has it."""
        raylet = self.raylets[number]
        for pid in [raylet, *list_descendants(raylet)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                return found
        raise AssertionError("the cluster did not come up")


@contextmanager
def start_cluster(nodes: int, cpus: int = 1) -> Iterator[RayCluster]:
    """Up when it is given; gone at the end."""
    # Short, as the paths of Ray's sockets must be.
    folder = Path(tempfile.mkdtemp(prefix="ttg", dir="/tmp"))
    command = [sys.executable, "-m", "tests.engine.ray_cluster", str(folder)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**QUIET, "RAY_TMPDIR": str(folder)},
            start_new_session=True,
        )
    cluster = RayCluster(process)
    try:
        cluster.address = cluster._read()["address"]
        for _ in range(nodes):
            cluster.add_node(cpus)
        yield cluster
    except AssertionError as error:
        error.add_note((folder / "log").read_text())
        raise
    finally:
        left = list_descendants(process.pid)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        for pid in left:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)
        process.stdout.close()
        shutil.rmtree(folder, ignore_errors=True)


def list_descendants(pid: int) -> list[int]:
    """Of a process, by what /proc says of parents."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found: list[int] = []
    queue = [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def _serve(folder: str) -> None:
    from ray.cluster_utils import Cluster

    # Ray notes the cluster's address there, in place of the user's own.
    (Path(folder) / "ray").mkdir()
    cluster = Cluster()
    small: dict[str, Any] = {"object_store_memory": 80_000_000, "temp_dir": f"{folder}/r", "include_dashboard": False}
    # Each at a loopback address of its own; of 127.0.0.1 Ray would make the machine's outer one.
    cluster.add_node(node_ip_address="127.0.0.2", num_cpus=0, **small)
    print(json.dumps({"address": cluster.address}), flush=True)
    for number, line in enumerate(sys.stdin):
        cpus = int(line.split()[1])
        node = cluster.add_node(node_ip_address=f"127.0.0.{number + 3}", num_cpus=cpus, **small)
        [raylet] = node.all_processes["raylet"]
        print(json.dumps({"raylet": raylet.process.pid}), flush=True)
    cluster.shutdown()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    _serve(sys.argv[1])
