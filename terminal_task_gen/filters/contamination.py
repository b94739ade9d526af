"""Word n-gram overlap of a text with benchmark prompts.

Normalisation: Unicode NFKC, casefold, words are runs of `\\w` (letters, digits, underscore); all else separates.
Nothing is stemmed, masked or left out. Two texts overlap when they share `ngram` words in a row. A prompt of fewer
words is sought as a whole in the text, a text of fewer words as a whole in the prompts; below MIN_CONTAINED_WORDS the
two must be equal, for "fix the bug" stands in anything.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from terminal_task_gen.filters.benchmarks import BenchmarkPrompt
from terminal_task_gen.filters.passages import quote

MIN_CONTAINED_WORDS = 4

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Overlap:
    """The first words, in the text's order, that a benchmark has too."""

    prompt: BenchmarkPrompt
    words: str
    """Normalised, one space between them."""
    evidence: str
    whole: bool
    """The prompt, or the text, was shorter than an n-gram and matched as a whole."""


@dataclass(frozen=True)
class BenchmarkIndex:
    """Benchmark prompts, cut up for look-up. Built once, read by many; plain data, so it travels to other processes."""

    ngram: int
    prompts: tuple[BenchmarkPrompt, ...]
    grams: Mapping[str, int]
    """n-gram → number of the first prompt that has it."""
    wholes: Mapping[int, Mapping[str, int]]
    """Length in words → prompts of that length (below `ngram`) → number."""
    padded: tuple[str, ...]
    """Each prompt's words with a space on either side, for texts that are shorter than an n-gram."""

    def find_overlap(self, text: str) -> Overlap | None:
        """The first overlap of `text` with any prompt, or None."""
        words = split_words(text)
        if len(words) < self.ngram:
            return self._find_short(text, words)
        for size, table in ((self.ngram, self.grams), *self.wholes.items()):
            for start, gram in enumerate(_list_grams(words, size)):
                number = table.get(gram)
                if number is not None and size >= min(MIN_CONTAINED_WORDS, self.ngram):
                    return self._show(text, number, start=start, size=size, whole=size < self.ngram)
        return None

    def _find_short(self, text: str, words: list[str]) -> Overlap | None:
        joined = " ".join(words)
        contained = len(words) >= MIN_CONTAINED_WORDS
        for number, padded in enumerate(self.padded):
            if joined and (padded == f" {joined} " or (contained and f" {joined} " in padded)):
                return self._show(text, number, start=0, size=len(words), whole=True)
        for size, table in self.wholes.items():
            for start, gram in enumerate(_list_grams(words, size)):
                if gram in table and size >= MIN_CONTAINED_WORDS:
                    return self._show(text, table[gram], start=start, size=size, whole=True)
        return None

    def _show(self, text: str, number: int, *, start: int, size: int, whole: bool) -> Overlap:
        normal = _normalise(text)
        spans = [found.span() for found in _WORD.finditer(normal)][start : start + size]
        words = " ".join(normal[left:right] for left, right in spans)
        evidence = quote(normal, spans[0][0], spans[-1][1])
        return Overlap(prompt=self.prompts[number], words=words, evidence=evidence, whole=whole)


def build_index(prompts: Sequence[BenchmarkPrompt], *, ngram: int) -> BenchmarkIndex:
    """Cut up the prompts. About 200 bytes of memory a word of benchmark text."""
    grams: dict[str, int] = {}
    wholes: dict[int, dict[str, int]] = {}
    padded: list[str] = []
    for number, prompt in enumerate(prompts):
        words = split_words(prompt.text)
        padded.append(f" {' '.join(words)} ")
        if 0 < len(words) < ngram:
            wholes.setdefault(len(words), {}).setdefault(" ".join(words), number)
        for gram in _list_grams(words, ngram):
            grams.setdefault(gram, number)
    return BenchmarkIndex(
        ngram=ngram,
        prompts=tuple(prompts),
        grams=grams,
        wholes=dict(sorted(wholes.items(), reverse=True)),
        padded=tuple(padded),
    )


def split_words(text: str) -> list[str]:
    """Normalised words in order."""
    return _WORD.findall(_normalise(text))


def _normalise(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _list_grams(words: Sequence[str], size: int) -> Iterator[str]:
    for start in range(len(words) - size + 1):
        yield " ".join(words[start : start + size])
