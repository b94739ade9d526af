"""A run's columns in memory, as of one revision of its index: what counting, choosing and sorting work on.

Frozen: a newer revision is a new snapshot that takes over the old one's arrays as far as they go, so a request sees one
state from beginning to end while the run grows.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from terminal_task_gen.viewer.columns import DTYPES, Mask, Table


class ShardPlace(NamedTuple):
    kind: str
    path: str
    """Relative to the run."""


@dataclass(frozen=True)
class Snapshot:
    """`words[kind][code]` is the text of a code; code 0 is the empty one."""

    revision: int
    trajectories: Table
    items: Table
    skills: Table
    rulings: Table
    superseded: Mask
    """Of items: drafts that count no more."""
    duplicates: Mask
    """Of items: tasks that are near to earlier ones and left out from the rollouts on."""
    words: dict[str, list[str]]
    shards: dict[int, ShardPlace]
    meta: dict[str, object]
    orders: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    """Rows in the order of a sort key; filled by those who sort."""
    hits: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    """Packed masks of the rows that hold a word; filled by those who search."""
    phrases: dict[str, dict[int, bool]] = field(default_factory=dict)
    """Of rows that were looked into, whether they hold a phrase; filled by those who search."""

    @cached_property
    def task_items(self) -> NDArray[np.int64]:
        """Task code → row of the task; -1 where the run has no such task."""
        table = np.full(len(self.words["task"]), -1, dtype=np.int64)
        rows = np.flatnonzero(self.items["task"])[::-1]
        table[self.items["task"][rows]] = rows
        return table

    @cached_property
    def item_of(self) -> NDArray[np.int64]:
        """Trajectory's row → its task's row, or -1."""
        rows: NDArray[np.int64] = self.task_items[self.trajectories["task"]]
        return rows

    @cached_property
    def drops(self) -> NDArray[np.uint16]:
        """Of each trajectory, the code of `kept` or of its drop reason; 0 where no filter has seen it."""
        drops = np.zeros(len(self.trajectories), dtype=np.uint16)
        drops[self.rulings["row"]] = self.rulings["drop"]
        return drops

    @cached_property
    def found(self) -> NDArray[np.uint64]:
        """Of each trajectory, a bit for every reason (by its code) that a rule gave."""
        found = np.zeros(len(self.trajectories), dtype=np.uint64)
        found[self.rulings["row"]] = self.rulings["found"]
        return found

    @property
    def memory_bytes(self) -> int:
        tables = (self.trajectories, self.items, self.skills, self.rulings, self.superseded, self.duplicates)
        derived = [value for name, value in vars(self).items() if name in ("task_items", "item_of", "drops", "found")]
        caches = [*self.orders.values(), *self.hits.values()]
        return sum(table.nbytes for table in (*tables, *derived, *caches))


WORD_KINDS = (
    *("task", "domain", "mode", "difficulty", "stop", "model"),
    *("cause", "reason", "gate", "author", "skill", "ruling"),
)


def load_snapshot(connection: sqlite3.Connection, old: Snapshot | None) -> Snapshot:
    """The index as it is now. `old` must be of the same file. Raises sqlite3.Error."""
    connection.execute("BEGIN")
    try:
        meta = dict(connection.execute("SELECT key, value FROM meta"))
        items = _grow(connection, "item", old.items if old else None)
        return Snapshot(
            revision=int(meta.get("revision") or 0),
            trajectories=_grow(connection, "trajectory", old.trajectories if old else None),
            items=items,
            skills=_grow(connection, "skill", old.skills if old else None),
            rulings=_grow(connection, "ruling", None),
            superseded=_mark(connection, "SELECT row FROM superseded", len(items)),
            duplicates=_mark(connection, "SELECT row FROM duplicate JOIN item ON id = task_id", len(items)),
            words={kind: _grow_words(connection, kind, old.words.get(kind) if old else None) for kind in WORD_KINDS},
            shards={
                number: ShardPlace(kind, path)
                for number, kind, path in connection.execute("SELECT number, kind, path FROM shard")
            },
            meta=meta,
        )
    finally:
        connection.execute("COMMIT")


def _mark(connection: sqlite3.Connection, query: str, rows: int) -> Mask:
    mask = np.zeros(rows, dtype=np.bool_)
    mask[[row for (row,) in connection.execute(query)]] = True
    return mask


def _grow(connection: sqlite3.Connection, kind: str, old: Table | None) -> Table:
    have = 0 if old is None else len(old)
    parts = [] if old is None else [old]
    segments = connection.execute(
        "SELECT first, data FROM segment WHERE kind = ? AND first + rows > ? ORDER BY first", (kind, have)
    )
    for first, data in segments:
        parts.append(np.frombuffer(data, dtype=DTYPES[kind])[max(0, have - first) :])
    if not parts:
        return np.empty(0, dtype=DTYPES[kind])
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _grow_words(connection: sqlite3.Connection, kind: str, old: list[str] | None) -> list[str]:
    words = old or [""]
    query = "SELECT text FROM word WHERE kind = ? AND code >= ? ORDER BY code"
    new = [text for (text,) in connection.execute(query, (kind, len(words)))]
    return [*words, *new] if new else words
