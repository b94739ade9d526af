"""One row out of its shard: by place where the index knows it, by looking through the file where there is no index.

The only spot that knows how a shard is stored; offsets count bytes of the lines as they were written.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from terminal_task_gen.chunks import MAX_LINE_BYTES
from terminal_task_gen.store import RunDirectory, ShardKind
from terminal_task_gen.viewer.extract import UnusableLineError

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


def find_row(run: RunDirectory, kind: ShardKind, row_id: str) -> dict[str, Any] | None:
    """The last row of a kind with this id, without an index: at the speed of the disk. None where there is none."""
    found = None
    needle = b'"id":' + orjson.dumps(row_id)
    for path in run.list_shards(kind):
        for line in _find_lines(path, needle):
            row = _parse(line)
            found = row if row is not None and row.get("id") == row_id else found
    return found


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


def _find_lines(path: Path, needle: bytes) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view:
            at = view.find(needle)
            while at >= 0:
                begin, end = view.rfind(b"\n", 0, at) + 1, view.find(b"\n", at)
                end = len(view) if end < 0 else end
                if end - begin <= MAX_LINE_BYTES:
                    yield view[begin:end]
                at = view.find(needle, end)
    except (ValueError, FileNotFoundError):
        return  # empty, or sealed this moment


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return row if isinstance(row, dict) else None
