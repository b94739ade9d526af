"""Which texts a costly rule need look at: those with a word that its expressions cannot match without.

A trigger is the beginning of a run of ASCII letters and digits (of at least three bytes, of which eight count), or an
ideograph. It is sought once in all texts, among the beginnings that words.py has found, for all rules together; only
the texts it names are then read by the rule itself. A trigger too many costs time; one too few loses findings, so
every expression in `identity.py`, `secrets.py` and `commands.py` has its triggers beside it and a test that says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from terminal_task_gen.filters.words import U64, Positions, WordBatch, gather_keys, normalise


class Trigger(IntEnum):
    """Rules that have triggers, a bit each."""

    NONE = 0
    IDENTITY = 1
    SECRET = 2
    COMMAND = 4
    NOISE = 8


MIN_BYTES, MAX_BYTES = 3, 8
_GATE_BITS = 16
_FIRST_THREE = np.uint64(0xFFFFFF)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class TriggerTable:
    """Triggers, ready to be sought. Plain data."""

    gate: NDArray[np.bool_]
    by_size: tuple[tuple[int, U64, NDArray[np.uint8]], ...]
    """Bytes, sorted keys of so many bytes, the rules of each."""

    def find(self, batch: WordBatch) -> NDArray[np.uint8]:
        """Text → the rules (bits of Trigger) that must look at it."""
        found = np.zeros(len(batch.bounds) - 1, dtype=np.uint8)
        begins, keys = _list_begins(batch)
        passed = np.flatnonzero(self.gate[_hash_gate(keys)])
        keys, begins = keys[passed], begins[passed]
        for size, known, rules in self.by_size:
            places = np.minimum(np.searchsorted(known, keys & _mask(size)), len(known) - 1)
            hits = np.flatnonzero(known[places] == keys & _mask(size))
            texts = np.searchsorted(batch.offsets, begins[hits], side="right") - 1
            np.bitwise_or.at(found, texts, rules[places[hits]])
        return found


def build_table(triggers: Mapping[Trigger, Iterable[str]]) -> TriggerTable:
    """Raises ValueError for a trigger too short to be sought."""
    keys: dict[bytes, int] = {}
    for rule, beginnings in triggers.items():
        for beginning in beginnings:
            key = normalise(beginning).lstrip(b" ").lower()[:MAX_BYTES]
            if len(key) < MIN_BYTES:
                raise ValueError(f"trigger {beginning!r} of {rule.name} has fewer than {MIN_BYTES} bytes")
            keys[key] = keys.get(key, 0) | rule
    by_size = []
    for size in sorted({len(key) for key in keys}):
        chosen = sorted((int.from_bytes(key, "little"), rules) for key, rules in keys.items() if len(key) == size)
        numbers, rules = zip(*chosen, strict=True)
        by_size.append((size, np.array(numbers, dtype=np.uint64), np.array(rules, dtype=np.uint8)))
    gate = np.zeros(1 << _GATE_BITS, dtype=np.bool_)
    gate[_hash_gate(np.array([int.from_bytes(key, "little") for key in keys], dtype=np.uint64))] = True
    return TriggerTable(gate, tuple(by_size))


def _list_begins(batch: WordBatch) -> tuple[Positions, U64]:
    """Where words begin, and what stands behind an underscore; and the eight bytes there."""
    behind = np.flatnonzero(np.frombuffer(batch.buffer, dtype=np.uint8) == 0x5F) + 1
    if not len(behind):
        return batch.starts, batch.keys
    keys = np.concatenate((batch.keys, gather_keys(batch.buffer, behind)))
    return np.concatenate((batch.starts, behind)), keys


def _hash_gate(keys: U64) -> NDArray[np.int64]:
    return (((keys & _FIRST_THREE) * _SPREAD) >> np.uint64(64 - _GATE_BITS)).astype(np.int64)


def _mask(size: int) -> np.uint64:
    return np.uint64((1 << 8 * size) - 1)
