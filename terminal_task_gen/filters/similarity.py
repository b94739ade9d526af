"""Near-duplicates by MinHash: a signature a text, made where the text is read; pairs found later, a band at a time.

A text's shingles are its runs of SHINGLE_WORDS words. One hash a shingle falls into one of SLOTS slots, of which each
keeps its least (one-permutation hashing); an empty slot borrows from another one (optimal densification). The share of
equal slots estimates the Jaccard similarity of two texts with a standard error below 0.05. Two texts are compared when
one of BANDS bands of ROWS slots is equal: at similarity 0.75 that is so for 99.8% of the pairs, at 0.5 for half, which
the comparison then refuses.

Memory: signatures lie in files (432 bytes a text); one band of all texts at a time is in memory (some 40 bytes a text).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from terminal_task_gen.filters.words import U64, WordBatch, get_compiled

SHINGLE_WORDS = 5
BANDS = 24
ROWS = 5
SLOTS = BANDS * ROWS
MIN_SHINGLES = 20
"""Texts with fewer shingles have no signature: too short to be told apart."""

_EMPTY = np.uint32(0xFFFFFFFF)
_HIGH, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_PAIRS_AT_ONCE = 1 << 16
_rng = np.random.Generator(np.random.PCG64(20260101))
_BORROW = _rng.integers(0, SLOTS, size=(64, SLOTS), dtype=np.int64)
_BAND_FACTORS = _rng.integers(1, 2**63, size=ROWS, dtype=np.uint64) | np.uint64(1)


@dataclass(frozen=True)
class Signatures:
    """Of some texts, in order."""

    slots: NDArray[np.uint16]
    """Text x slot; what is compared."""
    bands: U64
    """Band x text: equal values are candidates; 0 where a text has no signature."""


class SlotTable(Protocol):
    """Rows of slots by the numbers of their texts; an array, or files."""

    def __getitem__(self, numbers: NDArray[np.int64], /) -> NDArray[np.uint16]: ...


class Similar(NamedTuple):
    """A text, and the one before it in rank that it resembles."""

    text: int
    original: int
    similarity: float


def sign(batch: WordBatch, bounds: Sequence[int]) -> Signatures:
    """Signatures of documents; document d is the texts from `bounds[d]` up to `bounds[d + 1]` of the batch."""
    first_words = batch.bounds[np.asarray(bounds, dtype=np.int64)]
    compiled = get_compiled()
    if compiled is None:
        slots = _find_least(batch, first_words)
    else:
        slots = compiled.find_least(batch.hashes, first_words, shingle=SHINGLE_WORDS, slots=SLOTS, empty=int(_EMPTY))
    filled = _densify(slots)
    unsigned = np.diff(first_words) - (SHINGLE_WORDS - 1) < MIN_SHINGLES
    return Signatures(filled.astype(np.uint16), _hash_bands(filled, unsigned))


def _find_least(batch: WordBatch, first_words: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Document x slot: the least shingle that fell into it."""
    count = len(first_words) - 1
    shingles = batch.hash_grams(SHINGLE_WORDS)
    # A document's last words begin shingles that run into the next one.
    ends = np.maximum(first_words[1:] - (SHINGLE_WORDS - 1), first_words[:-1])
    kept = _mark_ranges(first_words[:-1], ends, len(shingles))
    owners = np.repeat(np.arange(count), ends - first_words[:-1])
    chosen = shingles[kept]
    places = ((chosen >> _HIGH) * np.uint64(SLOTS) >> _HIGH).astype(np.int64) + owners * SLOTS
    slots = np.full(count * SLOTS, _EMPTY, dtype=np.uint32)
    np.minimum.at(slots, places, (chosen & _LOW).astype(np.uint32))
    return slots.reshape(count, SLOTS)


@dataclass(frozen=True)
class Pairs:
    """Texts that are alike, a pair a place."""

    later: NDArray[np.int64]
    earlier: NDArray[np.int64]
    """Of lower rank."""
    alike: NDArray[np.float64]
    """Estimated similarity."""

    @classmethod
    def join(cls, some: Sequence[Pairs]) -> Pairs:
        columns = [[getattr(pairs, name) for pairs in some] for name in ("later", "earlier", "alike")]
        later, earlier, alike = (np.concatenate(column) if column else np.empty(0) for column in columns)
        return cls(later.astype(np.int64), earlier.astype(np.int64), alike)


def find_similar(
    slots: SlotTable, bands: Iterator[U64], ranks: NDArray[np.int64], *, similarity: float
) -> list[Similar]:
    """Every text that resembles one of lower rank that is itself no near-duplicate; sorted by rank.

    `bands` gives the bands one after the other, each for all texts.
    """
    return choose_originals([find_pairs(slots, bands, ranks, similarity=similarity)], ranks)


def find_pairs(slots: SlotTable, bands: Iterable[U64], ranks: NDArray[np.int64], *, similarity: float) -> Pairs:
    """Those of some bands, each pair once."""
    found = []
    count = len(ranks)
    known = np.empty(0, dtype=np.int64)
    for band in bands:
        for later, earlier in _list_candidates(band, ranks):
            new = np.setdiff1d(later * count + earlier, known)
            alike = _compare(slots, new // count, new % count)
            close = alike >= similarity
            found.append(Pairs(new[close] // count, new[close] % count, alike[close]))
            known = np.union1d(known, new)
    return Pairs.join(found)


def choose_originals(found: Sequence[Pairs], ranks: NDArray[np.int64]) -> list[Similar]:
    """From the pairs of all bands, each near-duplicate with its original; sorted by rank."""
    pairs: dict[int, dict[int, float]] = {}
    together = Pairs.join(found)
    columns = (together.later.tolist(), together.earlier.tolist(), together.alike.tolist())
    for later, earlier, alike in zip(*columns, strict=True):
        pairs.setdefault(later, {})[earlier] = alike
    duplicates: dict[int, Similar] = {}
    for text in sorted(pairs, key=lambda text: int(ranks[text])):
        originals = [earlier for earlier in pairs[text] if earlier not in duplicates]
        if originals:
            best = max(originals, key=lambda earlier: (pairs[text][earlier], -int(ranks[earlier])))
            duplicates[text] = Similar(text, best, pairs[text][best])
    return list(duplicates.values())


def _mark_ranges(starts: NDArray[np.int64], ends: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    steps = np.zeros(size + 1, dtype=np.int8)
    filled = starts < ends
    np.add.at(steps, starts[filled], 1)
    np.add.at(steps, ends[filled], -1)
    return np.cumsum(steps[:-1], dtype=np.int8).astype(np.bool_)


def _densify(slots: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Empty slots take the value of a fixed other one, tried in turn until one is filled."""
    source = slots.copy()
    rows, columns = np.nonzero(slots == _EMPTY)
    for choice in _BORROW:
        if not len(rows):
            break
        borrowed = source[rows, choice[columns]]
        slots[rows, columns] = borrowed
        still = borrowed == _EMPTY
        rows, columns = rows[still], columns[still]
    return slots


def _hash_bands(slots: NDArray[np.uint32], unsigned: NDArray[np.bool_]) -> U64:
    grouped = slots.astype(np.uint64).reshape(len(slots), BANDS, ROWS)
    hashes = (grouped * _BAND_FACTORS).sum(axis=2, dtype=np.uint64)
    hashes = (hashes ^ (hashes >> np.uint64(29))) * _MIX
    hashes[unsigned] = 0
    return np.ascontiguousarray(hashes.T)


def _list_candidates(band: U64, ranks: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs (later, earlier) that share a band: each text with the first of its bucket and with the one before it.

    That is linear in the size of a bucket, where all pairs would be quadratic; a text that resembles another member
    and neither of these meets it in another band.
    """
    sorted_band = np.sort(band)
    shared = np.unique(sorted_band[1:][(sorted_band[1:] == sorted_band[:-1]) & (sorted_band[1:] != 0)])
    if not len(shared):
        return
    places = np.minimum(np.searchsorted(shared, band), len(shared) - 1)
    members = np.flatnonzero(shared[places] == band)
    order = members[np.lexsort((ranks[members], band[members]))]
    values = band[order]
    same = np.flatnonzero(values[1:] == values[:-1]) + 1
    begins = np.concatenate((np.zeros(1, dtype=np.int64), np.flatnonzero(values[1:] != values[:-1]) + 1))
    first = begins[np.searchsorted(begins, same, side="right") - 1]
    distant = first != same - 1
    later = np.concatenate((order[same], order[same[distant]]))
    earlier = np.concatenate((order[first], order[same[distant] - 1]))
    for start in range(0, len(later), _PAIRS_AT_ONCE):
        yield later[start : start + _PAIRS_AT_ONCE], earlier[start : start + _PAIRS_AT_ONCE]


def _compare(slots: SlotTable, later: NDArray[np.int64], earlier: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray((slots[later] == slots[earlier]).mean(axis=1))
