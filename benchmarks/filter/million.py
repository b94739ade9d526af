"""One million small tasks through `ttg filter` and `ttg export` on one machine: seconds and memory.

    python benchmarks/filter/million.py /tmp/million --rows 1000000

Each task has one trajectory of two turns, some 3 kB in all, so what is measured is what grows with the number of rows
and not with their length. Memory is the sum over all processes of a command (proportional set size, so what they share
counts once), looked at twice a second. The folder is removed at the end, unless --keep.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import orjson

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.filter.make_run import Shards, Writer, make_task, make_trajectory, write_identity  # noqa: E402

LOOK_SEC = 0.5


class Cost(NamedTuple):
    seconds: float
    peak_mb: float


def write_rows(folder: Path, rows: int) -> None:
    """Tasks and trajectories; the words of both from one seed."""
    writer = Writer(20260101)
    (folder / "tasks").mkdir(parents=True)
    (folder / "trajectories").mkdir()
    with (folder / "tasks" / "tasks-00000.jsonl").open("wb") as tasks, Shards(folder / "trajectories") as shards:
        for number in range(rows):
            task = make_task(number, " ".join(writer.write(40)) + ".")
            turns = [(" ".join(writer.write(12)), " ".join(writer.write(3)), " ".join(writer.write(15))) for _ in "ab"]
            tasks.write(orjson.dumps(task) + b"\n")
            row = make_trajectory(number, task, task["instruction"], turns, passed=number % 5 != 0)
            shards.write(orjson.dumps(row) + b"\n")


def measure(*arguments: str) -> Cost:
    """Run `ttg …`; what it took."""
    started, peak_kb = time.monotonic(), 0
    command = [sys.executable, "-m", "terminal_task_gen", *arguments]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}) as process:
        while process.poll() is None:
            peak_kb = max(peak_kb, sum(read_pss_kb(pid) for pid in list_tree(process.pid)))
            time.sleep(LOOK_SEC)
    if process.returncode:
        sys.exit(f"ttg {' '.join(arguments)}: exit code {process.returncode}")
    return Cost(time.monotonic() - started, peak_kb / 1000)


def list_tree(root: int) -> list[int]:
    """The process and all below it."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            continue
        waiting += [int(child) for child in children]
    return found


def read_pss_kb(pid: int) -> int:
    """0 for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    run: Path = arguments.folder
    try:
        if not (run / "run.json").is_file():
            write_rows(run, arguments.rows)
            write_identity(run)
        size_gb = sum(path.stat().st_size for path in run.rglob("*.jsonl")) / 1e9
        print(f"{arguments.rows:,} tasks and trajectories, {size_gb:.2f} GB")
        for command in (["filter", str(run)], ["export", str(run), "--format", "messages"]):
            cost = measure(*command)
            print(f"ttg {command[0]}: {cost.seconds:.0f} s, {arguments.rows / cost.seconds:,.0f} rows/s, "
                  f"peak {cost.peak_mb:,.0f} MB")  # fmt: skip
    finally:
        if not arguments.keep:
            shutil.rmtree(run, ignore_errors=True)


if __name__ == "__main__":
    main()
