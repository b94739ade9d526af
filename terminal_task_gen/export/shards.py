"""Shards of a data folder: `<part>/<prefix>-00000-of-00003.jsonl`, whole lines, each with its count and hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from terminal_task_gen.export.folder import write_all
from terminal_task_gen.records import Record

WRITE_BYTES = 1 << 20
"""Rows are gathered before they are written and hashed."""


class DataFile(Record):
    """One file of rows, as the manifest lists it."""

    path: str
    """Relative to the folder, with forward slashes."""
    rows: int
    size_bytes: int
    sha256: str


def write_shards(
    lines: Iterable[bytes], folder: Path, part: str, prefix: str, *, max_bytes: int, at_least_one: bool = False
) -> tuple[DataFile, ...]:
    """Write lines, newlines included, to `folder/part`, cut where the next would not fit.

    With no line there is no file, or an empty one where `at_least_one`.
    """
    place = folder / part
    shards: list[_Shard] = []
    try:
        for line in lines:
            if not shards or shards[-1].size_bytes + len(line) > max_bytes:
                _start_shard(place, prefix, shards)
            shards[-1].write(line)
        if at_least_one and not shards:
            _start_shard(place, prefix, shards)
        if shards:
            shards[-1].seal()
    finally:
        for shard in shards:
            shard.close()
    return tuple(
        _rename(shard, folder, f"{prefix}-{n:05d}-of-{len(shards):05d}.jsonl") for n, shard in enumerate(shards)
    )


def write_shard(lines: Iterable[bytes], folder: Path, path: str) -> DataFile:
    """One file of known rows, `path` relative to `folder`; memory holds some of them."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    shard = _Shard(target, os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
    waiting: list[bytes] = []
    waiting_bytes = 0
    try:
        for line in lines:
            waiting.append(line)
            waiting_bytes += len(line)
            if waiting_bytes >= WRITE_BYTES:
                shard.write(b"".join(waiting), rows=len(waiting))
                waiting, waiting_bytes = [], 0
        shard.write(b"".join(waiting), rows=len(waiting))
        shard.seal()
    finally:
        shard.close()
    return shard.describe(folder)


@dataclass
class _Shard:
    path: Path
    fd: int
    rows: int = 0
    size_bytes: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def write(self, lines: bytes, *, rows: int = 1) -> None:
        write_all(self.fd, lines)
        self.digest.update(lines)
        self.rows += rows
        self.size_bytes += len(lines)

    def seal(self) -> None:
        os.fsync(self.fd)
        self.close()

    def describe(self, folder: Path) -> DataFile:
        return DataFile(
            path=self.path.relative_to(folder).as_posix(),
            rows=self.rows,
            size_bytes=self.size_bytes,
            sha256=self.digest.hexdigest(),
        )

    def close(self) -> None:
        """Idempotent."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _start_shard(place: Path, prefix: str, shards: list[_Shard]) -> None:
    if shards:
        shards[-1].seal()
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{prefix}-{len(shards):05d}.part"
    shards.append(_Shard(path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)))


def _rename(shard: _Shard, folder: Path, name: str) -> DataFile:
    shard.path = shard.path.rename(shard.path.with_name(name))
    return shard.describe(folder)
