"""A page of a list: rows chosen by facets and search, sorted, with the counts of every facet."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from terminal_task_gen.viewer.choosing import Choice, Facet, choose, pick_page
from terminal_task_gen.viewer.columns import Mask
from terminal_task_gen.viewer.cuts import Json
from terminal_task_gen.viewer.heads import make_task_heads, make_trajectory_heads
from terminal_task_gen.viewer.reading import GoneError
from terminal_task_gen.viewer.run_index import RunIndex, UnknownIdError
from terminal_task_gen.viewer.searching import Found, ReadText, search
from terminal_task_gen.viewer.shapes import UnusableLineError
from terminal_task_gen.viewer.tables import TaskTable, TrajectoryTable
from terminal_task_gen.viewer.words import Term, read_query

MAX_ROWS = 500
TRAJECTORY_SORTS = ("order", "reward", "turns", "tokens", "seconds", "attempt", "id", "task", "domain")
TASK_SORTS = ("order", "title", "domain", "attempts", "solve_rate", "reward")
TRAJECTORY_FACETS = (
    *("domain", "mode", "difficulty", "skill", "band", "stop", "drop", "found", "model", "passed", "label"),
)
_BETWEEN = "\nꙮ\n"
TASK_FACETS = ("state", "domain", "mode", "difficulty", "skill", "reason", "gate", "solve", "label")


class BadRequestError(ValueError):
    """A parameter that cannot be; the message names it."""


@dataclass(frozen=True)
class ListQuery:
    """What is asked of a list; checked by who makes it."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    q: str = ""
    task: str = ""
    """Only attempts at this task."""
    sort: str = "order"
    descending: bool = False
    offset: int = 0
    limit: int = 50
    facets: bool = True
    facet_text: Mapping[str, str] = field(default_factory=dict)


def list_trajectories(index: RunIndex, query: ListQuery) -> Json:
    """Raises NotReadyError, BadRequestError, UnknownIdError (task)."""
    began = time.perf_counter()
    table, _ = index.take_tables()
    base = table.find_rows_of_task(index.find_item(query.task)) if query.task else None

    def read_text(row: int) -> str:
        texts = [index.read_trajectory(row)]
        item = int(table.snapshot.item_of[row])
        return _flatten([*texts, index.read_item(item)] if item >= 0 else texts)

    found, searched = _search(index, table, query.q, read_text)
    base = found if base is None else base if found is None else base & found
    heads: Callable[[Sequence[int]], list[Json]] = lambda rows: make_trajectory_heads(index, table, rows)  # noqa: E731
    return _answer(index, table, query, base, heads, searched, began)


def list_tasks(index: RunIndex, query: ListQuery) -> Json:
    """Drafts that were made anew since are left out unless asked for. Raises NotReadyError, BadRequestError."""
    began = time.perf_counter()
    _, table = index.take_tables()
    found, searched = _search(index, table, query.q, lambda row: _flatten([index.read_item(row)]))
    if "superseded" not in query.values.get("state", ()):
        current = ~table.snapshot.superseded
        found = current if found is None else found & current
    heads: Callable[[Sequence[int]], list[Json]] = lambda rows: make_task_heads(index, table, rows)  # noqa: E731
    return _answer(index, table, query, found, heads, searched, began)


def _answer(
    index: RunIndex,
    table: TrajectoryTable | TaskTable,
    query: ListQuery,
    base: Mask | None,
    make_heads: Callable[[Sequence[int]], list[Json]],
    searched: Json | None,
    began: float,
) -> Json:
    choice = Choice(query.values, query.facets, query.facet_text)
    chosen = choose(choice, table.dimensions, table.rows, base)
    order = table.sort(query.sort, index.connect())
    rows = pick_page(chosen.mask, order, offset=query.offset, limit=query.limit, descending=query.descending)
    return {
        "run": index.name,
        "revision": table.snapshot.revision,
        "total": chosen.total,
        "offset": query.offset,
        "limit": query.limit,
        "search": searched,
        "rows": make_heads(rows),
        "facets": {name: _dump_facet(facet) for name, facet in chosen.facets.items()},
        "facets_cut": {name: facet.cut for name, facet in chosen.facets.items() if facet.cut},
        "seconds": round(time.perf_counter() - began, 4),
    }


def _dump_facet(facet: Facet) -> list[Json]:
    chosen = set(facet.chosen)
    return [{"value": value, "count": count, "chosen": value in chosen} for value, count in facet.counts]


def _search(
    index: RunIndex, table: TrajectoryTable | TaskTable, q: str, read_text: ReadText
) -> tuple[Mask | None, Json | None]:
    if not q.strip():
        return None, None
    by_id = _find_by_id(index, table, q.strip())
    if by_id is not None:
        return by_id, {"q": q, "words": [], "unchecked": 0}
    terms = read_query(q)
    if not terms:
        raise BadRequestError("q: no word to search for (words are letters and digits)")

    def read_or_pass(row: int) -> str:
        try:
            return read_text(row)
        except (GoneError, UnusableLineError):
            return ""

    found: Found = search(index.connect(), table.snapshot, table.name, terms, read_or_pass)
    words = [word for term in terms if not term.absent for word in term.words]
    return found.mask, {"q": q, "words": words, "unchecked": found.unchecked, **_describe(terms)}


def _describe(terms: Sequence[Term]) -> Json:
    return {"phrases": [" ".join(term.words) for term in terms if term.is_phrase]}


def _find_by_id(index: RunIndex, table: TrajectoryTable | TaskTable, q: str) -> Mask | None:
    """The row that has this very id, or the attempts at the task that has it."""
    if " " in q or "-" not in q:
        return None
    mask = np.zeros(table.rows, dtype=np.bool_)
    try:
        if isinstance(table, TrajectoryTable):
            try:
                mask[index.find_trajectory(q)] = True
            except UnknownIdError:
                return table.find_rows_of_task(index.find_item(q))
        else:
            mask[index.find_item(q)] = True
    except UnknownIdError:
        return None
    return mask


def _flatten(rows: Sequence[Any]) -> str:
    """All texts of rows in lower case, as words of their own kind between them, so that no phrase spans two."""
    texts: list[str] = []
    left = list(rows)
    while left:
        value = left.pop()
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, dict):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return _BETWEEN.join(texts).replace("\\n", " ").replace("\\t", " ").lower()
