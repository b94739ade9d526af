"""How fast `ttg view` indexes a run and answers, beside plain SQLite (and DuckDB where there is one) on the same rows.

    python -m benchmarks.viewer.run /tmp/run            # made by benchmarks.viewer.make_run; prints README.md's tables

Each answer is the whole HTTP request, its JSON read; the plain queries are timed inside of their engine. The median of
REPEATS; `first` is the first answer of a fresh server. Fails where a bound of issue 8 is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from terminal_task_gen.viewer.layout import INDEX, choose_index_folder
from terminal_task_gen.viewer.schema import open_for_reading
from terminal_task_gen.viewer.snapshot import Snapshot, load_snapshot

REPEATS = 7
FIRST_PAGE_SEC, FACET_SEC, INDEX_MB_PER_SEC = 1.0, 0.5, 50.0
REAL_ROW_BYTES = 10_000
"""From here on the bound on indexing holds: of shorter rows than real ones, a megabyte has far more."""
LIST = "api/runs/{run}/trajectories?limit=50"
REQUESTS = {
    "first page: newest rows, all facets": "",
    "domain chosen, all facets": "&domain=security",
    "skill chosen, all facets": "&skill=skill+number+7",
    "four facets chosen, all facets": "&domain=security&mode=skill&difficulty=medium&drop=kept",
    "drop reason chosen, all facets": "&drop=identity_claim",
    "sorted by tokens, all facets": "&sort=-tokens",
    "page 5,000, all facets": "&offset=250000",
    "page alone": "&facets=0",
}
SEARCHES = ("a word in a few rows", "a word in most rows", "two words", "a phrase")
PLAIN = {
    "count by domain": "SELECT domain, count(*) FROM t GROUP BY domain",
    "count by domain, four chosen": (
        "SELECT domain, count(*) FROM t WHERE mode = 1 AND difficulty = 1 AND drop_code = 1 GROUP BY domain"
    ),
    "first 50 by tokens": "SELECT * FROM t ORDER BY tokens DESC LIMIT 50",
}
COLUMNS = (
    "domain",
    "mode",
    "difficulty",
    "stop",
    "model",
    "drop_code",
    "band",
    "attempt",
    "turns",
    "tokens",
    "reward",
    "seconds",
)


def time_call(call: Callable[[], object], repeats: int = REPEATS) -> float:
    spent = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent)


class Server:
    """`ttg view` in a process of its own."""

    def __init__(self, run: Path) -> None:
        command = [sys.executable, "-m", "terminal_task_gen", "view", str(run), "--no-open"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        found = re.search(r"(http://\S+)\?token=(\S+)", self._process.stdout.readline())
        assert found, "ttg view printed no address"
        self._address, self._token = found.groups()

    def get(self, path: str) -> Any:
        request = urllib.request.Request(self._address + path, headers={"Authorization": f"Bearer {self._token}"})
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())

    def read_memory_mb(self) -> tuple[int, int]:
        """Resident now, and at most."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        now, most = (int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("VmRSS", "VmHWM"))  # type: ignore[index]
        return now // 1024, most // 1024

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


def build_index(run: Path, folder: Path) -> dict[str, float]:
    shutil.rmtree(folder)
    folder.mkdir()
    size_mb = sum(path.stat().st_size for path in run.glob("*/*.jsonl")) / 1e6
    began = time.perf_counter()
    command = [sys.executable, "-m", "terminal_task_gen.viewer.builder", "--once", str(run), str(folder)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    index_bytes = (folder / INDEX).stat().st_size
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "shards_mb": size_mb,
        "seconds": seconds,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "index_bytes": index_bytes,
        "builder_peak_mb": used.ru_maxrss / 1024,
    }


def make_plain_table(snapshot: Snapshot) -> dict[str, np.ndarray[Any, Any]]:
    """The rows' columns, as anybody would put them into a table."""
    rows, items = snapshot.trajectories, snapshot.items
    return {
        "domain": rows["domain"],
        "mode": items["mode"][snapshot.item_of],
        "difficulty": items["difficulty"][snapshot.item_of],
        "stop": rows["stop"],
        "model": rows["model"],
        "drop_code": snapshot.drops,
        "band": (rows["reward"] * 4).astype(np.int64),
        "attempt": rows["attempt"],
        "turns": rows["turns"],
        "tokens": rows["prompt_tokens"] + rows["completion_tokens"],
        "reward": rows["reward"],
        "seconds": rows["seconds"],
    }


def time_sqlite(table: dict[str, np.ndarray[Any, Any]]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, sqlite3.connect(Path(folder) / "plain.sqlite") as plain:
        plain.execute(f"CREATE TABLE t({', '.join(COLUMNS)})")
        rows = zip(*(table[name].tolist() for name in COLUMNS), strict=True)
        plain.executemany(f"INSERT INTO t VALUES({', '.join('?' * len(COLUMNS))})", rows)
        plain.commit()
        return {name: time_call(lambda query=query: plain.execute(query).fetchall()) for name, query in PLAIN.items()}  # type: ignore[misc]


def time_duckdb(table: dict[str, np.ndarray[Any, Any]]) -> dict[str, float]:
    """Empty where there is no DuckDB."""
    try:
        import duckdb
    except ImportError:
        return {}
    connection = duckdb.connect()
    connection.execute("SET threads TO 1")
    columns = {name: np.ascontiguousarray(values) for name, values in table.items()}
    connection.register("columns", columns)
    connection.execute("CREATE TABLE t AS SELECT * FROM columns")
    return {name: time_call(lambda query=query: connection.execute(query).fetchall()) for name, query in PLAIN.items()}  # type: ignore[misc]


def pick_words(index: Path) -> dict[str, str]:
    """Queries for SEARCHES: the two words in most rows, and one in few."""
    with sqlite3.connect(index) as connection:
        connection.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab('main', 'trajectory_text', 'row')")
        often = connection.execute("SELECT term, doc FROM temp.words ORDER BY doc DESC LIMIT 2").fetchall()
        seldom = connection.execute("SELECT term, doc FROM temp.words WHERE doc >= 20 ORDER BY doc LIMIT 1").fetchone()
    print(f"words: {[*often, seldom]}", file=sys.stderr)
    (first, _), (second, _) = often
    queries = seldom[0], first, f"{first} {second}", f'"{first} {seldom[0]}"'
    return dict(zip(SEARCHES, queries, strict=True))


def measure(run: Path) -> dict[str, Any]:
    folder = choose_index_folder(run)
    built = build_index(run, folder)
    connection = open_for_reading(folder / INDEX)
    assert connection is not None
    began = time.perf_counter()
    snapshot = load_snapshot(connection, None)
    loaded_sec = time.perf_counter() - began
    table, rows = make_plain_table(snapshot), len(snapshot.trajectories)
    words = pick_words(folder / INDEX)
    answers: dict[str, float] = {}
    server = Server(run)
    try:
        base = LIST.replace("{run}", run.name)
        answers["first page, first answer of a fresh server"] = time_call(lambda: server.get(base), 1)
        for name, more in REQUESTS.items():
            answers[name] = time_call(lambda more=more: server.get(base + more))  # type: ignore[misc]
        for name, q in words.items():
            path = f"{base}&q={urllib.request.quote(q)}"  # type: ignore[attr-defined]
            answers[f"search: {name}, first time"] = time_call(lambda path=path: server.get(path), 1)  # type: ignore[misc]
            answers[f"search: {name}, again"] = time_call(lambda path=path: server.get(path))  # type: ignore[misc]
        answers["funnel"] = time_call(lambda: server.get(f"api/runs/{run.name}/funnel"))
        row_id = server.get(base + "&facets=0&offset=1000&limit=1")["rows"][0]["id"]
        answers["a trajectory's page"] = time_call(lambda: server.get(f"api/runs/{run.name}/trajectories/{row_id}"))
        memory = server.read_memory_mb()
    finally:
        server.stop()
    return {
        "rows": rows,
        **built,
        "loaded_sec": loaded_sec,
        "answers": answers,
        "memory_mb": memory,
        "sqlite": time_sqlite(table),
        "duckdb": time_duckdb(table),
    }


def print_tables(found: dict[str, Any]) -> None:
    speed = found["shards_mb"] / found["seconds"]
    per_row = found["index_bytes"] / found["rows"]
    print(f"{found['rows']:,} trajectories, {found['shards_mb']:,.0f} MB of shards, {os.cpu_count()} cores")
    print("\n| | |\n|---|--:|")
    print(f"| index built | {found['seconds']:.1f} s, {speed:.0f} MB/s |")
    busy = found["cpu_seconds"]
    print(f"| CPU time of it, all processes | {busy:.1f} s, {found['shards_mb'] / busy:.0f} MB per CPU second |")
    print(f"| its size, a trajectory | {found['index_bytes'] / 1e6:.0f} MB, {per_row:.0f} bytes |")
    print(f"| builder's largest process, resident | {found['builder_peak_mb']:.0f} MB |")
    print(f"| columns loaded into the server | {found['loaded_sec'] * 1e3:.0f} ms |")
    print(f"| server resident after all of it, at most | {found['memory_mb'][0]} MB, {found['memory_mb'][1]} MB |")
    unit = found["sqlite"]["count by domain"]
    print("\n| answer | ms | of SQLite's count by domain |\n|---|--:|--:|")
    for name, seconds in found["answers"].items():
        print(f"| {name} | {seconds * 1e3:.1f} | {seconds / unit:.2f} |")
    print("\n| plain query, one facet | SQLite ms | DuckDB ms (1 thread) |\n|---|--:|--:|")
    for name, seconds in found["sqlite"].items():
        other = found["duckdb"].get(name)
        print(f"| {name} | {seconds * 1e3:.1f} | {'–' if other is None else f'{other * 1e3:.1f}'} |")


def check_bounds(found: dict[str, Any]) -> list[str]:
    answers = found["answers"]
    broken = []
    for name, seconds in answers.items():
        bound = FIRST_PAGE_SEC if name.startswith("first page") else FACET_SEC
        if name.endswith("all facets") or name.startswith("first page"):
            broken += [f"{name}: {seconds:.2f} s, bound {bound} s"] if seconds > bound else []
    speed = found["shards_mb"] / found["seconds"]
    if speed < INDEX_MB_PER_SEC and found["shards_mb"] * 1e6 / found["rows"] >= REAL_ROW_BYTES:
        broken.append(f"index built at {speed:.0f} MB/s, bound {INDEX_MB_PER_SEC:.0f}")
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    found = measure(parser.parse_args().run)
    print_tables(found)
    broken = check_bounds(found)
    print("\n".join(broken), file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
