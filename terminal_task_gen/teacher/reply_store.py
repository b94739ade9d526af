"""Replies on disk, by key: one SQLite file in write-ahead mode, for any number of coroutines and processes.

Only this file touches it, from one thread of its own. What arrives while a transaction is under way goes into the next
one together; `put` comes back when it is written, so a reply that was used is known after a crash. An entry that cannot
be read is a miss. Where the file as a whole cannot be used (damaged, disk full, no permission), the store says so once
and is off from there on: a cache must never end a run. Prompts are not kept, only digests of them.

WAL needs a file system that one machine has to itself: machines that share a folder need a `cache_dir` each.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from terminal_task_gen.errors import UsageError
from terminal_task_gen.teacher import Reply

FILE_NAME = "replies-1.sqlite"
"""The number is the format's; another format is another file."""
_BUSY_TIMEOUT_SEC = 30.0
Found = TypeVar("Found")
_SCHEMA = "CREATE TABLE IF NOT EXISTS replies (key BLOB PRIMARY KEY, reply BLOB NOT NULL) WITHOUT ROWID"


@dataclass(frozen=True)
class StoreSize:
    """How much a store holds."""

    replies: int
    size_bytes: int


class ReplyStore:
    """Opened at its first use. `on_trouble` is told once, when the store turns itself off."""

    def __init__(self, folder: Path, *, on_trouble: Callable[[str], None]) -> None:
        self._path = folder / FILE_NAME
        self._on_trouble = on_trouble
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reply-store")
        self._connection: sqlite3.Connection | None = None
        self._waiting: list[tuple[bytes, Reply]] = []
        self._writing = asyncio.Lock()
        self._is_off = False

    async def get(self, key: bytes) -> Reply | None:
        return await self._run(lambda: self._read(key))

    async def put(self, key: bytes, reply: Reply) -> None:
        """The first reply to a key stays."""
        self._waiting.append((key, reply))
        async with self._writing:
            batch, self._waiting = self._waiting, []
            if batch:
                await self._run(lambda: self._write(batch))

    async def close(self) -> None:
        """Idempotent."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await asyncio.get_running_loop().run_in_executor(self._thread, connection.close)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], Found]) -> Found | None:
        if self._is_off:
            return None
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError) as error:
            if not self._is_off:
                self._is_off = True
                self._on_trouble(
                    f"replies are not kept from here on: {self._path}: {error}; calls go on without it "
                    "(ttg cache clear makes a new one; --no-cache leaves it out)"
                )
            return None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT_SEC, check_same_thread=False)
            # NORMAL: a power cut may cost the last replies, never the file.
            self._connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
            self._connection.execute(_SCHEMA)
        return self._connection

    def _read(self, key: bytes) -> Reply | None:
        found = self._open().execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        if found is None:
            return None
        try:
            # The compressed form carries a checksum.
            return Reply.model_validate_json(zlib.decompress(found[0]))
        except (zlib.error, ValidationError, TypeError):
            with self._open() as connection:
                connection.execute("DELETE FROM replies WHERE key = ?", (key,))
            return None

    def _write(self, batch: list[tuple[bytes, Reply]]) -> None:
        rows = [(key, zlib.compress(reply.model_dump_json().encode(), 1)) for key, reply in batch]
        with self._open() as connection:
            connection.executemany("INSERT OR IGNORE INTO replies VALUES (?, ?)", rows)


def list_files(folder: Path) -> list[Path]:
    """The store's own, if any; other files of the folder are not ours."""
    return sorted(folder.glob(f"{FILE_NAME}*"))


def measure_store(folder: Path) -> StoreSize:
    """Raises UsageError where the file cannot be read."""
    path = folder / FILE_NAME
    if not path.is_file():
        return StoreSize(0, 0)
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=_BUSY_TIMEOUT_SEC)) as connection:
            replies = connection.execute("SELECT count(*) FROM replies").fetchone()[0]
    except sqlite3.Error as error:
        raise UsageError(f"{path} cannot be read: {error}; remove it with: ttg cache clear") from error
    return StoreSize(replies, sum(part.stat().st_size for part in list_files(folder)))
