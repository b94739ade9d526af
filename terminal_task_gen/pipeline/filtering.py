"""Wires filters and export: trajectories → corpus, in as many processes as there are cores.

    tasks         in chunks: contamination, signatures      → near-duplicate tasks
    trajectories  in chunks: all rules, rows, signatures    → solve rates, near-duplicates, amended rows
    corpus        all spools together

What a chunk gives (filter_jobs.py) is put together in the order of the chunks, and what depends on the whole corpus is
decided by ids, so the bytes of the corpus depend neither on the number of processes nor on who was first.
"""

from __future__ import annotations

import asyncio
import os
import time

import numpy as np

from terminal_task_gen.config import dump_config
from terminal_task_gen.engine import Cluster, Crew
from terminal_task_gen.engine.processes import ProcessCrew
from terminal_task_gen.errors import UsageError
from terminal_task_gen.events import Notice, StageFinished
from terminal_task_gen.export.amend import amend_rows
from terminal_task_gen.export.card import CardFacts
from terminal_task_gen.export.corpus import CorpusDraft, open_corpus
from terminal_task_gen.export.report import Report
from terminal_task_gen.export.rows import RunStamp
from terminal_task_gen.export.spool import SpoolIndex
from terminal_task_gen.filters.criteria import build_criteria
from terminal_task_gen.finding import FilterFacts, Ruling
from terminal_task_gen.identity import Identity, check_stages, read_identity
from terminal_task_gen.pipeline.contents import load_manifests
from terminal_task_gen.pipeline.filter_jobs import TrajectoryPart
from terminal_task_gen.pipeline.judging import Judging, Stopped, open_judging
from terminal_task_gen.pipeline.opening import OpenRun
from terminal_task_gen.store import FAILED, REJECTED, TASKS, TRAJECTORIES
from terminal_task_gen.task import Rejection

SMALL_RUN_BYTES = 20_000_000
"""Below this, starting processes takes longer than the work."""


async def filter_corpus(run: OpenRun) -> StageFinished:
    """Trajectories → corpus, written whole."""
    started = time.monotonic()
    identity = _settle(run)
    criteria = build_criteria(run.config.filter)
    directory = run.directory
    stamp = RunStamp(run_id=identity.run_id, date=identity.created)
    with _make_crew(run) as crew, open_judging(run, crew, criteria, stamp) as judging:
        try:
            with open_corpus(directory.corpus_dir) as draft:
                report = await _write_corpus(run, judging, draft, identity)
        except Stopped:
            summary = StageFinished("filter", 0, 0, 0, time.monotonic() - started, interrupted=True)
            run.listener(Notice("filter: stopped; the corpus of before is as it was"))
            return summary
    directory.write_file(directory.config_path, dump_config(run.config))
    sieved = report.filtered
    summary = StageFinished("filter", sieved.kept, sieved.dropped, 0, time.monotonic() - started)
    run.listener(summary)
    return summary


async def explain_trajectory(run: OpenRun, trajectory_id: str) -> tuple[FilterFacts, Ruling]:
    """What every rule says of one trajectory, those included that need the whole corpus. Writes nothing.

    Raises UsageError when there is no such trajectory.
    """
    identity = _settle(run)
    criteria = build_criteria(run.config.filter)
    stamp = RunStamp(run_id=identity.run_id, date=identity.created)
    with (
        _make_crew(run) as crew,
        open_judging(run, crew, criteria, stamp, explain=trajectory_id) as judging,
    ):
        parts = await judging.judge_trajectories(await judging.judge_tasks(), None)
        ruling = next((part.explained for part in parts if part.explained is not None), None)
        if ruling is None:
            where = f"{run.directory.path}/trajectories"
            raise UsageError(f"no usable trajectory {trajectory_id!r} in {where}; a line there begins with its id")
        more = (await judging.judge_corpus(parts)).get(trajectory_id, Ruling(trajectory_id=trajectory_id))
    findings, flags = (*ruling.findings, *more.findings), (*ruling.flags, *more.flags)
    return criteria.describe(), ruling.model_copy(update={"findings": findings, "flags": flags})


def _settle(run: OpenRun) -> Identity:
    """The run's identity, checked, and its driver in the configuration."""
    config, directory = run.config, run.directory
    identity = read_identity(directory)
    if identity is None:
        raise UsageError(f"{directory.path} holds no run yet; make one with: ttg generate --name {config.name}")
    driver = config.sandbox.model_copy(update={"driver": identity.driver})
    run.config = config.model_copy(update={"sandbox": driver})
    check_stages(directory, identity, run.config)
    return identity


async def _write_corpus(run: OpenRun, judging: Judging, draft: CorpusDraft, identity: Identity) -> Report:
    directory = run.directory
    tasks = await judging.judge_tasks()
    parts = await judging.judge_trajectories(tasks, draft.get_spool_path)
    tally = judging.tally
    tally.add_rejections(
        [
            *directory.read_final_rejections(REJECTED, TASKS, Rejection, run.report_damage),
            *run.read_duplicates(),
        ]
    )
    tally.add_failures(_read_final_failures(run, parts))
    digests = {
        field.removeprefix("contents of "): str(value)
        for field, value in identity.fields.get("generate", {}).items()
        if field.startswith("contents of ")
    }
    for manifest in load_manifests(directory):
        digests[f"packages of image {manifest.image}"] = f"{manifest.id} ({len(manifest.format_lines())})"
    card = CardFacts(name=run.config.name, licence=run.config.filter.licence, contents=digests)

    more = await judging.judge_corpus(parts)

    def amend() -> list[SpoolIndex]:
        indexes = [part.index for part in parts if part.index is not None]
        with draft.open_spool(len(parts)) as spool:
            amend_rows(indexes, more, spool, tally)
        return [*indexes, spool.index]

    indexes = await asyncio.to_thread(amend)
    jobs = draft.plan_shards(indexes, max_shard_bytes=run.config.shard_mb * 1_000_000)
    files = await judging.copy_shards(jobs)
    report = tally.build()
    draft.finish(indexes, files, report, stamp=judging.stamp, card=card)
    return report


def _read_final_failures(run: OpenRun, parts: list[TrajectoryPart]) -> list[Rejection]:
    """The last failure of every attempt that did not succeed after all, by the ids that were read already."""
    final = {failure.id: failure for failure in run.directory.read_records(FAILED, Rejection, run.report_damage)}
    names = np.array([name.encode() for name in final], dtype=np.bytes_)
    for part in parts if final else ():
        for name in names[np.isin(names, part.ids)].tolist():
            final.pop(name.decode(), None)
    return [final[name] for name in sorted(final)]


def _make_crew(run: OpenRun) -> Crew:
    if isinstance(run.engine, Cluster):
        return run.engine.make_crew()
    return ProcessCrew(_count_workers(run))


def _count_workers(run: OpenRun) -> int:
    size_bytes = sum(path.stat().st_size for kind in (TASKS, TRAJECTORIES) for path in run.directory.list_shards(kind))
    if run.config.filter.workers:
        return run.config.filter.workers
    return 1 if size_bytes < SMALL_RUN_BYTES else len(os.sched_getaffinity(0))
