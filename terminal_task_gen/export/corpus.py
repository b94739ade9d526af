"""Writes the corpus folder whole:

    corpus/
      data/train-00000-of-00002.jsonl      kept rows, sorted by id (config `default`)
      dropped-00000-of-00001.jsonl         dropped rows, sorted by id, with drop_reason and findings (config `dropped`)
      report.json                          the funnel
      README.md                            the dataset card

It is a view and is made anew each time: rows are spooled in `corpus.tmp-<pid>` beside it in the order they come, copied
into shards in the order of their ids (so bytes do not depend on concurrency; in memory there is an id and an offset a
row), flushed to disk and swapped in by rename. When anything fails, the disk or the caller, the old corpus stays
as it was and the temporary folder goes. `datasets` loads the folder by the card; with no row kept the train shard is an
empty file, which `datasets` refuses ("corresponds to no data") rather than taking the dropped rows for the corpus.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import orjson

from terminal_task_gen.export.card import CardFacts, CorpusFiles, render_card
from terminal_task_gen.export.report import Report
from terminal_task_gen.export.rows import CorpusRow, DroppedRow, RunStamp, build_row
from terminal_task_gen.export.tally import Tally
from terminal_task_gen.finding import FilterFacts, Judged
from terminal_task_gen.records import Record
from terminal_task_gen.store import explain_os_error
from terminal_task_gen.task import Rejection, Task


@dataclass(frozen=True)
class RunRecords:
    """A run's records, each iterated over once. Rejections are final, one an item."""

    tasks: Iterable[Task]
    rejections: Iterable[Rejection]
    """Of generation."""
    failures: Iterable[Rejection]
    """Of rollouts."""
    judged: Iterable[Judged]


def export_corpus(
    folder: Path,
    records: RunRecords,
    *,
    stamp: RunStamp,
    filters: FilterFacts,
    card: CardFacts,
    max_shard_bytes: int = 256_000_000,
) -> Report:
    """Write `folder` anew and say what is in it.

    Raises:
        UsageError: the disk refuses (full, read-only). The old corpus is intact, nothing else is left behind.
    """
    try:
        with _replace_folder(folder) as temporary:
            tally = Tally(filters)
            tally.add_tasks(records.tasks)
            tally.add_rejections(records.rejections)
            tally.add_failures(records.failures)
            files = _write_rows(temporary, _make_rows(records.judged, stamp, tally), max_shard_bytes)
            report = tally.build()
            _write_file(temporary / "report.json", _dump(report, indent=True) + b"\n")
            _write_file(temporary / "README.md", render_card(report, files=files, stamp=stamp, facts=card).encode())
    except OSError as error:
        raise explain_os_error(error, folder) from error
    return report


def _make_rows(judged: Iterable[Judged], stamp: RunStamp, tally: Tally) -> Iterator[CorpusRow]:
    for item in judged:
        row = build_row(item, stamp)
        tally.add_row(item, row)
        yield row


def _write_rows(folder: Path, rows: Iterable[CorpusRow], max_shard_bytes: int) -> CorpusFiles:
    data = folder / "data"
    data.mkdir()
    with _Spool.open(folder / "kept.spool") as kept, _Spool.open(folder / "dropped.spool") as dropped:
        for row in rows:
            (dropped if isinstance(row, DroppedRow) else kept).add(row)
        kept_digest = _write_shards(kept.drain(), data, "train", max_shard_bytes, at_least_one=True)
        dropped_digest = _write_shards(dropped.drain(), folder, "dropped", max_shard_bytes, at_least_one=False)
        return CorpusFiles(kept_digest=kept_digest, dropped_digest=dropped_digest, dropped_rows=len(dropped.places))


class _Place(NamedTuple):
    row_id: str
    offset: int
    size_bytes: int


@dataclass
class _Spool:
    """Lines in the order they come; given back in the order of their ids."""

    fd: int
    places: list[_Place] = field(default_factory=list)
    end: int = 0

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[_Spool]:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            yield cls(fd)
        finally:
            os.close(fd)
            path.unlink()

    def add(self, row: CorpusRow) -> None:
        line = _dump(row) + b"\n"
        _write_all(self.fd, line)
        self.places.append(_Place(row.id, self.end, len(line)))
        self.end += len(line)

    def drain(self) -> Iterator[bytes]:
        for place in sorted(self.places):
            yield os.pread(self.fd, place.size_bytes, place.offset)


def _write_shards(lines: Iterable[bytes], folder: Path, prefix: str, max_bytes: int, *, at_least_one: bool) -> str:
    """Shards named `<prefix>-00000-of-00003.jsonl`, cut where the next line would not fit; SHA-256 of all lines."""
    parts: list[Path] = []
    digest = hashlib.sha256()
    fd, size_bytes = -1, 0
    try:
        for line in lines:
            if fd < 0 or size_bytes + len(line) > max_bytes:
                fd, size_bytes = _next_part(fd, folder, prefix, parts), 0
            _write_all(fd, line)
            digest.update(line)
            size_bytes += len(line)
        if at_least_one and not parts:
            fd = _next_part(fd, folder, prefix, parts)
        if fd >= 0:
            os.fsync(fd)
    finally:
        if fd >= 0:
            os.close(fd)
    for number, part in enumerate(parts):
        part.rename(folder / f"{prefix}-{number:05d}-of-{len(parts):05d}.jsonl")
    return digest.hexdigest()


def _next_part(fd: int, folder: Path, prefix: str, parts: list[Path]) -> int:
    """Open the part that follows, flush and close the one before."""
    path = folder / f"{prefix}-{len(parts):05d}.part"
    following = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    parts.append(path)
    if fd >= 0:
        try:
            os.fsync(fd)
        except OSError:
            os.close(following)
            raise
        os.close(fd)
    return following


@contextmanager
def _replace_folder(folder: Path) -> Iterator[Path]:
    """A fresh folder beside `folder` that takes its place when the block ends well, and vanishes when it does not."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep_leftovers(folder)
    temporary = folder.with_name(f"{folder.name}.tmp-{os.getpid()}")
    try:
        temporary.mkdir()
        yield temporary
        for path in (temporary / "data", temporary):
            _sync_folder(path)
        _swap(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(temporary: Path, folder: Path) -> None:
    retired = folder.with_name(f"{folder.name}.old-{os.getpid()}")
    if folder.exists():
        folder.rename(retired)
    try:
        temporary.rename(folder)
    except OSError:
        if retired.exists():
            retired.rename(folder)
        raise
    _sync_folder(folder.parent)
    shutil.rmtree(retired, ignore_errors=True)


def _sweep_leftovers(folder: Path) -> None:
    """What a killed process left: half a corpus goes; the old corpus, caught between the two renames, comes back."""
    for path in sorted(folder.parent.glob(f"{folder.name}.old-*")):
        if folder.exists():
            shutil.rmtree(path)
        else:
            path.rename(folder)
    for path in folder.parent.glob(f"{folder.name}.tmp-*"):
        shutil.rmtree(path)


def _write_file(path: Path, content: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        _write_all(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_all(fd: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _dump(record: Record, *, indent: bool = False) -> bytes:
    return orjson.dumps(record.model_dump(mode="json"), option=orjson.OPT_INDENT_2 if indent else None)
