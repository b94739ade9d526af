"""Shards: files of whole lines that grow under one name and are sealed under another. What they mean is store.py's."""

from __future__ import annotations

import errno
import math
import os
import re
import time
from pathlib import Path
from typing import BinaryIO, NamedTuple

from terminal_task_gen.errors import UsageError
from terminal_task_gen.records import Record


class Sealing(NamedTuple):
    """When a shard is sealed besides by its size: what a mirror needs, since only sealed shards are uploaded."""

    max_rows: float = math.inf
    max_age_sec: float = math.inf
    """Since its first row."""


class ShardWriter:
    """Appends whole lines to `<folder>/<prefix>-NNNNN.jsonl.part` and seals it past `max_bytes` and on close.

    A part left by a killed process is taken up again, its torn tail cut off.
    """

    def __init__(
        self, folder: Path, prefix: str, *, max_bytes: int = 256_000_000, sealing: Sealing | None = None
    ) -> None:
        self._folder = folder
        self._prefix = prefix
        self._max_bytes = max_bytes
        self._sealing = sealing or Sealing()
        self._rows = 0
        self._opened_at = 0.0
        self._fd: int | None = None
        self._path = folder / ""
        self._size_bytes = 0
        for leftover in self._list_own():
            if leftover.suffix != ".part":
                continue
            self._open(leftover)
            self._cut_torn_tail()
            self._seal()

    def write(self, record: Record) -> None:
        """Append one record as one line; on the disk's refusal nothing of it stays. Raises UsageError."""
        line = record.model_dump_json().encode() + b"\n"
        if self._fd is None:
            self._open(self._folder / f"{self._prefix}-{self._next_number():05d}.jsonl.part")
        assert self._fd is not None
        try:
            written = 0
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError as error:
            os.ftruncate(self._fd, self._size_bytes)
            raise explain_os_error(error, self._path) from error
        self._size_bytes += len(line)
        self._rows += 1
        if self._size_bytes >= self._max_bytes or self._rows >= self._sealing.max_rows:
            self._seal()

    def seal_if_old(self) -> None:
        """Seal a shard whose first row is older than `sealing` allows. For a timer, since rows may stay away."""
        if self._fd is not None and time.monotonic() - self._opened_at >= self._sealing.max_age_sec:
            self._seal()

    def close(self) -> None:
        """Seal what was written. Idempotent."""
        self._seal()

    def _open(self, path: Path) -> None:
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise explain_os_error(error, path) from error
        self._path = path
        self._size_bytes = os.fstat(self._fd).st_size
        self._rows = 0
        self._opened_at = time.monotonic()

    def _cut_torn_tail(self) -> None:
        assert self._fd is not None
        end = self._size_bytes
        while end > 0:
            start = max(0, end - 65536)
            newline = os.pread(self._fd, end - start, start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        os.ftruncate(self._fd, end)
        self._size_bytes = end

    def _seal(self) -> None:
        if self._fd is None:
            return
        try:
            os.fsync(self._fd)
            os.close(self._fd)
            self._fd = None
            if self._size_bytes == 0:
                self._path.unlink()
            else:
                self._path.rename(self._folder / f"{self._prefix}-{self._next_number():05d}.jsonl")
        except OSError as error:
            raise explain_os_error(error, self._path) from error

    def _next_number(self) -> int:
        numbers = [int(p.stem.rsplit("-", 1)[1]) for p in self._list_own() if p.suffix != ".part"]
        return max(numbers, default=-1) + 1

    def _list_own(self) -> list[Path]:
        return list_shards_of(self._folder, self._prefix)


def open_shard(path: Path) -> BinaryIO:
    """A shard for reading; one that was sealed since it was listed is found under its new name."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        if path.suffix != ".part":
            raise
        return path.with_suffix("").open("rb")


def list_shards_of(folder: Path, prefix_pattern: str) -> list[Path]:
    """Shards whose prefix matches; each once, though another process may be sealing them just now."""
    pattern = re.compile(rf"(?:{prefix_pattern})-\d+\.jsonl(?:\.part)?")
    # The parts are looked for first, so that one that is renamed meanwhile is seen twice rather than not at all.
    parts = sorted(path for path in folder.glob("*.jsonl.part") if pattern.fullmatch(path.name))
    sealed = sorted(path for path in folder.glob("*.jsonl") if pattern.fullmatch(path.name))
    return [*sealed, *(path for path in parts if path.with_suffix("") not in sealed)]


def get_prefix(path: Path) -> str:
    """`tasks-p0of4` of tasks-p0of4-00000.jsonl.part."""
    return path.name.partition(".")[0].rpartition("-")[0]


def explain_os_error(error: OSError, path: Path) -> UsageError:
    """The one line for a disk that refuses."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UsageError(f"disk full while writing {path}; free some space and run the same command to go on")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return UsageError(f"cannot write {path}: {error.strerror}; make it writable or choose another --output-dir")
    return UsageError(f"cannot write {path}: {error.strerror}")
