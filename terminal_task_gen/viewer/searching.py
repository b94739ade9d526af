"""Full-text search: which rows of a snapshot hold the words. A trajectory also has the words of its task.

Each word is looked up by itself and kept, so that going on typing, paging and facets cost nothing more. Phrases are
checked in the rows themselves, as many as MAX_CHECKED.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from terminal_task_gen.viewer.columns import Mask
from terminal_task_gen.viewer.snapshot import Snapshot
from terminal_task_gen.viewer.words import Term

MAX_CHECKED = 2_000
MAX_KEPT = 64
"""Words whose rows are kept in memory, a bit a row."""

ReadText = Callable[[int], str]
"""Row → all its text, in lower case."""


class Found(NamedTuple):
    mask: Mask
    unchecked: int
    """Rows that hold a phrase's words and were not looked into; they are left out."""


def search(
    connection: sqlite3.Connection, snapshot: Snapshot, table: str, terms: Sequence[Term], read_text: ReadText
) -> Found:
    """Rows of `table` (trajectory or item) in which all terms hold. Raises sqlite3.Error."""
    size = len(snapshot.trajectories) if table == "trajectory" else len(snapshot.items)
    mask = np.ones(size, dtype=np.bool_)
    for term in terms:
        holds = np.ones(size, dtype=np.bool_)
        for place, word in enumerate(term.words):
            prefix = term.prefix and place == len(term.words) - 1
            holds &= _find_word(connection, snapshot, table, word, prefix=prefix)
        if term.is_phrase and term.absent:
            continue  # decided below, in the rows
        mask &= ~holds if term.absent else holds
    phrases = [term for term in terms if term.is_phrase]
    return _check_phrases(snapshot, table, mask, phrases, read_text) if phrases else Found(mask, 0)


def _check_phrases(snapshot: Snapshot, table: str, mask: Mask, phrases: Sequence[Term], read_text: ReadText) -> Found:
    rows = np.flatnonzero(mask)
    known = [(_get_known(snapshot, f"{table} {' '.join(term.words)}"), term) for term in phrases]
    forms = [re.compile(r"[\W_]+".join(map(re.escape, term.words))) for term in phrases]
    checked = np.zeros_like(mask)
    for row in rows[:MAX_CHECKED].tolist():
        if any(row not in answers for answers, _ in known):
            text = read_text(row)
            for (answers, _), form in zip(known, forms, strict=True):
                answers[row] = form.search(text) is not None
        checked[row] = all(answers[row] != term.absent for answers, term in known)
    return Found(checked, max(0, len(rows) - MAX_CHECKED))


def _get_known(snapshot: Snapshot, key: str) -> dict[int, bool]:
    """What is known of a phrase already, so that paging and facets do not read the rows again."""
    while len(snapshot.phrases) >= MAX_KEPT and key not in snapshot.phrases:
        snapshot.phrases.pop(next(iter(snapshot.phrases)), None)
    return snapshot.phrases.setdefault(key, {})


def _find_word(connection: sqlite3.Connection, snapshot: Snapshot, table: str, word: str, *, prefix: bool) -> Mask:
    key = f"{table} {word}{'*' if prefix else ''}"
    size = len(snapshot.trajectories) if table == "trajectory" else len(snapshot.items)
    kept = snapshot.hits.get(key)
    if kept is None:
        mask = _match(connection, f"{table}_text", word, size, prefix=prefix)
        if table == "trajectory":
            of_task = np.append(_find_word(connection, snapshot, "item", word, prefix=prefix), np.False_)
            mask |= of_task[snapshot.item_of]
        kept = _keep(snapshot, key, mask)
    return np.unpackbits(kept, count=size).view(np.bool_)


def _match(connection: sqlite3.Connection, table: str, word: str, size: int, *, prefix: bool) -> Mask:
    mask = np.zeros(size, dtype=np.bool_)
    query = f'"{word}"*' if prefix else f'"{word}"'
    found = connection.execute(f"SELECT rowid FROM {table} WHERE {table} MATCH ?", (query,))
    rows = np.fromiter((row for (row,) in found), dtype=np.int64)
    mask[rows[rows < size]] = True
    return mask


def _keep(snapshot: Snapshot, key: str, mask: Mask) -> NDArray[np.uint8]:
    packed = np.packbits(mask)
    while len(snapshot.hits) >= MAX_KEPT:
        snapshot.hits.pop(next(iter(snapshot.hits)), None)
    snapshot.hits[key] = packed
    return packed
