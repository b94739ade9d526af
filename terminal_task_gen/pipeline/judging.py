"""Judges a run's tasks and trajectories a chunk at a time, and then what only the whole corpus can tell.

Holds an id, a place and a few counts a row; all else lies in a scratch folder beside the corpus, which goes at the end.
"""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from terminal_task_gen.chunks import split_shards
from terminal_task_gen.engine import Crew
from terminal_task_gen.events import Notice
from terminal_task_gen.export.rows import RunStamp
from terminal_task_gen.export.shard_jobs import ShardJob, copy_shard
from terminal_task_gen.export.shards import DataFile
from terminal_task_gen.export.tally import Tally
from terminal_task_gen.filters.criteria import Criteria
from terminal_task_gen.filters.outcomes import Attempts, find_solve_rates_outside
from terminal_task_gen.filters.signature_files import BandJob, find_band_pairs
from terminal_task_gen.filters.similarity import BANDS, Similar, choose_originals
from terminal_task_gen.finding import Action, Finding, Reason, RuleName, Ruling
from terminal_task_gen.pipeline.filter_jobs import (
    Job,
    Part,
    Shared,
    TaskPart,
    TaskTable,
    TrajectoryPart,
    hash_id,
    judge_task_chunk,
    judge_trajectory_chunk,
)
from terminal_task_gen.pipeline.opening import OpenRun
from terminal_task_gen.store import TASKS, TRAJECTORIES, ShardKind, explain_os_error

MIN_CHUNK_BYTES = 8_000_000
MAX_CHUNKS = 400
"""A chunk has a spool, and all spools are open at the end."""

BANDS_AT_ONCE = 3
"""A job's: the pairs of one band are mostly those of the others too, but there should be a job for each core."""

SCRATCH = "filter.tmp-"

PartT = TypeVar("PartT", bound=Part)
JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")
SpoolNamer = Callable[[int], Path]


class Stopped(Exception):  # noqa: N818 - the user's wish, not an error
    """Ctrl-C: nothing more is started."""


@dataclass
class JudgedTasks:
    """What the trajectories' jobs need of the tasks."""

    table: TaskTable
    findings: dict[str, tuple[Finding, ...]]


@dataclass
class Judging:
    """One filtering of one run."""

    run: OpenRun
    crew: Crew
    criteria: Criteria
    stamp: RunStamp
    scratch: Path
    tally: Tally
    explain: str = ""

    async def judge_tasks(self) -> JudgedTasks:
        """Read all tasks."""
        shared = self._share("tasks", Shared(self.criteria, self.stamp))
        parts = await self._judge(TASKS, judge_task_chunk, shared, None)
        ids = [part.ids for part in parts]
        found: dict[str, list[Finding]] = defaultdict(list)
        for part in parts:
            for task, finding in part.findings.items():
                found[task].append(finding)
        rule = RuleName.NEAR_DUPLICATE_TASK
        similar = await self._find_similar(rule, parts, np.zeros(sum(map(len, ids)), dtype=np.bool_))
        for text, finding in similar.items():
            found[text].append(finding)
        return JudgedTasks(_tabulate(parts), {task: tuple(findings) for task, findings in found.items()})

    async def judge_trajectories(self, tasks: JudgedTasks, name_spool: SpoolNamer | None) -> list[TrajectoryPart]:
        """Read all trajectories; rows go to the spools named."""
        shared = Shared(self.criteria, self.stamp, tasks.table, tasks.findings, self.explain)
        path = self._share("trajectories", shared)
        parts = await self._judge(TRAJECTORIES, judge_trajectory_chunk, path, name_spool)
        for part in parts:
            for trajectory, task in part.orphans:
                self.run.listener(Notice(f"{trajectory} left out: its task {task} is not among the tasks"))
        return parts

    async def judge_corpus(self, parts: Sequence[TrajectoryPart]) -> dict[str, Ruling]:
        """Trajectory → what only the whole corpus tells of it."""
        found: dict[str, list[Finding]] = defaultdict(list)
        rule = RuleName.SOLVE_RATE_BAND
        if self.criteria.actions[rule] is not Action.OFF:
            outside = find_solve_rates_outside(_count_attempts(parts), self.criteria.rules.solve_rate_band)
            for part in parts if outside else ():
                for trajectory, task in zip(part.ids.tolist(), part.tasks, strict=True):
                    if task in outside:
                        found[trajectory.decode()].append(outside[task])
        dropped = np.concatenate([part.dropped for part in parts]) if parts else np.empty(0, dtype=np.bool_)
        for trajectory, finding in (await self._find_similar(RuleName.NEAR_DUPLICATE, parts, dropped)).items():
            found[trajectory].append(finding)
        return {trajectory: self._rule(trajectory, findings) for trajectory, findings in found.items()}

    async def copy_shards(self, jobs: Sequence[ShardJob]) -> list[DataFile]:
        """Written side by side; in the order of the jobs."""
        return [file async for file in self._work(copy_shard, jobs)]

    def _rule(self, trajectory: str, findings: Sequence[Finding]) -> Ruling:
        drops = tuple(f for f in findings if self.criteria.actions[f.rule] is Action.DROP)
        flags = tuple(f for f in findings if self.criteria.actions[f.rule] is Action.FLAG)
        return Ruling(trajectory_id=trajectory, findings=drops, flags=flags)

    async def _find_similar(
        self, rule: RuleName, parts: Sequence[Part], dropped: NDArray[np.bool_]
    ) -> dict[str, Finding]:
        """Id → near-duplicate of one that is kept sooner: one that no rule drops, and of these the smaller id."""
        if self.criteria.actions[rule] is Action.OFF or not len(dropped):
            return {}
        ids = np.concatenate([part.ids for part in parts])
        ranks = np.empty(len(ids), dtype=np.int64)
        ranks[np.lexsort((ids, dropped))] = np.arange(len(ids))
        least = getattr(self.criteria.rules, rule).similarity
        files = tuple(part.signatures for part in parts if part.signatures is not None)
        path = self.scratch / f"{rule}.ranks"
        ranks.tofile(path)
        bands = [range(start, start + BANDS_AT_ONCE) for start in range(0, BANDS, BANDS_AT_ONCE)]
        jobs = [BandJob(files, path, some, least) for some in bands]
        pairs = [pairs async for pairs in self._work(find_band_pairs, jobs)]
        similar = choose_originals(pairs, ranks)
        return {ids[one.text].decode(): _report_similar(rule, one, ids[one.original].decode()) for one in similar}

    async def _judge(
        self, kind: ShardKind, work: Callable[[Job], PartT], shared: Path, name_spool: SpoolNamer | None
    ) -> list[PartT]:
        paths = self.run.directory.list_shards(kind)
        total = sum(path.stat().st_size for path in paths)
        chunks = split_shards(paths, chunk_bytes=max(MIN_CHUNK_BYTES, -(-total // MAX_CHUNKS)))
        jobs = [
            Job(chunk, self.scratch / f"{kind.prefix}-{number:05d}", shared, name_spool(number) if name_spool else None)
            for number, chunk in enumerate(chunks)
        ]
        parts = [part async for part in self._work(work, jobs)]
        again = [replace(jobs[n], skip=ids) for n, ids in _find_repeated([part.ids for part in parts]).items()]
        for job in again:
            if job.spool is not None:
                job.spool.unlink()
        async for part in self._work(work, again):
            parts[chunks.index(part.chunk)] = part
        self._tell_damages(parts)
        for part in parts:
            self.tally.merge(part.tally)
        return parts

    async def _work(self, work: Callable[[JobT], ResultT], jobs: Sequence[JobT]) -> AsyncIterator[ResultT]:
        async for result in self.crew.map(work, jobs):
            if self.run.engine.draining:
                raise Stopped
            yield result

    def _tell_damages(self, parts: Sequence[Part]) -> None:
        lines_before: Counter[Path] = Counter()
        for part in parts:
            before = lines_before[part.chunk.path]
            for damage in part.damages:
                self.run.report_damage(damage._replace(line_number=before + damage.line_number))
            lines_before[part.chunk.path] += part.lines

    def _share(self, name: str, shared: Shared) -> Path:
        path = self.scratch / f"{name}.pickle"
        path.write_bytes(pickle.dumps(shared))
        return path


@contextmanager
def open_judging(
    run: OpenRun, crew: Crew, criteria: Criteria, stamp: RunStamp, *, explain: str = ""
) -> Iterator[Judging]:
    """A judging with its scratch folder, which goes at the end; those of killed processes go now."""
    folder = run.directory.path
    try:
        for leftover in folder.glob(f"{SCRATCH}*"):
            shutil.rmtree(leftover)
        scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=folder))
    except OSError as error:
        raise explain_os_error(error, folder) from error
    try:
        yield Judging(run, crew, criteria, stamp, scratch, Tally(criteria.describe()), explain)
    except OSError as error:
        raise explain_os_error(error, folder) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _tabulate(parts: Sequence[TaskPart]) -> TaskTable:
    paths = tuple(dict.fromkeys(part.chunk.path for part in parts))
    keys = np.array([hash_id(task.decode()) for part in parts for task in part.ids.tolist()], dtype=np.uint64)
    shards = np.array([paths.index(part.chunk.path) for part in parts for _ in part.ids], dtype=np.uint16)
    offsets = np.array([offset for part in parts for offset in part.offsets], dtype=np.int64)
    sizes = np.array([size_bytes for part in parts for size_bytes in part.sizes], dtype=np.int32)
    order = np.argsort(keys)
    return TaskTable(paths, keys[order], shards[order], offsets[order], sizes[order])


def _find_repeated(ids: Sequence[NDArray[np.bytes_]]) -> dict[int, frozenset[str]]:
    """Chunk → ids in it that an earlier chunk has, too."""
    if not ids:
        return {}
    values, first, counts = np.unique(np.concatenate(ids), return_index=True, return_counts=True)
    starts = np.cumsum([0, *map(len, ids)])
    repeated: dict[int, frozenset[str]] = {}
    for value, place in zip(values[counts > 1].tolist(), first[counts > 1].tolist(), strict=True):
        home = int(np.searchsorted(starts, place, side="right")) - 1
        for number in range(home + 1, len(ids)):
            if value in ids[number]:
                repeated[number] = repeated.get(number, frozenset()) | {value.decode()}
    return repeated


def _count_attempts(parts: Sequence[TrajectoryPart]) -> dict[str, Attempts]:
    total: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    for part in parts:
        for task, solved in zip(part.tasks, part.passed, strict=True):
            total[task] += 1
            passed[task] += solved
    return {task: Attempts(passed[task], number) for task, number in total.items()}


def _report_similar(rule: RuleName, similar: Similar, original: str) -> Finding:
    task = rule is RuleName.NEAR_DUPLICATE_TASK
    return Finding(
        rule=rule,
        reason=Reason.SIMILAR_TASK if task else Reason.SIMILAR_TRAJECTORY,
        where="task" if task else "corpus",
        match=original,
        evidence=f"estimated similarity {similar.similarity:.2f} with {original}",
    )
