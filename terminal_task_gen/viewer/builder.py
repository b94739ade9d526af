"""The process that keeps a run's index up to date: `python -m terminal_task_gen.viewer.builder RUN INDEX_FOLDER`.

It ends when its standard input does, so it never outlives the server that started it. Of several on one index, one
builds; another takes over when that one ends. `--once` builds what there is and ends.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import select
import sqlite3
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from terminal_task_gen.chunks import Chunk
from terminal_task_gen.store import RunDirectory
from terminal_task_gen.viewer.layout import INDEX, LOCK
from terminal_task_gen.viewer.scan import (
    Extracted,
    Pending,
    Replaced,
    extract_chunk,
    find_pending,
    list_views,
    sign_views,
    split,
)
from terminal_task_gen.viewer.schema import open_for_writing, remove_index
from terminal_task_gen.viewer.writing import IndexWriter

POLL_SEC = 1.0
MAX_RESTARTS = 3
"""In a row, of an index that cannot be gone on with; then the cause is no damaged cache (a full disk)."""
COMMIT_SEC = 2.0
POOL_FROM_BYTES = 64_000_000
"""Less than this is not worth starting processes for."""
MAX_WORKERS = 8


class _Piece(NamedTuple):
    pending: Pending
    chunk: Chunk


class Builder:
    """Brings one index up to date, again and again."""

    def __init__(self, run: RunDirectory, index: Path) -> None:
        self._run = run
        self._index = index
        self._connection = open_for_writing(index)
        self._writer = IndexWriter(self._connection)
        self._began = time.monotonic()
        self._done_bytes = self._total_bytes = 0

    def catch_up(self) -> bool:
        """Index what is new; False when there was nothing. Raises Replaced, OSError."""
        pending, found = find_pending(self._run, self._writer.list_shards())
        signature = sign_views(self._run)
        stale = signature != (self._writer.get_meta("views") or "")
        first = self._writer.get_meta("state") is None
        if not pending and not stale and not first:
            return False
        self._began = time.monotonic()
        views = [Pending(None, kind, path, 0, path.stat().st_size) for kind, path in list_views(self._run) if stale]
        self._done_bytes = 0
        self._total_bytes = sum(p.end - p.start for p in (*pending, *views))
        self._writer.begin()
        for number, path in found.items():
            self._writer.move_shard(number, self._name(path))
        self._commit("building")
        with open_pool(self._total_bytes) as pool:
            self._index_shards(pending, pool)
            self._index_views(views, signature, stale, pool)
        return True

    def close(self) -> None:
        """What was not committed is forgotten."""
        self._connection.close()

    def _index_shards(self, pending: Sequence[Pending], pool: Executor | None) -> None:
        numbers: dict[Path, int] = {}
        pieces = [_Piece(file, chunk) for file in pending for chunk in split(file)]
        self._writer.begin()
        committed = time.monotonic()
        for (file, chunk), extracted in extract_in_order(pieces, pool):
            if file.path not in numbers:
                numbers[file.path] = self._writer.open_shard(file.number, file.kind, self._name(file.path))
            self._writer.add(file.kind, numbers[file.path], file.path, self._name(file.path), extracted)
            self._done_bytes += chunk.end - chunk.start
            if time.monotonic() - committed > COMMIT_SEC:
                self._commit("building")
                self._writer.begin()
                committed = time.monotonic()
        self._commit("building")

    def _index_views(self, views: Sequence[Pending], signature: str, stale: bool, pool: Executor | None) -> None:
        self._writer.begin()
        if stale:
            self._writer.clear_views()
            for (file, chunk), extracted in extract_in_order([_Piece(f, c) for f in views for c in split(f)], pool):
                self._writer.add_view(file.kind, self._name(file.path), extracted)
                self._done_bytes += chunk.end - chunk.start
        if stale or self._writer.get_meta("unmatched_rulings"):
            self._writer.set_meta(unmatched_rulings=self._writer.match_rulings())
        self._commit("ready", views=signature)

    def _commit(self, state: str, **meta: object) -> None:
        self._writer.commit(
            state=state,
            done_bytes=self._done_bytes,
            total_bytes=self._total_bytes,
            seconds=round(time.monotonic() - self._began, 3),
            **meta,
        )

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._run.path))


def extract_in_order(pieces: Sequence[_Piece], pool: Executor | None) -> Iterator[tuple[_Piece, Extracted]]:
    """Each piece with what is in it; a few are worked on ahead."""
    if pool is None:
        for piece in pieces:
            yield piece, extract_chunk(piece.pending.kind, piece.chunk)
        return
    ahead: deque[tuple[_Piece, Future[Extracted]]] = deque()
    for piece in pieces:
        ahead.append((piece, pool.submit(extract_chunk, piece.pending.kind, piece.chunk)))
        if len(ahead) > 2 * MAX_WORKERS:
            done, future = ahead.popleft()
            yield done, future.result()
    for done, future in ahead:
        yield done, future.result()


@contextmanager
def open_pool(total_bytes: int) -> Iterator[Executor | None]:
    """Processes, where there is enough to do for them."""
    workers = min(MAX_WORKERS, len(os.sched_getaffinity(0)))
    if total_bytes < POOL_FROM_BYTES or workers < 2:
        yield None
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield pool


def follow(run: RunDirectory, folder: Path, *, once: bool = False) -> None:
    """Build, and go on until standard input ends. Raises what is a bug."""
    index = folder / INDEX
    builder: Builder | None = None
    restarts = 0
    while True:
        try:
            builder = builder or Builder(run, index)
            builder.catch_up()
            restarts = 0
        except (Replaced, sqlite3.DatabaseError, OSError) as error:
            if builder is not None:
                builder.close()
            builder = None
            if not isinstance(error, OSError):
                # A cache: what cannot be gone on with is made anew.
                restarts += 1
                if restarts > MAX_RESTARTS:
                    raise
                remove_index(index)
                continue
            # A file was sealed or replaced under our hands: look again.
        if (once and builder is not None) or wait_for_end(POLL_SEC):
            return


def wait_for_end(seconds: float) -> bool:
    """True when standard input has ended."""
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable) and not os.read(sys.stdin.fileno(), 1)


def hold_lock(folder: Path) -> int | None:
    """A descriptor while no other process builds here."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--once", action="store_true")
    arguments = parser.parse_args()
    os.nice(5)
    lock = hold_lock(arguments.folder)
    while lock is None:
        if wait_for_end(POLL_SEC):
            return
        lock = hold_lock(arguments.folder)
    follow(RunDirectory(arguments.run), arguments.folder, once=arguments.once)


if __name__ == "__main__":
    main()
