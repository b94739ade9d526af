"""One run as the server sees it: its index's newest snapshot, rows by id, notes. Blocking; for worker threads."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terminal_task_gen.store import RunDirectory
from terminal_task_gen.viewer.layout import INDEX, choose_notes_path
from terminal_task_gen.viewer.notes import Notebook
from terminal_task_gen.viewer.reading import read_row
from terminal_task_gen.viewer.schema import open_for_reading
from terminal_task_gen.viewer.snapshot import Snapshot, load_snapshot
from terminal_task_gen.viewer.tables import ANY_NOTE, TaskTable, TrajectoryTable

REFRESH_SEC = 0.3


class NotReadyError(Exception):
    """The index does not exist yet."""


class UnknownIdError(Exception):
    """The run has no such row."""


class RunIndex:
    """Reads one run through its index. Threads may call it at the same time; each gets a connection of its own."""

    def __init__(self, name: str, run: RunDirectory, folder: Path) -> None:
        self.name = name
        self.run = run
        self.path = folder / INDEX
        self.notes = Notebook(choose_notes_path(run.path, folder))
        self._lock = threading.Lock()
        self._local = threading.local()
        self._snapshot: Snapshot | None = None
        self._inode = 0
        self.failure = ""
        """Why the index is not being built any more; set by the server."""
        self._looked_at = 0.0
        self._tables: tuple[tuple[int, int, int], TrajectoryTable, TaskTable] | None = None

    def connect(self) -> sqlite3.Connection:
        """This thread's connection to the index as it is now. Raises NotReadyError."""
        inode = self._stat_inode()
        held: tuple[int, sqlite3.Connection] | None = getattr(self._local, "held", None)
        if held is not None and held[0] == inode:
            return held[1]
        if held is not None:
            held[1].close()
            self._local.held = None
        connection = open_for_reading(self.path)
        if connection is None:
            raise NotReadyError(f"the index of {self.name} is being built")
        self._local.held = (inode, connection)
        return connection

    def take_snapshot(self) -> Snapshot:
        """The newest state, at most REFRESH_SEC old. Raises NotReadyError."""
        with self._lock:
            now = time.monotonic()
            if self._snapshot is not None and now - self._looked_at < REFRESH_SEC:
                return self._snapshot
            try:
                connection = self.connect()
                old = self._snapshot if self._inode == self._stat_inode() else None
                row = connection.execute("SELECT value FROM meta WHERE key = 'revision'").fetchone()
                if row is None:
                    raise NotReadyError(f"the index of {self.name} is being built")
                if old is None or old.revision != row[0]:
                    self._snapshot = load_snapshot(connection, old)
                    self._inode = self._stat_inode()
            except sqlite3.Error as error:
                raise NotReadyError(f"the index of {self.name} is being built anew") from error
            assert self._snapshot is not None
            self._looked_at = now
            return self._snapshot

    def take_tables(self) -> tuple[TrajectoryTable, TaskTable]:
        """Both lists of the newest state, labels included. Raises NotReadyError."""
        snapshot = self.take_snapshot()
        self.notes.list_notes()
        stamp = (id(snapshot), snapshot.revision, self.notes.revision)
        with self._lock:
            if self._tables is None or self._tables[0] != stamp:
                labels = self._find_labelled(snapshot)
                tables = TrajectoryTable(snapshot, labels[0]), TaskTable(snapshot, labels[1])
                self._tables = (stamp, *tables)
            return self._tables[1], self._tables[2]

    def find_trajectory(self, row_id: str) -> int:
        """Its row; the last one where there are several. Raises UnknownIdError, NotReadyError."""
        rows = len(self.take_snapshot().trajectories)
        query = "SELECT max(row) FROM trajectory WHERE id = ? AND row < ?"
        (row,) = self.connect().execute(query, (row_id, rows)).fetchone()
        if row is None:
            raise UnknownIdError(f"{self.name} has no trajectory {row_id[:80]}")
        return int(row)

    def find_item(self, row_id: str) -> int:
        """Row of a task (by its id, or its request's) or of a given-up draft. Raises UnknownIdError, NotReadyError."""
        rows = len(self.take_snapshot().items)
        query = (
            "SELECT row FROM item WHERE (id = :id OR request_id = :id) AND row < :rows"
            " ORDER BY given_up, id <> :id, row DESC LIMIT 1"
        )
        found = self.connect().execute(query, {"id": row_id, "rows": rows}).fetchone()
        if found is None:
            raise UnknownIdError(f"{self.name} has no task or request {row_id[:80]}")
        return int(found[0])

    def read_trajectory(self, row: int) -> dict[str, Any]:
        """Raises GoneError, UnusableLineError."""
        snapshot = self.take_snapshot()
        (row_id,) = self.connect().execute("SELECT id FROM trajectory WHERE row = ?", (row,)).fetchone()
        return self._read(snapshot, snapshot.trajectories[row], row_id)

    def read_item(self, row: int) -> dict[str, Any]:
        """Raises GoneError, UnusableLineError."""
        snapshot = self.take_snapshot()
        (row_id,) = self.connect().execute("SELECT id FROM item WHERE row = ?", (row,)).fetchone()
        return self._read(snapshot, snapshot.items[row], row_id)

    def read_at(self, relative: str, offset: int, size_bytes: int, row_id: str) -> dict[str, Any]:
        """A row of any file of the run. Raises GoneError, UnusableLineError."""
        return read_row(self.run.path / relative, offset, size_bytes, row_id)

    def is_being_written(self) -> bool:
        """A ttg holds the run's lock. Asked of the kernel: trying the lock could get in a ttg's way."""
        try:
            inodes = [f":{path.stat().st_ino} " for path in self.run.path.glob(".lock*")]
            locks = Path("/proc/locks").read_text(encoding="ascii")
        except OSError:
            return False
        held = [line for line in locks.splitlines() if " FLOCK " in line]
        return any(inode in line for line in held for inode in inodes)

    def measure_index(self) -> int:
        """Bytes on disk."""
        total = 0
        for ending in ("", "-wal"):
            with contextlib.suppress(OSError):
                total += self.path.with_name(self.path.name + ending).stat().st_size
        return total

    def _read(self, snapshot: Snapshot, place: Any, row_id: str) -> dict[str, Any]:
        shard = snapshot.shards[int(place["shard"])]
        return self.read_at(shard.path, int(place["offset"]), int(place["size"]), row_id)

    def _stat_inode(self) -> int:
        try:
            return self.path.stat().st_ino
        except OSError:
            return 0

    def _find_labelled(self, snapshot: Snapshot) -> tuple[dict[str, NDArray[np.int64]], dict[str, NDArray[np.int64]]]:
        """Label → rows, for trajectories and for items."""
        connection = self.connect()
        queries = ("SELECT row FROM trajectory WHERE id = ?", "SELECT row FROM item WHERE id = ?")
        found: tuple[dict[str, list[int]], dict[str, list[int]]] = ({}, {})
        sizes = (len(snapshot.trajectories), len(snapshot.items))
        for note in self.notes.list_notes():
            for query, rows_of, size in zip(queries, found, sizes, strict=True):
                rows = [row for (row,) in connection.execute(query, (note.id,)) if row < size]
                for label in (*note.labels, ANY_NOTE) if rows else ():
                    rows_of.setdefault(label, []).extend(rows)
        trajectories, items = (
            {label: np.array(rows, dtype=np.int64) for label, rows in rows_of.items()} for rows_of in found
        )
        return trajectories, items
