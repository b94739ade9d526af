"""Wires filters and export: trajectories → corpus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from terminal_task_gen.config import dump_config
from terminal_task_gen.errors import UsageError
from terminal_task_gen.events import Notice, StageFinished
from terminal_task_gen.export.card import CardFacts
from terminal_task_gen.export.corpus import RunRecords, export_corpus
from terminal_task_gen.export.rows import RunStamp
from terminal_task_gen.filters.rules import Criteria, apply_rules, build_criteria
from terminal_task_gen.finding import Judged
from terminal_task_gen.identity import check_stages, read_identity
from terminal_task_gen.pipeline.contents import load_manifests
from terminal_task_gen.pipeline.opening import OpenRun
from terminal_task_gen.store import FAILED, REJECTED, TASKS, TRAJECTORIES
from terminal_task_gen.task import Rejection, Task
from terminal_task_gen.trajectory import Trajectory


async def filter_corpus(run: OpenRun) -> StageFinished:
    """Trajectories → corpus, written whole."""
    config, directory = run.config, run.directory
    started = time.monotonic()
    identity = read_identity(directory)
    if identity is None:
        raise UsageError(f"{directory.path} holds no run yet; make one with: ttg generate --name {config.name}")
    driver = config.sandbox.model_copy(update={"driver": identity.driver})
    config = config.model_copy(update={"sandbox": driver})
    check_stages(directory, identity, config)
    criteria = build_criteria(config.filter)
    tasks = {task.id: task for task in run.read_tasks()}
    records = RunRecords(
        tasks=tasks.values(),
        rejections=[
            *directory.read_final_rejections(REJECTED, TASKS, Rejection, run.report_damage),
            *run.read_duplicates(),
        ],
        failures=directory.read_final_rejections(FAILED, TRAJECTORIES, Rejection, run.report_damage),
        judged=_judge(run, tasks, criteria),
    )
    digests = {
        field.removeprefix("contents of "): str(value)
        for field, value in identity.fields.get("generate", {}).items()
        if field.startswith("contents of ")
    }
    for manifest in load_manifests(directory):
        digests[f"packages of image {manifest.image}"] = f"{manifest.id} ({len(manifest.format_lines())})"
    report = await asyncio.to_thread(
        export_corpus,
        directory.corpus_dir,
        records,
        stamp=RunStamp(run_id=identity.run_id, date=identity.created),
        filters=criteria.describe(),
        card=CardFacts(name=config.name, licence=config.filter.licence, contents=digests),
        max_shard_bytes=config.shard_mb * 1_000_000,
    )
    directory.write_file(directory.config_path, dump_config(config))
    sieved = report.filtered
    summary = StageFinished("filter", sieved.kept, sieved.dropped, 0, time.monotonic() - started)
    run.listener(summary)
    return summary


def _judge(run: OpenRun, tasks: dict[str, Task], criteria: Criteria) -> Iterator[Judged]:
    seen: set[str] = set()
    for trajectory in run.directory.read_records(TRAJECTORIES, Trajectory, run.report_damage):
        task = tasks.get(trajectory.task_id)
        if task is None:
            run.listener(Notice(f"{trajectory.id} left out: its task {trajectory.task_id} is not among the tasks"))
        elif trajectory.id not in seen:
            seen.add(trajectory.id)
            yield Judged(task, trajectory, apply_rules(task, trajectory, criteria))
