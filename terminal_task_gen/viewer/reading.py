"""One row out of its shard, by the place that the index knows.

The only spot that knows how a shard is stored; offsets count bytes of the lines as they were written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from terminal_task_gen.chunks import MAX_LINE_BYTES
from terminal_task_gen.viewer.shapes import UnusableLineError

PART = ".part"


class GoneError(Exception):
    """The line is no longer where it was; the index will soon know."""


def read_row(path: Path, offset: int, size_bytes: int, row_id: str) -> dict[str, Any]:
    """The row as JSON. Raises GoneError where another or no line is there, UnusableLineError where it is too long."""
    if size_bytes > MAX_LINE_BYTES:
        raise UnusableLineError(f"too long to be read ({size_bytes // 1_000_000} MB)")
    try:
        row = orjson.loads(_read_bytes(path, offset, size_bytes))
    except (OSError, orjson.JSONDecodeError) as error:
        raise GoneError(f"{path}: {error}") from error
    if not isinstance(row, dict) or row.get("id") != row_id:
        raise GoneError(f"{path}: another row is there now")
    return row


def _read_bytes(path: Path, offset: int, size_bytes: int) -> bytes:
    """A growing shard may have been sealed since: then it has lost its ending."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        if path.suffix != PART:
            raise
        stream = path.with_suffix("").open("rb")
    with stream:
        stream.seek(offset)
        return stream.read(size_bytes)
