"""Distributions over the rows of a data folder, small whatever the number of rows: counts by bin.

Quantities that only the rows know; the funnel is the report's. Token counts are estimates, and are called so.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from terminal_task_gen.export.rows import CorpusRow
from terminal_task_gen.token_count import estimate_tokens

TOKEN_BIN = 1_024
REWARD_BINS = 10

_COUNTED = ("turns", "reward", "domain", "difficulty", "source")


@dataclass
class Statistics:
    """Counts by bin; picklable, and adds up."""

    turns: Counter[int] = field(default_factory=Counter)
    token_bins: Counter[int] = field(default_factory=Counter)
    """Estimated tokens of the conversation // TOKEN_BIN."""
    reward_bins: Counter[int] = field(default_factory=Counter)
    """Tenths of the reward, rounded down: 10 is full reward."""
    domains: Counter[str] = field(default_factory=Counter)
    difficulties: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)

    def add(self, row: CorpusRow, by: int = 1) -> None:
        """`by` -1 takes a row back."""
        tokens = estimate_tokens([turn["content"] for turn in row.conversations])
        self.count({name: getattr(row, name) for name in _COUNTED}, tokens=tokens, by=by)

    def count(self, row: dict[str, Any], *, tokens: int, by: int = 1) -> None:
        """The same from the row's JSON."""
        self.turns[row["turns"]] += by
        self.token_bins[tokens // TOKEN_BIN] += by
        self.reward_bins[int(row["reward"] * REWARD_BINS + 1e-9)] += by
        self.domains[row["domain"]] += by
        self.difficulties[row["difficulty"]] += by
        self.sources[row["source"]] += by

    def merge(self, other: Statistics) -> None:
        for name, counter in vars(other).items():
            getattr(self, name).update(counter)

    @property
    def rows(self) -> int:
        return self.sources.total()

    def dump(self) -> dict[str, dict[str, int]]:
        """For JSON: counter → bin → rows, sorted."""
        return {
            name: {str(key): counter[key] for key in sorted(counter) if counter[key]}
            for name, counter in vars(self).items()
        }
