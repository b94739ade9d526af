"""Finds rows by id, or by the beginning of one, in the shards of runs; only the lines that hold it are parsed."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from terminal_task_gen.errors import UsageError
from terminal_task_gen.store import DUPLICATES, FAILED, REJECTED, TASKS, TRAJECTORIES, RunDirectory

KINDS = {
    "trajectory": TRAJECTORIES,
    "task": TASKS,
    "rejected request": REJECTED,
    "duplicate": DUPLICATES,
    "failed attempt": FAILED,
}
"""In the order of preference where several hold an id: an attempt that failed first is shown as its trajectory."""
MOST_LISTED = 20


class Found(NamedTuple):
    """A row, and what it is."""

    run: Path
    kind: str
    id: str
    row: dict[str, Any]


def list_runs(folder: Path) -> list[Path]:
    """Run directories in a folder, sorted by name."""
    return sorted(path.parent for path in folder.glob("*/config.yaml"))


def find_row(runs: Sequence[Path], beginning: str) -> Found:
    """The one row whose id begins so; a whole id wins over longer ones. Raises UsageError for none, or for several."""
    found = {(row.run, row.id): row for run in runs for row in _find_in_run(run, beginning)}
    exact = [row for row in found.values() if row.id == beginning]
    chosen = exact or list(found.values())
    if len(chosen) == 1:
        return chosen[0]
    where = ", ".join(str(run) for run in runs[:3]) + (", …" if len(runs) > 3 else "")
    if not chosen:
        raise UsageError(f"no task, request or trajectory in {where} has an id that begins with {beginning!r}")
    raise UsageError(explain_several(beginning, [f"{row.id} ({row.kind} in {row.run})" for row in chosen]))


def explain_several(beginning: str, candidates: Sequence[str]) -> str:
    """The line for a beginning that is not enough."""
    more = f", and {len(candidates) - MOST_LISTED} more" if len(candidates) > MOST_LISTED else ""
    listed = ", ".join(candidates[:MOST_LISTED])
    return f"{beginning!r} is the beginning of {len(candidates)} ids; give more of it, or --run: {listed}{more}"


def find_task(run: Path, task_id: str) -> dict[str, Any] | None:
    """A task's row by its whole id."""
    rows = _find_lines(RunDirectory(run).list_shards(TASKS), f'"id":"{task_id}"')
    return next((row for row in rows if row.get("id") == task_id), None)


def find_attempts(run: Path, task_id: str) -> list[dict[str, Any]]:
    """Trajectories of a task, by attempt."""
    rows = _find_lines(RunDirectory(run).list_shards(TRAJECTORIES), f'"task_id":"{task_id}"')
    return sorted((row for row in rows if row.get("task_id") == task_id), key=lambda row: int(row.get("attempt", 0)))


def find_corpus_row(run: Path, trajectory_id: str) -> dict[str, Any] | None:
    """What the corpus holds of a trajectory: a kept row, or a dropped one with its `findings`. None: not filtered."""
    shards = sorted(RunDirectory(run).corpus_dir.rglob("*.jsonl"))
    rows = _find_lines(shards, f'"id":"{trajectory_id}"')
    return next((row for row in rows if row.get("id") == trajectory_id), None)


def _find_in_run(run: Path, beginning: str) -> Iterator[Found]:
    """One a id: of rows with the same one the last, of kinds the first."""
    seen: set[str] = set()
    for kind, shards in KINDS.items():
        rows: dict[str, dict[str, Any]] = {}
        for row in _find_lines(RunDirectory(run).list_shards(shards), f'"id":"{beginning}'):
            if str(row.get("id", "")).startswith(beginning):
                rows[row["id"]] = row
        yield from (Found(run, kind, key, row) for key, row in sorted(rows.items()) if key not in seen)
        seen |= set(rows)


def _find_lines(shards: Iterable[Path], text: str) -> Iterator[dict[str, Any]]:
    """Parsed lines that hold the text; a line that cannot be read is passed over."""
    needle = text.encode()
    for shard in shards:
        if shard.stat().st_size == 0:
            continue
        with shard.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            at = content.find(needle)
            while at >= 0:
                start, end = content.rfind(b"\n", 0, at) + 1, content.find(b"\n", at)
                end = len(content) if end < 0 else end
                try:
                    row = orjson.loads(content[start:end])
                except orjson.JSONDecodeError:
                    row = None
                if isinstance(row, dict):
                    yield row
                at = content.find(needle, end)
