"""Rows on their way into the corpus: appended as they come, given back by part in the order of their ids.

A worker has a spool of its own, in whatever process, and needs nobody's leave to write; what it hands over at the end
(`SpoolIndex`, which pickles) is an id and a place a row, and the statistics. So the bytes of the corpus depend neither
on the number of workers nor on who was first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from terminal_task_gen.export.folder import dump_record, write_all
from terminal_task_gen.export.parts import DROPPED, name_part
from terminal_task_gen.export.rows import CorpusRow, DroppedRow
from terminal_task_gen.export.statistics import Statistics


class Place(NamedTuple):
    """Where a row lies."""

    row_id: str
    spool: Path
    offset: int
    size_bytes: int


@dataclass
class SpoolIndex:
    """What one spool holds."""

    parts: dict[str, list[Place]] = field(default_factory=dict)
    statistics: Statistics = field(default_factory=Statistics)
    """Of kept rows."""


class RowSpool:
    """One worker's rows. Use as a context manager; `index` is complete when it has closed."""

    def __init__(self, path: Path) -> None:
        self.index = SpoolIndex()
        self._path = path
        self._end = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> RowSpool:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._fd)

    def add(self, row: CorpusRow) -> None:
        """A kept row, or a DroppedRow."""
        line = dump_record(row) + b"\n"
        write_all(self._fd, line)
        part = DROPPED if isinstance(row, DroppedRow) else name_part(row)
        self.index.parts.setdefault(part, []).append(Place(row.id, self._path, self._end, len(line)))
        self._end += len(line)
        if part != DROPPED:
            self.index.statistics.add(row)


class SpoolReader:
    """Lines of closed spools by their places."""

    def __init__(self, indexes: Sequence[SpoolIndex]) -> None:
        self._indexes = indexes
        self._fds: dict[Path, int] = {}

    @classmethod
    @contextmanager
    def open(cls, indexes: Sequence[SpoolIndex]) -> Iterator[SpoolReader]:
        reader = cls(indexes)
        try:
            yield reader
        finally:
            for fd in reader._fds.values():
                os.close(fd)

    def list_parts(self) -> list[str]:
        return sorted({part for index in self._indexes for part in index.parts})

    def count_rows(self, part: str) -> int:
        return sum(len(index.parts.get(part, ())) for index in self._indexes)

    def read_part(self, part: str) -> Iterator[bytes]:
        """Lines of all spools together, sorted by id."""
        places = [place for index in self._indexes for place in index.parts.get(part, ())]
        places.sort()
        for place in places:
            if place.spool not in self._fds:
                self._fds[place.spool] = os.open(place.spool, os.O_RDONLY | os.O_CLOEXEC)
            yield os.pread(self._fds[place.spool], place.size_bytes, place.offset)
