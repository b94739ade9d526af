"""One process, n partitions and a Ray cluster of n nodes beside each other, at equal parallelism in all.

    python -m benchmarks.cluster.measure --requests 600 --workers 1,2,4       # a stage that waits: generate
    python -m benchmarks.cluster.measure --filter RUN                         # one that computes: filter

What waits: authors with a second of latency whose drafts fail at the static gates, so that no sandbox is needed. What
counts is the stage alone, from its first item to its last by the event logs: starting processes or a cluster, some
seconds, is told apart. All nodes are on this machine and on loopback.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from benchmarks.faults.campaign import serve
from benchmarks.faults.repertoire import DOMAIN, write_repertoire
from tests.engine.ray_cluster import QUIET, start_cluster

TTG = (sys.executable, "-m", "terminal_task_gen")


def measure_waiting(folder: Path, *, requests: int, parallel: int, latency_sec: float, workers: list[int]) -> None:
    write_repertoire(folder / "repertoire")
    with serve(folder, "", latency_sec) as server:
        base = list_arguments(server.base_url, folder, requests)
        ideal = requests * latency_sec / parallel
        report("one process", time_stage(folder, "local", [[*base, "--parallel", str(parallel)]]), ideal)
        for count in workers:
            share = ["--parallel", str(parallel // count)]
            commands = [[*base, *share, "--partition", f"{index}/{count}"] for index in range(count)]
            report(f"{count} partitions", time_stage(folder, f"parts-{count}", commands), ideal)
        for count in workers:
            with start_cluster(count) as cluster:
                command = [*base, "--parallel", str(parallel // count), "--engine", "ray", "--address", cluster.address]
                report(f"ray, {count} nodes", time_stage(folder, f"ray-{count}", [command]), ideal)


def list_arguments(base_url: str, folder: Path, requests: int) -> list[str]:
    arguments = ["generate", "--mode", "skill", "--domain", DOMAIN, "-n", str(requests), "--sandbox", "bubblewrap"]
    arguments += ["--base-url", base_url, "--model", "bench", "--api-key-env", "", "--no-cache"]
    arguments += ["--output-dir", str(folder / "runs"), "--set", "generate.repair_rounds=0"]
    return [*arguments, "--set", "teacher.author.parallel=256", "--set", "teacher.author.adaptive=false"]


def time_stage(folder: Path, name: str, commands: list[list[str]]) -> dict[str, float]:
    """Seconds of the stage, of the whole, and lines written."""
    begun = time.monotonic()
    with ExitStack() as stack:
        log = stack.enter_context((folder / "log").open("ab"))
        started = [
            stack.enter_context(subprocess.Popen([*TTG, *command, "--name", name], stdout=log, stderr=log, env=QUIET))
            for command in commands
        ]
        codes = [process.wait() for process in started]
    assert not any(codes), (folder / "log").read_text()[-3000:]
    whole = time.monotonic() - begun
    run = folder / "runs" / name
    lines = sum(path.read_bytes().count(b"\n") for path in (run / "tasks").glob("*-*.jsonl"))
    at = list(read_times(run))
    return {"stage_sec": max(at) - min(at), "whole_sec": whole, "lines": lines}


def read_times(run: Path) -> Iterator[float]:
    """When the stage started and when its items ended."""
    for path in (run / "logs").glob("events*.jsonl"):
        for line in path.read_bytes().splitlines():
            event = orjson.loads(line)
            if event["event"] in ("StageStarted", "ItemFinished"):
                yield datetime.fromisoformat(event["at"]).timestamp()


def report(name: str, measured: dict[str, Any], ideal_sec: float | None = None) -> None:
    row = {"what": name, **{key: round(value, 2) for key, value in measured.items()}}
    if ideal_sec is not None:
        row["efficiency"] = round(ideal_sec / measured["stage_sec"], 3)
    print(json.dumps(row), flush=True)


def measure_filter(run: Path, workers: int) -> None:
    """The whole command, less nothing: where all is work there is nothing to wait for."""
    for name, engine in (("processes", []), ("ray", ["--engine", "ray"])):
        with ExitStack() as stack:
            if engine:
                cluster = stack.enter_context(start_cluster(workers))
                engine = [*engine, "--address", cluster.address]
            begun = time.monotonic()
            command = [*TTG, "filter", str(run), "--set", f"filter.workers={workers}", *engine]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=QUIET)
            report(f"filter, {workers} {name}", {"whole_sec": time.monotonic() - begun})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=600)
    parser.add_argument("--parallel", type=int, default=24, help="in all")
    parser.add_argument("--latency-sec", type=float, default=1.0)
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--filter", type=Path, metavar="RUN", help="measure filtering this run instead")
    chosen = parser.parse_args()
    workers = [int(count) for count in chosen.workers.split(",")]
    if chosen.filter is not None:
        measure_filter(chosen.filter, workers[-1])
        return
    with tempfile.TemporaryDirectory(prefix="ttg-cluster-") as folder:
        measure_waiting(
            Path(folder),
            requests=chosen.requests,
            parallel=chosen.parallel,
            latency_sec=chosen.latency_sec,
            workers=workers,
        )


if __name__ == "__main__":
    main()
