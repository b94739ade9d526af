"""What a worker of the filter stage does with one chunk: read, judge, write its rows, count. Called in any process.

A job names files and numbers only; what all jobs share (`Shared`) is read once a process from a file of the scratch
folder. Findings go to disk with the rows; what comes back is small: an id, a place and a few counts a row.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from terminal_task_gen.chunks import Chunk, parse_line, read_lines
from terminal_task_gen.export.rows import RunStamp, build_row
from terminal_task_gen.export.spool import RowSpool, SpoolIndex
from terminal_task_gen.export.tally import Tally
from terminal_task_gen.filters.criteria import Criteria
from terminal_task_gen.filters.rules import judge_tasks, judge_trajectories
from terminal_task_gen.filters.signature_files import SignatureFiles
from terminal_task_gen.filters.similarity import Signatures
from terminal_task_gen.finding import Finding, Judged, Ruling
from terminal_task_gen.stand_ins import read_record
from terminal_task_gen.store import Damage
from terminal_task_gen.task import Task
from terminal_task_gen.trajectory import Trajectory

BATCH_ROWS = 32
BATCH_BYTES = 600_000
"""As much as a core's own cache holds with what is made of it; fewer rows pay more for each call."""
CACHED_TASKS = 64

Ids = NDArray[np.bytes_]
ItemT = TypeVar("ItemT", Task, Trajectory)


class _Read(NamedTuple, Generic[ItemT]):
    """A record and where its line lies."""

    item: ItemT
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class TaskTable:
    """Where each task lies; some 20 bytes a task."""

    paths: tuple[Path, ...]
    keys: NDArray[np.uint64]
    """Hashes of ids, sorted."""
    shards: NDArray[np.uint16]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int32]


@dataclass(frozen=True)
class Shared:
    """What every job needs."""

    criteria: Criteria
    stamp: RunStamp
    tasks: TaskTable | None = None
    """None while they are being read themselves."""
    task_findings: dict[str, tuple[Finding, ...]] = field(default_factory=dict)
    """Only of tasks with any."""
    explain: str = ""
    """Id of a trajectory whose ruling is wanted."""

    @property
    def counts_attempts(self) -> bool:
        """A band that keeps everything needs no counting."""
        band = self.criteria.rules.solve_rate_band
        return band.at_least > 0.0 or band.at_most < 1.0


@dataclass(frozen=True)
class Job:
    """One chunk. `stem` is where what is written goes, less its ending; `shared` a pickle of Shared."""

    chunk: Chunk
    stem: Path
    shared: Path
    spool: Path | None = None
    """Trajectories: where the rows go; None: nowhere."""
    skip: frozenset[str] = frozenset()
    """Ids that stand in an earlier chunk, too."""


@dataclass
class Part:
    """What came of a chunk."""

    chunk: Chunk
    tally: Tally
    lines: int = 0
    damages: list[Damage] = field(default_factory=list)
    """Line numbers count within the chunk."""
    ids: Ids = field(default_factory=lambda: np.empty(0, dtype="S1"))
    signatures: SignatureFiles | None = None


@dataclass
class TaskPart(Part):
    offsets: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    findings: dict[str, Finding] = field(default_factory=dict)


@dataclass
class TrajectoryPart(Part):
    dropped: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    """Row by row, as far as one row alone can tell."""
    index: SpoolIndex | None = None
    tasks: list[str] = field(default_factory=list)
    """Row by row: its task, and whether every test passed; only where the rule on solve rates asks for them."""
    passed: list[bool] = field(default_factory=list)
    orphans: list[tuple[str, str]] = field(default_factory=list)
    """Trajectories whose task is not there, and its id."""
    explained: Ruling | None = None


def judge_task_chunk(job: Job) -> TaskPart:
    """Read tasks: places, contamination, signatures, counts."""
    criteria = _load_shared(job.shared).criteria
    part = TaskPart(job.chunk, Tally(criteria.describe()))
    signatures: list[Signatures] = []
    ids: list[str] = []
    for batch in _read_batches(job, Task, part):
        tasks = [read.item for read in batch]
        judged = judge_tasks(tasks, criteria)
        part.findings.update(judged.findings)
        part.offsets += [read.offset for read in batch]
        part.sizes += [read.size_bytes for read in batch]
        part.tally.add_tasks(tasks)
        ids += [task.id for task in tasks]
        signatures.append(judged.signatures)
    _keep(part, ids, signatures, job)
    return part


def judge_trajectory_chunk(job: Job) -> TrajectoryPart:
    """Read trajectories: rulings, rows, signatures, counts."""
    shared = _load_shared(job.shared)
    assert shared.tasks is not None
    part = TrajectoryPart(job.chunk, Tally(shared.criteria.describe()))
    signatures: list[Signatures] = []
    ids: list[str] = []
    dropped: list[bool] = []
    with closing(TaskFinder(shared.tasks)) as finder, RowSpool(job.spool) if job.spool else nullcontext() as spool:
        for batch in _read_batches(job, Trajectory, part):
            pairs = _pair(batch, finder, part)
            judged = judge_trajectories(pairs, shared.criteria, shared.task_findings)
            signatures.append(judged.signatures)
            ids += [trajectory.id for _, trajectory in pairs]
            dropped += [not ruling.kept for ruling in judged.rulings]
            for (task, trajectory), ruling in zip(pairs, judged.rulings, strict=True):
                _take(Judged(task, trajectory, ruling), part, spool, shared)
    _keep(part, ids, signatures, job)
    part.dropped = np.array(dropped, dtype=np.bool_)
    part.index = spool.index if spool is not None else None
    return part


def hash_id(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _take(judged: Judged, part: TrajectoryPart, spool: RowSpool | None, shared: Shared) -> None:
    trajectory = judged.trajectory
    if shared.counts_attempts:
        part.tasks.append(judged.task.id)
        part.passed.append(trajectory.verdict.passed)
    if trajectory.id == shared.explain:
        part.explained = judged.ruling
    if spool is not None:
        row = build_row(judged, shared.stamp)
        spool.add(row)
        part.tally.add_row(judged, row)


def _pair(
    batch: Sequence[_Read[Trajectory]], finder: TaskFinder, part: TrajectoryPart
) -> list[tuple[Task, Trajectory]]:
    pairs = []
    for read in batch:
        task = finder.find(read.item.task_id)
        if task is None:
            part.orphans.append((read.item.id, read.item.task_id))
        else:
            pairs.append((task, read.item))
    return pairs


def _keep(part: Part, ids: Sequence[str], signatures: Sequence[Signatures], job: Job) -> None:
    part.ids = np.array([text.encode() for text in ids], dtype=np.bytes_) if ids else part.ids
    part.signatures = SignatureFiles.write(job.stem, signatures)


def _read_batches(job: Job, model: type[ItemT], part: Part) -> Iterator[list[_Read[ItemT]]]:
    """Records with the places of their lines, some at a time; each id once."""
    seen = set(job.skip)
    batch: list[_Read[ItemT]] = []
    batch_bytes = 0
    for line in read_lines(job.chunk):
        part.lines += 1
        record = parse_line(line, job.chunk, model)
        if isinstance(record, Damage):
            part.damages.append(record)
        elif record.id not in seen:
            seen.add(record.id)
            batch.append(_Read(record, line.offset, line.size_bytes))
            batch_bytes += line.size_bytes
            if len(batch) >= BATCH_ROWS or batch_bytes >= BATCH_BYTES:
                yield batch
                batch, batch_bytes = [], 0
    if batch:
        yield batch


class TaskFinder:
    """Tasks by id, read from their shards as they are wanted; the last few are kept."""

    def __init__(self, table: TaskTable) -> None:
        self._table = table
        self._fds = [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in table.paths]
        self._cached: OrderedDict[str, Task] = OrderedDict()

    def find(self, task_id: str) -> Task | None:
        if task_id in self._cached:
            self._cached.move_to_end(task_id)
            return self._cached[task_id]
        key = hash_id(task_id)
        place = int(np.searchsorted(self._table.keys, np.uint64(key)))
        if place == len(self._table.keys) or int(self._table.keys[place]) != key:
            return None
        table = self._table
        line = os.pread(self._fds[table.shards[place]], int(table.sizes[place]), int(table.offsets[place]))
        task = read_record(Task, line)
        self._cached[task_id] = task
        if len(self._cached) > CACHED_TASKS:
            self._cached.popitem(last=False)
        return task

    def close(self) -> None:
        for fd in self._fds:
            os.close(fd)


@lru_cache(maxsize=1)
def _load_shared(path: Path) -> Shared:
    shared: Shared = pickle.loads(path.read_bytes())
    return shared
