"""What rows can be chosen by: each facet is a dimension that matches values and counts them under a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from terminal_task_gen.viewer.columns import Mask, Table

Codes = NDArray[np.uint16]


class Count(NamedTuple):
    value: str
    rows: int


class Dimension(Protocol):
    def match(self, values: Sequence[str]) -> Mask:
        """Rows that have any of the values; unknown values match nothing."""
        ...

    def count(self, mask: Mask) -> list[Count]:
        """Values that occur under the mask; order is the dimension's own or by count."""
        ...


class Coded:
    """One value a row, as a code into `values`. `natural`: keep the order of the values instead of sorting by count."""

    def __init__(self, codes: NDArray[np.integer], values: Sequence[str], *, natural: bool = False) -> None:
        self._codes = codes
        self._values = values
        self._natural = natural

    def match(self, values: Sequence[str]) -> Mask:
        wanted = np.array([value in values for value in self._values], dtype=np.bool_)
        return np.asarray(wanted[self._codes], dtype=np.bool_)

    def count(self, mask: Mask) -> list[Count]:
        totals = np.bincount(self._codes[mask], minlength=len(self._values))
        counts = [Count(value, int(n)) for value, n in zip(self._values, totals.tolist(), strict=False) if n and value]
        return counts if self._natural else sort_counts(counts)


class Bits:
    """Any number of values a row, a bit each."""

    def __init__(self, bits: NDArray[np.uint64], values: Sequence[str]) -> None:
        self._bits = bits
        self._values = values

    def match(self, values: Sequence[str]) -> Mask:
        wanted = sum(1 << code for code, value in enumerate(self._values) if value in values and value)
        return np.asarray((self._bits & np.uint64(wanted)) != 0, dtype=np.bool_)

    def count(self, mask: Mask) -> list[Count]:
        bits, totals = np.unique(self._bits[mask], return_counts=True)
        return sort_counts(
            [
                Count(value, n)
                for code, value in enumerate(self._values)
                if (n := int(totals[(bits >> np.uint64(code)) & np.uint64(1) == 1].sum()))
            ]
        )


class Skilled:
    """Skills of the rows' tasks: pairs (item, skill), and each row's item (-1: none)."""

    def __init__(self, pairs: Table, item_of: NDArray[np.int64], items: int, values: Sequence[str]) -> None:
        self._pairs = pairs
        self._item_of = item_of
        self._items = items
        self._values = values

    def match(self, values: Sequence[str]) -> Mask:
        wanted = np.array([value in values and value != "" for value in self._values], dtype=np.bool_)
        # One place more, so that rows without a task (-1) have one that is never matched.
        having = np.zeros(self._items + 1, dtype=np.bool_)
        having[self._pairs["item"][wanted[self._pairs["skill"]]]] = True
        return np.asarray(having[self._item_of], dtype=np.bool_)

    def count(self, mask: Mask) -> list[Count]:
        rows_of = np.bincount(self._item_of[mask] + 1, minlength=self._items + 1)[1:]
        totals = np.bincount(self._pairs["skill"], weights=rows_of[self._pairs["item"]], minlength=len(self._values))
        return sort_counts(
            [Count(value, int(n)) for value, n in zip(self._values, totals.tolist(), strict=False) if n and value]
        )


class Listed:
    """Few rows have a value: each value with its rows."""

    def __init__(self, rows: dict[str, NDArray[np.int64]], total: int) -> None:
        self._rows = rows
        self._total = total

    def match(self, values: Sequence[str]) -> Mask:
        mask = np.zeros(self._total, dtype=np.bool_)
        for value in values:
            mask[self._rows.get(value, np.empty(0, dtype=np.int64))] = True
        return mask

    def count(self, mask: Mask) -> list[Count]:
        return sort_counts([Count(value, n) for value, rows in self._rows.items() if (n := int(mask[rows].sum()))])


def sort_counts(counts: list[Count]) -> list[Count]:
    return sorted(counts, key=lambda count: (-count.rows, count.value))
