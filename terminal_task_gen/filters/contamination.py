"""Word n-gram overlap of texts with benchmark prompts.

Two texts overlap when they share `ngram` words in a row, normalised as words.py says. A prompt of fewer words is sought
as a whole in the text; below MIN_CONTAINED_WORDS (in a conversation: MIN_SPOKEN_WORDS) the two must be equal, for "fix
the bug" stands in anything. An instruction of fewer words is sought as a whole in the prompts, where their text is at
hand: an index file holds hashes of whole n-grams alone, since those of shorter ones could be guessed back into text.

What every contaminated text must contain is the hash of one n-gram: a table of bits says of nearly all others that
they are in no benchmark, and only what passes it is looked up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from terminal_task_gen.filters.benchmarks import BenchmarkPrompt
from terminal_task_gen.filters.compiled import MAX_GRAM
from terminal_task_gen.filters.passages import quote
from terminal_task_gen.filters.words import U64, Positions, WordBatch, get_compiled, split_texts
from terminal_task_gen.finding import BenchmarkFacts

MIN_CONTAINED_WORDS = 4
MIN_SPOKEN_WORDS = 8

_GATE_BITS = 20
_GATE_HIGH, _GATE_LOW = np.uint64(64 - _GATE_BITS), np.uint64(64 - 2 * _GATE_BITS)
_GATE_MASK = np.uint64((1 << _GATE_BITS) - 1)


@dataclass(frozen=True)
class Overlap:
    """The first words, in the text's order, that a benchmark has too."""

    benchmark: str
    entry: str
    words: str
    """Normalised, one space between them."""
    evidence: str
    whole: bool
    """The prompt, or the text, was shorter than an n-gram and matched as a whole."""


class Whole(NamedTuple):
    """A prompt of fewer words than an n-gram."""

    words: int
    hash: int
    entry: int


@dataclass(frozen=True)
class BenchmarkIndex:
    """One benchmark, cut up for look-up: hashes and the names of its entries, no text."""

    benchmark: str
    ngram: int
    mask_numbers: bool
    entries: tuple[str, ...]
    hashes: U64
    """Of n-grams, sorted, each once."""
    owners: NDArray[np.uint32]
    """n-gram → the first entry that has it."""
    wholes: tuple[Whole, ...] = ()
    inner: dict[int, dict[int, int]] = field(default_factory=dict)
    """Words → hash → entry, of runs shorter than an n-gram; never in a file."""

    def describe(self) -> BenchmarkFacts:
        return BenchmarkFacts(prompts=len(self.entries), ngram=self.ngram, mask_numbers=self.mask_numbers)


def build_indexes(prompts: Sequence[BenchmarkPrompt], *, ngram: int, mask_numbers: bool) -> list[BenchmarkIndex]:
    """An index a benchmark, in the order in which they first appear."""
    by_name: dict[str, list[BenchmarkPrompt]] = defaultdict(list)
    for prompt in prompts:
        by_name[prompt.benchmark].append(prompt)
    return [build_index(some, ngram=ngram, mask_numbers=mask_numbers) for some in by_name.values()]


def build_index(prompts: Sequence[BenchmarkPrompt], *, ngram: int, mask_numbers: bool = False) -> BenchmarkIndex:
    """Cut up the prompts of one benchmark."""
    batch = split_texts([prompt.text for prompt in prompts], mask_numbers=mask_numbers)
    counts = np.diff(batch.bounds)
    hashes, owners = _list_grams(batch, ngram)
    inner = {size: _map_grams(batch, size) for size in range(MIN_CONTAINED_WORDS, ngram)}
    wholes = tuple(
        Whole(size, int(batch.hash_grams(size)[batch.bounds[entry]]), entry)
        for entry, size in enumerate(counts.tolist())
        if 0 < size < ngram
    )
    entries = tuple(prompt.entry for prompt in prompts)
    return BenchmarkIndex(prompts[0].benchmark, ngram, mask_numbers, entries, hashes, owners, wholes, inner)


@dataclass(frozen=True)
class _Kind:
    """Indexes that were cut in the same way, as one."""

    ngram: int
    mask_numbers: bool
    indexes: tuple[BenchmarkIndex, ...]

    @cached_property
    def table(self) -> tuple[U64, NDArray[np.uint32], NDArray[np.uint32]]:
        """Hash, index and entry of all n-grams, sorted by hash; of equal ones the first index's first."""
        hashes = np.concatenate([index.hashes for index in self.indexes])
        numbers = np.repeat(np.arange(len(self.indexes), dtype=np.uint32), [len(i.hashes) for i in self.indexes])
        order = np.argsort(hashes, kind="stable")
        owners = np.concatenate([index.owners for index in self.indexes])
        return hashes[order], numbers[order], owners[order]

    @cached_property
    def gate(self) -> NDArray[np.bool_]:
        gate = np.zeros(1 << _GATE_BITS, dtype=np.bool_)
        gate[self.table[0] >> _GATE_HIGH] = True
        gate[(self.table[0] >> _GATE_LOW) & _GATE_MASK] = True
        return gate

    @cached_property
    def packed_gate(self) -> NDArray[np.uint8]:
        """A bit for a byte, lowest first."""
        return np.packbits(self.gate, bitorder="little")

    @cached_property
    def wholes(self) -> dict[int, dict[int, tuple[BenchmarkIndex, int]]]:
        """Words → hash → index and entry."""
        found: dict[int, dict[int, tuple[BenchmarkIndex, int]]] = defaultdict(dict)
        for index in self.indexes:
            for whole in index.wholes:
                found[whole.words].setdefault(whole.hash, (index, whole.entry))
        return dict(sorted(found.items(), reverse=True))


class _Hit(NamedTuple):
    word: int
    size: int
    source: BenchmarkIndex
    entry: int


@dataclass(frozen=True)
class BenchmarkScreen:
    """Any number of benchmarks. Built once, read by many; plain data, so it travels to other processes."""

    indexes: tuple[BenchmarkIndex, ...] = ()

    @cached_property
    def _kinds(self) -> tuple[_Kind, ...]:
        groups: dict[tuple[int, bool], list[BenchmarkIndex]] = defaultdict(list)
        for index in self.indexes:
            groups[index.ngram, index.mask_numbers].append(index)
        return tuple(_Kind(*cut, tuple(group)) for cut, group in groups.items())

    def find_in_instructions(self, texts: Sequence[str]) -> dict[int, Overlap]:
        """Text → its first overlap."""
        plain = split_texts(texts)
        return self._find(plain, texts, least_whole=MIN_CONTAINED_WORDS, inside=True)

    def find_in_turns(self, batch: WordBatch, texts: Sequence[str]) -> dict[int, Overlap]:
        """Text → its first overlap. `batch` is the texts cut up without masking."""
        return self._find(batch, texts, least_whole=MIN_SPOKEN_WORDS, inside=False)

    def _find(self, plain: WordBatch, texts: Sequence[str], *, least_whole: int, inside: bool) -> dict[int, Overlap]:
        found: dict[int, Overlap] = {}
        for kind in self._kinds:
            batch = split_texts(texts, mask_numbers=True) if kind.mask_numbers else plain
            hits = [*_find_grams(batch, kind), *_find_wholes(batch, kind, least_whole)]
            if inside:
                hits += _find_inside(batch, kind)
            for hit in sorted(hits, key=lambda hit: hit.word):
                found.setdefault(batch.find_text(hit.word), _show(batch, hit))
        return found

    def find_overlap(self, text: str) -> Overlap | None:
        """The first overlap of one instruction with any prompt."""
        return self.find_in_instructions([text]).get(0)


def _find_grams(batch: WordBatch, kind: _Kind) -> Iterable[_Hit]:
    maybe, grams = _pass_gate(batch, kind)
    hashes, numbers, owners = kind.table
    if not len(maybe) or not len(hashes):
        return
    places = np.minimum(np.searchsorted(hashes, grams), len(hashes) - 1)
    equal = np.flatnonzero(hashes[places] == grams)
    for word, place in zip(maybe[equal].tolist(), places[equal].tolist(), strict=True):
        if _fits(batch, word, kind.ngram):
            yield _Hit(word, kind.ngram, kind.indexes[numbers[place]], int(owners[place]))


def _pass_gate(batch: WordBatch, kind: _Kind) -> tuple[Positions, U64]:
    """Words from which an n-gram may be a benchmark's, and its hash; nearly all others are refused by two bits."""
    compiled = get_compiled()
    if compiled is not None and kind.ngram <= MAX_GRAM:
        return compiled.pass_gate(batch.hashes, kind.ngram, kind.packed_gate, _GATE_BITS)
    grams = batch.hash_grams(kind.ngram)
    maybe = np.flatnonzero(kind.gate[grams >> _GATE_HIGH])
    maybe = maybe[kind.gate[(grams[maybe] >> _GATE_LOW) & _GATE_MASK]]
    return maybe, grams[maybe]


def _find_wholes(batch: WordBatch, kind: _Kind, least: int) -> Iterable[_Hit]:
    for size, table in kind.wholes.items():
        grams = batch.hash_grams(size)
        keys = np.fromiter(table, dtype=np.uint64, count=len(table))
        for word in np.flatnonzero(np.isin(grams, keys)).tolist():
            text = batch.find_text(word)
            equal = batch.bounds[text + 1] - batch.bounds[text] == size
            if _fits(batch, word, size) and (size >= min(least, kind.ngram) or equal):
                yield _Hit(word, size, *table[int(grams[word])])


def _find_inside(batch: WordBatch, kind: _Kind) -> Iterable[_Hit]:
    for text, size in enumerate(np.diff(batch.bounds).tolist()):
        if MIN_CONTAINED_WORDS <= size < kind.ngram:
            word = int(batch.bounds[text])
            gram = int(batch.hash_grams(size)[word])
            for index in kind.indexes:
                if gram in index.inner.get(size, ()):
                    yield _Hit(word, size, index, index.inner[size][gram])


def _fits(batch: WordBatch, word: int, size: int) -> bool:
    return word + size <= int(batch.bounds[batch.find_text(word) + 1])


def _show(batch: WordBatch, hit: _Hit) -> Overlap:
    text = batch.find_text(hit.word)
    base, end = int(batch.offsets[text]), int(batch.offsets[text + 1]) - 1
    left, right = int(batch.starts[hit.word]), int(batch.ends[hit.word + hit.size - 1])
    before = batch.buffer[base:left].decode()
    inner = batch.buffer[left:right].decode()
    return Overlap(
        benchmark=hit.source.benchmark,
        entry=hit.source.entries[hit.entry],
        words=batch.join(hit.word, hit.size),
        evidence=quote(before + inner + batch.buffer[right:end].decode(), len(before), len(before) + len(inner)),
        whole=hit.size < hit.source.ngram,
    )


def _list_grams(batch: WordBatch, size: int) -> tuple[U64, NDArray[np.uint32]]:
    """Sorted hashes, each once, and the first text that has each."""
    grams = batch.hash_grams(size)
    fitting = np.flatnonzero(batch.fits(size)[: len(grams)])
    hashes, first = np.unique(grams[fitting], return_index=True)
    owners = np.searchsorted(batch.bounds, fitting[first], side="right") - 1
    return hashes, owners.astype(np.uint32)


def _map_grams(batch: WordBatch, size: int) -> dict[int, int]:
    hashes, owners = _list_grams(batch, size)
    return dict(zip(hashes.tolist(), owners.tolist(), strict=True))
