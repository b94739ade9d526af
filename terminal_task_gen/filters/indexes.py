"""Every benchmark that a configuration screens against: given as text or index file, or shipped with the package."""

from __future__ import annotations

from pathlib import Path

from terminal_task_gen.config import FilterConfig
from terminal_task_gen.errors import UsageError
from terminal_task_gen.filters.benchmarks import read_benchmarks
from terminal_task_gen.filters.contamination import BenchmarkIndex, build_indexes
from terminal_task_gen.filters.index_file import SUFFIX, read_index
from terminal_task_gen.resources import data_dir


def list_shipped() -> list[Path]:
    """Index files that come with the package."""
    return sorted((data_dir("configs") / "contamination").glob(f"*{SUFFIX}"))


def read_indexes(config: FilterConfig) -> list[BenchmarkIndex]:
    """Shipped ones first. Raises UsageError naming what cannot be read, or is called the same."""
    files = [path for path in config.benchmarks if path.suffix == SUFFIX]
    texts = [path for path in config.benchmarks if path.suffix != SUFFIX]
    shipped = list_shipped() if config.shipped_benchmarks else []
    indexes = [read_index(path) for path in (*shipped, *files)]
    if texts:
        indexes += build_indexes(read_benchmarks(texts), ngram=config.ngram, mask_numbers=config.mask_numbers)
    names = [index.benchmark for index in indexes]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"two benchmarks are called {name!r}; rename one, or leave out the shipped ones with "
                "--set filter.shipped_benchmarks=false"
            )
    return indexes
