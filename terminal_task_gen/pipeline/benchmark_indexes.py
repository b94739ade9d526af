"""Wires the commands about benchmark indexes: build one, read some."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from terminal_task_gen.filters.benchmarks import read_benchmarks
from terminal_task_gen.filters.contamination import BenchmarkIndex, build_index
from terminal_task_gen.filters.index_file import SUFFIX as INDEX_SUFFIX
from terminal_task_gen.filters.index_file import read_index, write_index
from terminal_task_gen.filters.indexes import list_shipped

__all__ = ["INDEX_SUFFIX", "IndexFacts", "read_benchmark_indexes", "write_benchmark_index"]


class IndexFacts(NamedTuple):
    """What a person wants to know of an index."""

    benchmark: str
    entries: tuple[str, ...]
    ngram: int
    mask_numbers: bool
    hashes: int
    wholes: int
    """Prompts shorter than an n-gram, which match as a whole."""

    @property
    def prompts(self) -> int:
        return len(self.entries)


def write_benchmark_index(
    sources: Sequence[Path], output: Path, *, name: str, ngram: int, mask_numbers: bool
) -> IndexFacts:
    """All sources as one benchmark. Raises UsageError naming what cannot be read or written."""
    prompts = [prompt.model_copy(update={"benchmark": name}) for prompt in read_benchmarks(sources)]
    index = build_index(prompts, ngram=ngram, mask_numbers=mask_numbers)
    write_index(output, index)
    return _describe(index)


def read_benchmark_indexes(files: Sequence[Path]) -> list[IndexFacts]:
    """Of the files given, or of those shipped. Raises UsageError."""
    return [_describe(read_index(path)) for path in files or list_shipped()]


def _describe(index: BenchmarkIndex) -> IndexFacts:
    return IndexFacts(
        index.benchmark, index.entries, index.ngram, index.mask_numbers, len(index.hashes), len(index.wholes)
    )
