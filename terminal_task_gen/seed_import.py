"""Maps the columns of somebody's data set to seeds; the rows come one at a time, whatever the size of the set.

A row that makes no seed is told with its place and passed over. What is wrong with the mapping itself is a UsageError.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from terminal_task_gen.errors import UsageError
from terminal_task_gen.records import content_digest
from terminal_task_gen.row_files import BadRow, list_columns, pick_field, read_rows
from terminal_task_gen.seeds import Seed

FIELDS = tuple(Seed.model_fields)


class Skipped(NamedTuple):
    """A row that made no seed, and why."""

    place: str
    why: str


def parse_mapping(text: str) -> dict[str, str]:
    """`problem=question,solution=answer` → field: column. Raises UsageError naming the field that is no field."""
    mapping: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        field, equals, column = (side.strip() for side in part.partition("="))
        if not equals or not column:
            raise UsageError(f"--map {part!r}: write it as field=column, e.g. problem=question")
        if field not in FIELDS:
            raise UsageError(f"--map {part!r}: a seed has no field {field!r}; fields: {', '.join(FIELDS)}")
        mapping[field] = column
    return mapping


def import_seeds(source: Path, mapping: Mapping[str, str], constants: Mapping[str, str]) -> Iterator[Seed | Skipped]:
    """A seed or a Skipped for each row. `constants` are fields that are the same for all."""
    missing = [field for field in ("problem", "domain") if field not in mapping and field not in constants]
    if missing:
        option = "--domain or --map domain=COLUMN" if missing == ["domain"] else "--map problem=COLUMN"
        raise UsageError(f"every seed needs a {missing[0]}: give {option}")
    seen: set[str] = set()
    for row in read_rows(source, list_columns(mapping.values())):
        if isinstance(row, BadRow):
            yield Skipped(row.place, row.why)
            continue
        made = _make_seed(row.values, mapping, constants)
        if isinstance(made, str):
            yield Skipped(row.place, made)
        elif made.id in seen:
            yield Skipped(row.place, f"seed id {made.id!r} came before; equal rows make one seed")
        else:
            seen.add(made.id)
            yield made


def _make_seed(values: dict[str, Any], mapping: Mapping[str, str], constants: Mapping[str, str]) -> Seed | str:
    """The seed, or what keeps the row from being one."""
    fields: dict[str, Any] = dict(constants)
    for field, column in mapping.items():
        value = pick_field(values, column)
        if value is not None and not isinstance(value, str | int | float):
            return f"{column} is a {type(value).__name__}, not text"
        if value is not None and str(value).strip():
            fields[field] = str(value).strip()
    if "problem" not in fields:
        return f"{mapping['problem']} is missing or empty"
    if "id" in fields:
        fields["id"] = re.sub(r"[^a-z0-9_-]+", "-", fields["id"].lower()).strip("-_") or "seed"
    else:
        fields["id"] = f"seed-{content_digest(fields)[:16]}"
    try:
        return Seed.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'seed'}: {first['msg']}"
