"""`ttg filter` beside what users run today, on the same rows, in one go.

    python -m benchmarks.filter.run /tmp/filter --peers /tmp/peers/bin/python

Makes a run (make_run.py; the same bytes each time), filters it with all default rules, decontamination (the shipped
index and 200 prompts) and near-duplicates on one core and on two, has each peer read it on one core (peers.py, in an
interpreter of its own: requirements.txt), and filters the first rows of it at each of --points. Prints tables in
Markdown: rows a second of CPU, so that other programs on the machine count less; ratios; the memory of all processes
together; a line through the points, drawn to ten million rows. Exits 1 where ttg and the peers disagree on what is
planted.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.filter.make_run import ATTEMPTS

HERE = Path(__file__).parent
TEN_MILLION = 10_000_000
DATATROVE_ROWS = 500
"""It takes 20 ms a row."""
SAMPLE_SEC = 0.25


class Spent(NamedTuple):
    """What a program cost."""

    rows: int
    cpu_sec: float
    wall_sec: float
    peak_mb: float
    """Resident, of the program and its children together; pages they share count for each."""

    @property
    def rows_per_cpu_sec(self) -> float:
        return self.rows / self.cpu_sec


def run_measured(command: list[str], cores: str) -> tuple[float, float, float]:
    """CPU seconds, wall seconds, peak MB. Raises CalledProcessError."""
    started = time.monotonic()
    process = subprocess.Popen(
        ["taskset", "-c", cores, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    peak = [0.0]
    sampler = threading.Thread(target=_sample, args=(process.pid, peak))
    sampler.start()
    errors = process.stderr.read() if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    sampler.join()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=errors)
    # Not ru_maxrss, which remembers the program that started this one.
    return usage.ru_utime + usage.ru_stime, time.monotonic() - started, peak[0]


def _sample(pid: int, peak: list[float]) -> None:
    while (resident := _sum_resident_mb(pid)) > 0:
        peak[0] = max(peak[0], resident)
        time.sleep(SAMPLE_SEC)


def _sum_resident_mb(pid: int) -> float:
    """0 when the process is no more."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6 + sum(map(_sum_resident_mb, children))


def filter_run(folder: Path, rows: int, cores: str) -> Spent:
    ttg = str(Path(sys.executable).with_name("ttg"))
    return Spent(rows, *run_measured([ttg, "filter", str(folder), "--benchmark", f"{folder}/benchmark.jsonl"], cores))


def run_peer(python: Path, folder: Path, peer: str, rows: int) -> tuple[Spent, dict[str, Any]]:
    command = ["taskset", "-c", "0", str(python), str(HERE / "peers.py"), str(folder), peer, "--rows", str(rows)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return Spent(told["rows"], told["cpu_sec"], told["wall_sec"], told["peak_mb"]), told


def cut_run(source: Path, folder: Path, rows: int) -> Path:
    """The first rows of a run as a run of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "trajectories").mkdir(parents=True)
    (folder / "tasks").mkdir()
    with (source / "tasks/tasks-00000.jsonl").open("rb") as lines:
        (folder / "tasks/tasks-00000.jsonl").write_bytes(b"".join(itertools.islice(lines, -(-rows // ATTEMPTS))))
    for name in ("config.yaml", "run.json", "benchmark.jsonl"):
        shutil.copy(source / name, folder / name)
    left = rows
    for shard in sorted((source / "trajectories").iterdir()):
        with shard.open("rb") as lines, (folder / "trajectories" / shard.name).open("wb") as out:
            taken = list(itertools.islice(lines, left))
            out.writelines(taken)
        left -= len(taken)
        if not left:
            break
    return folder


def check_planted(folder: Path) -> dict[str, float]:
    """Share of what make_run planted that the corpus shows as found."""
    truth = json.loads((folder / "truth.json").read_text())
    wanted = {"duplicates": "similar_trajectory", "contaminated": "benchmark_ngram_in_turns", "leaks": "identity"}
    seen: dict[str, set[str]] = {kind: set() for kind in wanted}
    for path in (folder / "corpus").rglob("*.jsonl"):
        for line in path.open("rb"):
            row = json.loads(line)
            said = {*row["flags"], *(finding["reason"] for finding in row.get("findings", ()))}
            for kind, reason in wanted.items():
                if any(word.startswith(reason) for word in said):
                    seen[kind].add(row["id"])
    return {kind: len(seen[kind] & set(truth[kind])) / max(1, len(truth[kind])) for kind in wanted}


def report_peers(one: Spent, two: Spent, peers: dict[str, Spent]) -> list[str]:
    table = ["| | rows | CPU µs a row | rows a CPU second | peak MB |", "|---|--:|--:|--:|--:|"]
    shown = {"`ttg filter`, one core": one, "`ttg filter`, two cores": two, **peers}
    for name, spent in shown.items():
        rate = spent.rows_per_cpu_sec
        table.append(f"| {name} | {spent.rows:,} | {1e6 / rate:,.0f} | {rate:,.0f} | {spent.peak_mb:,.0f} |")
    own, speedup = one.rows_per_cpu_sec, one.wall_sec / two.wall_sec
    in_turn = 1 / (1 / peers["ngrams"].rows_per_cpu_sec + 1 / peers["rensa"].rows_per_cpu_sec)
    return [
        *table,
        "",
        f"- Aho-Corasick and rensa in turn: {in_turn:,.0f} rows a CPU second; ttg: {own / in_turn:.2f}×.",
        f"- two cores: {speedup:.2f}× in wall time, at {two.cpu_sec / one.cpu_sec:.2f}× the CPU time.",
        f"- beside datatrove's n-grams alone: {own / peers['datatrove'].rows_per_cpu_sec:.0f}×; "
        f"its signatures alone: {own / peers['datatrove-minhash'].rows_per_cpu_sec:.0f}×.",
    ]


def report_points(points: list[Spent]) -> list[str]:
    table = ["| rows | CPU seconds | µs a row | peak MB |", "|--:|--:|--:|--:|"]
    table += [f"| {p.rows:,} | {p.cpu_sec:.1f} | {1e6 * p.cpu_sec / p.rows:.0f} | {p.peak_mb:.0f} |" for p in points]
    if len(points) > 1:
        rows = [p.rows for p in points]
        cpu, cpu_base = np.polyfit(rows, [p.cpu_sec for p in points], 1)
        memory, memory_base = np.polyfit(rows, [p.peak_mb for p in points], 1)
        hours = (cpu_base + cpu * TEN_MILLION) / 3600
        gigabytes = (memory_base + memory * TEN_MILLION) / 1000
        table += [
            "",
            f"A line through them: {1e6 * cpu:.0f} µs and {1e6 * memory:.0f} bytes a row; "
            f"ten million rows: {hours:.1f} core hours, {gigabytes:.1f} GB.",
        ]
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where runs are made; 30 kB a row")
    parser.add_argument("--peers", type=Path, required=True, help="Python that has requirements.txt installed")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--peer-rows", type=int, default=50_000, help="of the two libraries; what they cost is linear")
    parser.add_argument("--points", default="50000,100000,200000,400000")
    arguments = parser.parse_args()
    points = sorted(int(point) for point in arguments.points.split(",") if point)
    made = (
        int(path.name.removeprefix("run-")) for path in arguments.folder.glob("run-*") if (path / "run.json").is_file()
    )
    most = max([arguments.rows, *points, *made])
    whole = arguments.folder / f"run-{most}"
    if not (whole / "run.json").is_file():
        make = [sys.executable, "-m", "benchmarks.filter.make_run", str(whole), "--rows", str(most)]
        subprocess.run(make, check=True)
    compared = cut_run(whole, arguments.folder / "compared", arguments.rows) if arguments.rows < most else whole
    shutil.copy(whole / "truth.json", compared / "truth.json") if compared != whole else None
    peers: dict[str, Spent] = {}

    def ask(peer: str, rows: int) -> None:
        peers[peer], told = run_peer(arguments.peers, compared, peer, min(rows, arguments.rows))
        print(peer, told, file=sys.stderr)

    # By turns, so that what else the machine does weighs on all.
    ask("ngrams", arguments.peer_rows)
    one = filter_run(compared, arguments.rows, "0")
    ask("rensa", arguments.peer_rows)
    two = filter_run(compared, arguments.rows, "0,1")
    ask("datatrove", DATATROVE_ROWS)
    ask("datatrove-minhash", DATATROVE_ROWS)
    print("\n".join(report_peers(one, two, peers)), end="\n\n")
    measured = []
    for point in points:
        cut = compared if point == arguments.rows else cut_run(whole, arguments.folder / "cut", point)
        measured.append(one if point == arguments.rows else filter_run(cut, point, "0"))
    print("\n".join(report_points(measured)))
    if compared == whole:
        found = check_planted(whole)
        print("\nplanted and found:", ", ".join(f"{kind} {share:.1%}" for kind, share in found.items()))
        sys.exit(min(found["contaminated"], found["duplicates"]) < 0.99)


if __name__ == "__main__":
    main()
