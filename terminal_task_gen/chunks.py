"""Shards in pieces of some megabytes, for workers that read side by side.

A chunk is a range of bytes; a line belongs to the chunk in which it begins. Lines beyond MAX_LINE_BYTES are named and
passed over without being held in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from pydantic import ValidationError

from terminal_task_gen.records import Record
from terminal_task_gen.stand_ins import read_record
from terminal_task_gen.store import Damage, explain_line

MAX_LINE_BYTES = 64_000_000
"""A trajectory of this size is no trajectory; its parsed form would not fit into a worker's share of memory."""

RecordT = TypeVar("RecordT", bound=Record)


@dataclass(frozen=True)
class Chunk:
    """Lines that begin at a byte from `start` on and before `end`."""

    path: Path
    start: int
    end: int


class Line(NamedTuple):
    """One line; `content`, with its newline, is None where it was too long to be read."""

    number: int
    """From 1 within the chunk."""
    offset: int
    size_bytes: int
    content: bytes | None


def split_shards(paths: Sequence[Path], *, chunk_bytes: int) -> list[Chunk]:
    """Chunks in the order of the shards; an empty shard has none."""
    chunks: list[Chunk] = []
    for path in paths:
        size_bytes = path.stat().st_size
        chunks += [
            Chunk(path, start, min(start + chunk_bytes, size_bytes)) for start in range(0, size_bytes, chunk_bytes)
        ]
    return chunks


def read_lines(chunk: Chunk) -> Iterator[Line]:
    """Whole lines; an unterminated last one of a growing shard is torn and left out."""
    with chunk.path.open("rb", buffering=1 << 20) as stream:
        if chunk.start:
            stream.seek(chunk.start - 1)
            _skip_line(stream)
        offset, number = stream.tell(), 0
        while offset < chunk.end:
            content = stream.readline(MAX_LINE_BYTES)
            if not content:
                return
            number += 1
            size_bytes = len(content)
            ended = content.endswith(b"\n")
            if not ended and size_bytes == MAX_LINE_BYTES:
                size_bytes += _skip_line(stream)
                yield Line(number, offset, size_bytes, None)
            elif ended or chunk.path.suffix != ".part":
                yield Line(number, offset, size_bytes, content)
            offset += size_bytes


def parse_line(line: Line, chunk: Chunk, model: type[RecordT]) -> RecordT | Damage:
    """The record on a line (a stand-in: stand_ins.py), or why there is none; the damage's line number counts within
    the chunk."""
    if line.content is None:
        why = f"longer than {MAX_LINE_BYTES // 1_000_000} MB ({line.size_bytes // 1_000_000} MB)"
        return Damage(chunk.path, line.number, why)
    try:
        return read_record(model, line.content)
    except ValidationError as error:
        return Damage(chunk.path, line.number, explain_line(line.content, error))


def _skip_line(stream: BinaryIO) -> int:
    """Go behind the next newline; how many bytes that took."""
    skipped = 0
    while piece := stream.readline(1 << 20):
        skipped += len(piece)
        if piece.endswith(b"\n"):
            break
    return skipped
