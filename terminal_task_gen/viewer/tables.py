"""The two lists that people look through, as dimensions and orders over a snapshot: trajectories; tasks with drafts."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from terminal_task_gen.viewer.columns import Mask
from terminal_task_gen.viewer.dimensions import Bits, Coded, Dimension, Listed, Skilled
from terminal_task_gen.viewer.extract import JUDGED, PASSED, TAMPERED, is_owed
from terminal_task_gen.viewer.snapshot import Snapshot

BANDS = ("unjudged", "0", "0-0.25", "0.25-0.5", "0.5-0.75", "0.75-1", "1")
PASSES = ("no", "yes", "unjudged", "tampered")
STATES = ("task", "rejected", "owed", "superseded", "duplicate")
SOLVES = ("no attempts", "unsolved", "sometimes", "always")
NOT_FILTERED = "not_filtered"
ANY_NOTE = "(any note)"
_EDGES = (0.25, 0.5, 0.75, 1.0)
_DIFFICULTIES = ("easy", "medium", "hard")

Order = NDArray[np.int64]
Rows = NDArray[np.int64]


class TrajectoryTable:
    """All trajectories of a run."""

    name = "trajectory"

    def __init__(self, snapshot: Snapshot, labels: dict[str, Rows]) -> None:
        self.snapshot = snapshot
        self.rows = len(snapshot.trajectories)
        self._labels = labels

    @cached_property
    def dimensions(self) -> Mapping[str, Dimension]:
        snap, words = self.snapshot, self.snapshot.words
        columns = snap.trajectories
        return {
            "domain": Coded(columns["domain"], words["domain"]),
            "mode": Coded(self._take_from_task("mode"), words["mode"]),
            "difficulty": sort_difficulties(self._take_from_task("difficulty"), words["difficulty"]),
            "skill": Skilled(snap.skills, snap.item_of, len(snap.items), words["skill"]),
            "band": Coded(_find_bands(snap), BANDS, natural=True),
            "stop": Coded(columns["stop"], words["stop"]),
            "drop": Coded(snap.drops, [NOT_FILTERED, *words["ruling"][1:]]),
            "found": Bits(snap.found, words["ruling"][:64]),
            "model": Coded(columns["model"], words["model"]),
            "passed": Coded(_find_passes(snap), PASSES, natural=True),
            "label": Listed(self._labels, self.rows),
        }

    def find_rows_of_task(self, task_row: int) -> Mask:
        return np.asarray(self.snapshot.item_of == task_row, dtype=np.bool_)

    def sort(self, key: str, connection: sqlite3.Connection) -> Order | None:
        """Rows in ascending order of a key; None: as written. Raises KeyError for an unknown key."""
        columns, words = self.snapshot.trajectories, self.snapshot.words
        makers: dict[str, Callable[[], Order]] = {
            "reward": lambda: _argsort(columns["reward"]),
            "turns": lambda: _argsort(columns["turns"]),
            "tokens": lambda: _argsort(columns["prompt_tokens"] + columns["completion_tokens"]),
            "seconds": lambda: _argsort(columns["seconds"]),
            "attempt": lambda: _argsort(columns["attempt"]),
            "domain": lambda: _argsort(_rank(words["domain"])[columns["domain"]]),
            "task": lambda: _argsort(_rank(words["task"])[columns["task"]]),
            "id": lambda: _read_order(connection, "SELECT row FROM trajectory ORDER BY id, row", self.rows),
        }
        return _keep_order(self.snapshot, f"trajectory {key}", makers, key)

    def _take_from_task(self, column: str) -> NDArray[np.uint16]:
        """A column of the rows' tasks; 0 where the run has no such task."""
        with_none = np.append(self.snapshot.items[column], np.uint16(0))
        return np.asarray(with_none[self.snapshot.item_of], dtype=np.uint16)


class TaskTable:
    """All tasks of a run, and the drafts that were given up for good or are owed."""

    name = "item"

    def __init__(self, snapshot: Snapshot, labels: dict[str, Rows]) -> None:
        self.snapshot = snapshot
        self.rows = len(snapshot.items)
        self._labels = labels

    @cached_property
    def dimensions(self) -> Mapping[str, Dimension]:
        snap, words = self.snapshot, self.snapshot.words
        items = snap.items
        own = np.arange(self.rows, dtype=np.int64)
        return {
            "state": Coded(self.states, STATES, natural=True),
            "domain": Coded(items["domain"], words["domain"]),
            "mode": Coded(items["mode"], words["mode"]),
            "difficulty": sort_difficulties(items["difficulty"], words["difficulty"]),
            "skill": Skilled(snap.skills, own, self.rows, words["skill"]),
            "reason": Coded(items["reason"], words["reason"]),
            "gate": Coded(items["gate"], words["gate"]),
            "solve": Coded(self._find_solves(), [*SOLVES, ""], natural=True),
            "label": Listed(self._labels, self.rows),
        }

    @cached_property
    def states(self) -> NDArray[np.uint8]:
        """Of each item, the index in STATES."""
        snap = self.snapshot
        retried = np.array([is_owed(cause) for cause in snap.words["cause"]], dtype=np.bool_)
        states = np.where(snap.items["cause"] == 0, 0, np.where(retried[snap.items["cause"]], 2, 1))
        states = np.where(snap.superseded, 3, states)
        return np.where(snap.duplicates & (states == 0), 4, states).astype(np.uint8)

    @cached_property
    def solving(self) -> Solving:
        return Solving(self.snapshot)

    def sort(self, key: str, connection: sqlite3.Connection) -> Order | None:
        """Rows in ascending order of a key; None: as written. Raises KeyError for an unknown key."""
        words, items = self.snapshot.words, self.snapshot.items
        makers: dict[str, Callable[[], Order]] = {
            "title": lambda: _read_order(connection, "SELECT row FROM item ORDER BY title, row", self.rows),
            "domain": lambda: _argsort(_rank(words["domain"])[items["domain"]]),
            "attempts": lambda: _argsort(self.solving.attempts),
            "solve_rate": lambda: _argsort(self.solving.passed / np.maximum(self.solving.judged, 1)),
            "reward": lambda: _argsort(self.solving.mean_rewards),
        }
        return _keep_order(self.snapshot, f"item {key}", makers, key)

    def _find_solves(self) -> NDArray[np.uint8]:
        solving = self.solving
        solves = np.where(solving.passed == 0, 1, np.where(solving.passed < solving.judged, 2, 3))
        solves = np.where(solving.judged == 0, 0, solves)
        return np.where(self.states == 0, solves, len(SOLVES)).astype(np.uint8)


class Solving:
    """Outcomes by task: an entry for each item."""

    def __init__(self, snapshot: Snapshot) -> None:
        places, columns, size = snapshot.item_of + 1, snapshot.trajectories, len(snapshot.items) + 1
        judged = (columns["flags"] & JUDGED) != 0
        passed = judged & ((columns["flags"] & PASSED) != 0)
        self.attempts = np.bincount(places, minlength=size)[1:]
        self.judged = np.bincount(places, weights=judged, minlength=size)[1:].astype(np.int64)
        self.passed = np.bincount(places, weights=passed, minlength=size)[1:].astype(np.int64)
        rewards = np.bincount(places, weights=columns["reward"] * judged, minlength=size)[1:]
        self.mean_rewards = rewards / np.maximum(self.judged, 1)


def sort_difficulties(codes: NDArray[np.uint16], words: Sequence[str]) -> Coded:
    """Easy before hard, whatever came first in the run."""
    known = [word for word in _DIFFICULTIES if word in words]
    ordered = ["", *known, *sorted(word for word in words[1:] if word not in known)]
    places = np.array([ordered.index(word) for word in words], dtype=np.uint16)
    return Coded(places[codes], ordered, natural=True)


def _find_bands(snapshot: Snapshot) -> NDArray[np.uint8]:
    rewards = snapshot.trajectories["reward"]
    inner = np.searchsorted(np.array(_EDGES, dtype=np.float32), rewards, side="right") + 2
    # Sums of weights end a hair under 1.
    bands = np.where(rewards <= 0, 1, np.where(rewards >= 1 - 1e-6, 6, np.minimum(inner, 5)))
    judged = (snapshot.trajectories["flags"] & JUDGED) != 0
    return np.where(judged, bands, 0).astype(np.uint8)


def _find_passes(snapshot: Snapshot) -> NDArray[np.uint8]:
    flags = snapshot.trajectories["flags"]
    passes = np.where((flags & JUDGED) == 0, 2, np.where((flags & PASSED) != 0, 1, 0))
    return np.where((flags & TAMPERED) != 0, 3, passes).astype(np.uint8)


def _argsort(values: NDArray[np.generic]) -> Order:
    return np.argsort(values, kind="stable")


def _rank(words: Sequence[str]) -> NDArray[np.int64]:
    ranks = np.empty(len(words), dtype=np.int64)
    ranks[sorted(range(len(words)), key=words.__getitem__)] = np.arange(len(words))
    return ranks


def _read_order(connection: sqlite3.Connection, query: str, rows: int) -> Order:
    """Rows that came since the snapshot are left out."""
    order = np.fromiter((row for (row,) in connection.execute(query)), dtype=np.int64)
    return order[order < rows]


def _keep_order(snapshot: Snapshot, name: str, makers: Mapping[str, Callable[[], Order]], key: str) -> Order | None:
    if key == "order":
        return None
    if name not in snapshot.orders:
        snapshot.orders[name] = makers[key]()
    return snapshot.orders[name]
