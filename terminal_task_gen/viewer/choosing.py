"""Facets, search and order together: which rows a list shows, and what each further choice would leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from terminal_task_gen.viewer.columns import Mask
from terminal_task_gen.viewer.dimensions import Count, Dimension

MAX_VALUES = 100
"""Of a facet, in one answer."""


@dataclass(frozen=True)
class Choice:
    """What is asked of a list."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Dimension → values, any of which will do."""
    facets: bool = True
    facet_text: Mapping[str, str] = field(default_factory=dict)
    """Dimension → text that its listed values must contain."""


@dataclass(frozen=True)
class Facet:
    counts: Sequence[Count]
    chosen: Sequence[str]
    cut: int
    """Values left out."""


@dataclass(frozen=True)
class Chosen:
    mask: Mask
    total: int
    facets: Mapping[str, Facet]


def choose(choice: Choice, dimensions: Mapping[str, Dimension], rows: int, base: Mask | None) -> Chosen:
    """`base`: rows to choose from (a search's); None: all. A facet is counted under all choices but its own."""
    whole = np.ones(rows, dtype=np.bool_) if base is None else base
    own = {name: dimensions[name].match(values) for name, values in choice.values.items() if values}
    mask = whole
    for other in own.values():
        mask = mask & other
    facets: dict[str, Facet] = {}
    for name, dimension in dimensions.items() if choice.facets else ():
        under = mask
        if name in own:
            under = whole
            for other_name, other in own.items():
                under = under if other_name == name else under & other
        facets[name] = _cut_facet(dimension.count(under), choice, name)
    return Chosen(mask, int(mask.sum()), facets)


def _cut_facet(counts: list[Count], choice: Choice, name: str) -> Facet:
    chosen = list(choice.values.get(name, ()))
    text = choice.facet_text.get(name, "").lower()
    if text:
        counts = [count for count in counts if text in count.value.lower()]
    shown = counts[:MAX_VALUES]
    listed = {count.value for count in shown}
    # What is chosen stays in sight, with its count or none.
    late = {count.value: count for count in counts[MAX_VALUES:]}
    shown = [*shown, *(late.get(value, Count(value, 0)) for value in chosen if value not in listed)]
    return Facet(shown, chosen, max(0, len(counts) - MAX_VALUES))


def pick_page(mask: Mask, order: NDArray[np.int64] | None, *, offset: int, limit: int, descending: bool) -> list[int]:
    """Row numbers of a page. `order` lists all rows, ascending; None: as written. Descending is its exact reverse."""
    rows = np.flatnonzero(mask) if order is None else order[mask[order]]
    if descending:
        rows = rows[::-1]
    return [int(row) for row in rows[offset : offset + limit]]
