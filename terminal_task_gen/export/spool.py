"""Rows on their way into the corpus: appended as they come, given back by part in the order of their ids.

A worker has a spool of its own, in whatever process, and needs nobody's leave to write; what it hands over at the end
(`SpoolIndex`, which pickles) is the statistics, and arrays with an id and a place a row: some 40 bytes. So the bytes of
the corpus depend neither on the number of workers nor on who was first.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from terminal_task_gen.export.folder import write_all
from terminal_task_gen.export.parts import DROPPED, name_part
from terminal_task_gen.export.rows import CorpusRow, DroppedRow, dump_row
from terminal_task_gen.export.statistics import Statistics

BUFFER_BYTES = 1 << 20


@dataclass(frozen=True)
class Places:
    """Where some rows lie in their spools."""

    ids: NDArray[np.bytes_]
    spools: NDArray[np.uint16]
    """Numbers of spools, as whoever holds the paths counts them."""
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int32]
    """In bytes."""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Places:
        return Places(self.ids[rows], self.spools[rows], self.offsets[rows], self.sizes[rows])

    @classmethod
    def sort_together(cls, some: Sequence[Places]) -> Places:
        """Of several spools, numbered from 0 in this order, by their ids."""
        numbers = np.repeat(np.arange(len(some), dtype=np.uint16), [len(places) for places in some])
        offsets, sizes = (np.concatenate([getattr(places, name) for places in some]) for name in ("offsets", "sizes"))
        together = cls(np.concatenate([places.ids for places in some]), numbers, offsets, sizes)
        return together.take(np.argsort(together.ids, kind="stable"))


@dataclass
class SpoolIndex:
    """What one spool holds."""

    path: Path
    parts: dict[str, Places] = field(default_factory=dict)
    statistics: Statistics = field(default_factory=Statistics)
    """Of kept rows."""


@dataclass
class _Growing:
    ids: list[bytes] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def pack(self) -> Places:
        return Places(
            np.array(self.ids, dtype=np.bytes_),
            np.zeros(len(self.ids), dtype=np.uint16),
            np.array(self.offsets, dtype=np.int64),
            np.array(self.sizes, dtype=np.int32),
        )


class RowSpool:
    """One worker's rows. Use as a context manager; `index` is complete when it has closed."""

    def __init__(self, path: Path) -> None:
        self.index = SpoolIndex(path)
        self._growing: dict[str, _Growing] = {}
        self._end = 0
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> RowSpool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            os.close(self._fd)
        self.index.parts = {part: growing.pack() for part, growing in self._growing.items()}

    def add(self, row: CorpusRow) -> None:
        """A kept row, or a DroppedRow."""
        line = dump_row(row) + b"\n"
        part = DROPPED if isinstance(row, DroppedRow) else name_part(row)
        growing = self._growing.setdefault(part, _Growing())
        growing.ids.append(row.id.encode())
        growing.offsets.append(self._end)
        growing.sizes.append(len(line))
        self._end += len(line)
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        if self._waiting_bytes >= BUFFER_BYTES:
            self._flush()
        if part != DROPPED:
            self.index.statistics.add(row)

    def _flush(self) -> None:
        write_all(self._fd, b"".join(self._waiting))
        self._waiting.clear()
        self._waiting_bytes = 0
