"""Near-duplicates among instructions: sketches of word triples, and two ways to look one up.

An instruction's sketch is a one-permutation MinHash: its word triples (figures all read as one, so that another year or
amount is no other task) are dealt by hash into BUCKETS, and each bucket keeps the least. The share of equal buckets
estimates the share of triples in common. `Sketches` holds some 500 bytes a text, whatever the text's length.

What counts is a function of the texts and their order alone, so a run's duplicates are decided after the fact, in the
order of its requests, and come out the same at any concurrency and after any number of resumes.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

BUCKETS = 126
ROWS = 3
"""Buckets to a band: texts are compared when all of a band are equal, which at a likeness of 0.5 hardly ever fails."""
BANDS = BUCKETS // ROWS
WIDTH = 3
MAX_COMPARED = 8
"""Of the texts that share a band, the first so many are compared with; a thousand copies of one text stay cheap."""

_WORD = re.compile(r"\w+")
_FIGURES = re.compile(r"\d+")


class Near(NamedTuple):
    """The text that was found, and the estimated share of word triples in common."""

    name: str
    likeness: float

    def describe(self) -> str:
        return f"{self.likeness:.0%} of its word triples are those of {self.name}"


class Sketch(NamedTuple):
    """Least hash of each bucket, in one byte each for comparing and in full in the bands."""

    signature: bytes
    bands: tuple[int, ...]


def make_sketch(text: str) -> Sketch:
    least: dict[int, int] = {}
    for triple in list_triples(text):
        value = int.from_bytes(hashlib.blake2b(triple.encode(), digest_size=8).digest(), "big")
        bucket, rest = value % BUCKETS, value // BUCKETS
        least[bucket] = min(rest, least.get(bucket, rest))
    full = [least.get(bucket, -1) for bucket in range(BUCKETS)]
    if least:
        # An empty bucket borrows from the next full one, so that short texts are comparable (Shrivastava and Li 2014).
        for bucket in reversed(range(2 * BUCKETS)):
            here = bucket % BUCKETS
            full[here] = full[here] if full[here] >= 0 else full[(here + 1) % BUCKETS]
    bands = (tuple(full[start : start + ROWS]) for start in range(0, BUCKETS, ROWS))
    return Sketch(bytes(value & 0xFF for value in full), tuple(_hash_band(n, band) for n, band in enumerate(bands)))


def list_triples(text: str) -> set[str]:
    words = _WORD.findall(_FIGURES.sub("0", unicodedata.normalize("NFKC", text).casefold()))
    if len(words) < WIDTH:
        return {" ".join(words)} if words else set()
    return {" ".join(words[start : start + WIDTH]) for start in range(len(words) - WIDTH + 1)}


def estimate_likeness(left: bytes, right: bytes) -> float:
    """Between 0 and 1; one byte of a bucket's hash agrees by chance once in 256."""
    same = sum(a == b for a, b in zip(left, right, strict=True)) / BUCKETS
    return max(0.0, (same - 1 / 256) / (1 - 1 / 256))


class Sketches:
    """Sketches of many texts under their names, in the order added."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._signatures = bytearray()
        self._bands = [array("Q") for _ in range(BANDS)]
        self._orders: list[array[int]] = []

    def __len__(self) -> int:
        return len(self._names)

    def add(self, name: str, text: str) -> None:
        sketch = make_sketch(text)
        self._names.append(name)
        self._signatures += sketch.signature
        for band, value in zip(self._bands, sketch.bands, strict=True):
            band.append(value)
        self._orders = []

    def find(self, text: str, *, least: float) -> Near | None:
        """The likest of all texts that share at least `least` with this one; the first of equals."""
        if not self._orders:
            self._orders = [self._sort(band) for band in self._bands]
        sketch = make_sketch(text)
        candidates: set[int] = set()
        for band, order, value in zip(self._bands, self._orders, sketch.bands, strict=True):
            start = bisect_left(order, value, key=band.__getitem__)
            candidates.update(place for place in order[start : start + MAX_COMPARED] if band[place] == value)
        found = [(estimate_likeness(self._get(place), sketch.signature), -place) for place in candidates]
        likeness, place = max(found, default=(0.0, 0))
        return Near(self._names[-place], likeness) if found and likeness >= least else None

    def list_repeated(self, ranks: Sequence[int], *, least: float) -> Iterator[tuple[str, Near]]:
        """Texts near to an earlier one that is not itself repeated, each with the first such one.

        `ranks` has a number for each text, in the order added; the smaller one is the earlier text.
        """
        earlier: dict[int, set[int]] = {}
        for band in self._bands:
            for places in self._list_sharing(band, ranks):
                for number, place in enumerate(places[1:], start=1):
                    earlier.setdefault(place, set()).update(places[: min(number, MAX_COMPARED)])
        repeated: set[int] = set()
        for place in sorted(earlier, key=ranks.__getitem__):
            for other in sorted(earlier[place] - repeated, key=ranks.__getitem__):
                likeness = estimate_likeness(self._get(other), self._get(place))
                if likeness >= least:
                    repeated.add(place)
                    yield self._names[place], Near(self._names[other], likeness)
                    break

    def _list_sharing(self, band: array[int], ranks: Sequence[int]) -> Iterator[list[int]]:
        """Groups of two or more places with the same value, each in order of rank."""
        for _, places in groupby(self._sort(band), key=band.__getitem__):
            group = sorted(places, key=ranks.__getitem__)
            if len(group) > 1:
                yield group

    def _sort(self, band: array[int]) -> array[int]:
        return array("I", sorted(range(len(band)), key=band.__getitem__))

    def _get(self, place: int) -> bytes:
        return bytes(self._signatures[place * BUCKETS : (place + 1) * BUCKETS])


def _hash_band(number: int, band: tuple[int, ...]) -> int:
    digest = hashlib.blake2b(repr((number, band)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
