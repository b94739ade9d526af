"""Replies on disk, by key: one SQLite file in write-ahead mode, for any number of coroutines and processes.

Only this file touches it, from one thread of its own. What arrives while that is at work, to be found or to be kept,
goes there together next; `put` comes back when it is written, so a reply that was used is known after a crash. An entry
that cannot be read is a miss. Where the file as a whole cannot be used (damaged, disk full, no permission), the store
says so once and is off from there on: a cache must never end a run. Prompts are not kept, only digests of them.

WAL needs a file system that one machine has to itself: machines that share a folder need a `cache_dir` each.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
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
_MAX_ROWS = 400
"""In one statement; SQLite before 3.32 takes 999 values."""
Found = TypeVar("Found")
_SCHEMA = "CREATE TABLE IF NOT EXISTS replies (key BLOB PRIMARY KEY, reply BLOB NOT NULL) WITHOUT ROWID"


@dataclass(frozen=True)
class StoreSize:
    """How much a store holds."""

    replies: int
    size_bytes: int


@dataclass(frozen=True)
class _Errand:
    """One thing that a coroutine waits for: a reply to be found, or to be kept."""

    key: bytes
    packed: bytes | None
    """None: to be found."""
    done: asyncio.Future[Reply | None]


class ReplyStore:
    """Opened at its first use. `on_trouble` is told once, when the store turns itself off."""

    def __init__(self, folder: Path, *, on_trouble: Callable[[str], None]) -> None:
        self._path = folder / FILE_NAME
        self._on_trouble = on_trouble
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reply-store")
        self._connection: sqlite3.Connection | None = None
        self._waiting: list[_Errand] = []
        self._running: asyncio.Task[None] | None = None
        self._is_off = False

    async def get(self, key: bytes) -> Reply | None:
        return await self._send(key, None)

    async def put(self, key: bytes, reply: Reply) -> None:
        """The first reply to a key stays."""
        await self._send(key, zlib.compress(reply.model_dump_json().encode(), 1))

    async def close(self) -> None:
        """Idempotent. What is under way is finished first, also for those who no longer wait for it."""
        if self._running is not None:
            await self._running
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await asyncio.get_running_loop().run_in_executor(self._thread, connection.close)
        self._thread.shutdown()

    async def _send(self, key: bytes, packed: bytes | None) -> Reply | None:
        if self._is_off:
            return None
        errand = _Errand(key, packed, asyncio.get_running_loop().create_future())
        self._waiting.append(errand)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run_errands())
        return await errand.done

    async def _run_errands(self) -> None:
        """All that wait go to the thread together: a trip for each would cost more than the work."""
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                found = await self._run(functools.partial(self._serve, batch)) or {}
            except Exception as error:  # noqa: BLE001 - raised where the errand is waited for
                for errand in _list_awaited(batch):
                    errand.done.set_exception(error)
            else:
                for errand in _list_awaited(batch):
                    errand.done.set_result(found.get(errand.key) if errand.packed is None else None)

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

    def _serve(self, batch: list[_Errand]) -> dict[bytes, Reply]:
        """The replies found, by key. One statement for many rows: each gives way to the event loop's thread."""
        asked = [errand.key for errand in batch if errand.packed is None]
        kept = [(errand.key, errand.packed) for errand in batch if errand.packed is not None]
        for start in range(0, len(kept), _MAX_ROWS):
            self._write(kept[start : start + _MAX_ROWS])
        found: dict[bytes, Reply] = {}
        for start in range(0, len(asked), _MAX_ROWS):
            found |= self._read(asked[start : start + _MAX_ROWS])
        return found

    def _read(self, keys: list[bytes]) -> dict[bytes, Reply]:
        marks = ",".join("?" * len(keys))
        rows = self._open().execute(f"SELECT key, reply FROM replies WHERE key IN ({marks})", keys).fetchall()
        found: dict[bytes, Reply] = {}
        for key, packed in rows:
            try:
                # The compressed form carries a checksum.
                found[key] = Reply.model_validate_json(zlib.decompress(packed))
            except (zlib.error, ValidationError, TypeError):
                with self._open() as connection:
                    connection.execute("DELETE FROM replies WHERE key = ?", (key,))
        return found

    def _write(self, rows: list[tuple[bytes, bytes]]) -> None:
        marks = ",".join(["(?,?)"] * len(rows))
        with self._open() as connection:
            connection.execute(f"INSERT OR IGNORE INTO replies VALUES {marks}", list(itertools.chain(*rows)))


def _list_awaited(batch: list[_Errand]) -> list[_Errand]:
    """Without those whose coroutine was cancelled."""
    return [errand for errand in batch if not errand.done.done()]


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
