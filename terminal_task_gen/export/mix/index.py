"""First pass of a mix: one small entry a row, and what is not wanted left out with a reason.

A row takes some 600 bytes of memory, whatever its length; its text stays on disk.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from terminal_task_gen.config.mixing import MixRecipe, MixSource
from terminal_task_gen.export.manifest import RowLine
from terminal_task_gen.export.source import Row, RowSource, parse_row
from terminal_task_gen.token_count import TokenCounter


class IndexedRow(NamedTuple):
    """A row as far as choosing goes, and where it lies."""

    row_id: str
    source: int
    """Number of the source in the recipe."""
    path: Path
    offset: int
    size_bytes: int
    stream: str
    domain: str
    difficulty: str
    skills: tuple[str, ...]
    task: str
    family: str
    tokens: int


@dataclass
class MixIndex:
    """Wanted rows of all sources, and how many are not wanted, because."""

    rows: list[IndexedRow] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    """Rows seen, by source."""
    left_out: list[Counter[str]] = field(default_factory=list)
    """Reason → rows, by source."""
    over_length: int = 0
    """Rows longer than allowed that were kept whole."""


def index_sources(sources: list[RowSource], recipe: MixRecipe, counter: TokenCounter) -> MixIndex:
    """Read every row once. A row that two sources hold counts for the first. Raises UsageError for bad sources."""
    index = MixIndex()
    seen: set[bytes] = set()
    families: dict[str, str] = {}
    for number, (source, wanted) in enumerate(zip(sources, recipe.sources, strict=True)):
        index.read.append(0)
        index.left_out.append(Counter())
        for line in (
            line for split in source.list_splits(wanted.part) for line in source.read_lines(split, wanted.part)
        ):
            row = parse_row(line)
            index.read[number] += 1
            key = draw("id", row["id"], 0)
            tokens = counter.count([turn["content"] for turn in row["conversations"]])
            too_long = recipe.max_tokens is not None and tokens > recipe.max_tokens
            reason = _find_objection(row, wanted) or ("duplicate" if key in seen else None)
            if reason is None and too_long and recipe.over_length == "drop":
                reason = "over_length"
            if reason is not None:
                index.left_out[number][reason] += 1
                continue
            seen.add(key)
            index.over_length += too_long
            # A task belongs to one family even if two sources call it differently.
            family = families.setdefault(row["task"], row["family"])
            index.rows.append(_make_entry(row, line, source=number, family=family, tokens=tokens))
    return index


def _make_entry(row: Row, line: RowLine, *, source: int, family: str, tokens: int) -> IndexedRow:
    return IndexedRow(
        row_id=row["id"],
        source=source,
        path=line.path,
        offset=line.offset,
        size_bytes=len(line.line),
        stream=sys.intern(row["source"]),
        domain=sys.intern(row["domain"]),
        difficulty=sys.intern(row["difficulty"]),
        skills=tuple(sys.intern(skill) for skill in row["skills"]),
        task=sys.intern(row["task"]),
        family=sys.intern(family),
        tokens=tokens,
    )


def draw(purpose: str, key: str, seed: int) -> bytes:
    """A row's lot for one purpose: the same on every machine, independent between purposes and seeds."""
    return blake2b(f"{purpose} {seed} {key}".encode(errors="surrogatepass"), digest_size=12).digest()


def _find_objection(row: Row, wanted: MixSource) -> str | None:
    if wanted.domains and row["domain"] not in wanted.domains:
        return "domain"
    if wanted.difficulties and row["difficulty"] not in wanted.difficulties:
        return "difficulty"
    if row["reward"] < wanted.min_reward:
        return "reward"
    if wanted.completed and not row["completed"]:
        return "not_completed"
    return None
