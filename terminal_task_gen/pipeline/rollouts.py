"""Wires rollouts: tasks → trajectories."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from operator import attrgetter

from terminal_task_gen.config import MAX_AUTO, Config
from terminal_task_gen.errors import UsageError
from terminal_task_gen.events import Notice, StageFinished
from terminal_task_gen.identity import enter_stage
from terminal_task_gen.pipeline.contents import record_manifests
from terminal_task_gen.pipeline.opening import OpenRun, open_sandboxes, open_teacher, pin_driver
from terminal_task_gen.rollout.attempt import Attempt, enumerate_attempts, list_due
from terminal_task_gen.rollout.prompts import load_template
from terminal_task_gen.rollout.rollout import Roller
from terminal_task_gen.rollout.solving import measure_solving
from terminal_task_gen.sandbox.pool import SandboxPool
from terminal_task_gen.stage import Stage, run_stage
from terminal_task_gen.store import FAILED, TRAJECTORIES
from terminal_task_gen.task import Task
from terminal_task_gen.teacher.replay import follow_items
from terminal_task_gen.trajectory import Outcome


async def rollout(run: OpenRun, *, only: Sequence[str] = ()) -> StageFinished:
    """Tasks → trajectories and failures; of the tasks named by `only` (ids or their beginnings), by default of all."""
    config = run.config
    # By task, not by attempt: whether a task has had enough is then known where its next attempt is due.
    # With names, all are looked at first: a name that is another partition's is no mistake.
    read = [task for task in run.read_tasks() if only or run.partition.takes(task.id)]
    tasks = [task for task in select_tasks(read, only) if run.partition.takes(task.id)]
    if not tasks:
        run.listener(Notice("rollout: no tasks yet; make some with: ttg generate"))
    images = sorted({task.image for task in tasks})
    template = load_template(config.rollout.prompt_template, config.rollout.dialect)
    async with AsyncExitStack() as stack:
        teachers = [
            await stack.enter_async_context(open_teacher(run, endpoint, field=field, stage="rollout"))
            for field, endpoint in config.teacher.list_actors().items()
        ]
        factory = await stack.enter_async_context(open_sandboxes(run, images))
        if factory.name != "docker" and any(task.foreign for task in tasks):
            raise UsageError("imported tasks bring images of their own and need a Docker engine: --sandbox docker")
        digests = {name: await factory.get_image_digest(name) for name in images}
        config = pin_driver(config, factory)
        run.look_for_damage("rollout")
        contents = {"actor prompts": template.version}
        identity = enter_stage(run.directory, config, "rollout", contents=contents, image_digests=digests)
        # Imported tasks' images are whatever they are; only what we build is sure to be a machine that can be asked.
        ours = {task.image: digests[task.image] for task in tasks if not task.foreign}
        await record_manifests(run.directory, factory, ours, run_id=identity.run_id)
        if isinstance(factory, SandboxPool):
            factory.expect(_count_owed(run, config, len(tasks) * len(teachers)))
        summaries: list[StageFinished] = []
        for teacher in teachers:
            roller = Roller(
                teacher=teacher,
                factory=factory,
                rollout=config.rollout,
                sandbox=config.sandbox,
                run_id=identity.run_id,
                recordings_dir=run.directory.recordings_dir,
                template=template,
                listener=run.listener,
            )
            if len(teachers) > 1:
                run.listener(Notice(f"rollout: {teacher.model}"))
            summaries.append(await _roll_out(run, config, roller, tasks, teacher.model))
            if run.engine.draining:
                break
        with run.directory.say_last_word() as is_last:
            if is_last:
                write_solving(run, [teacher.model for teacher in teachers])
        return _add_up(summaries, run)


def write_solving(run: OpenRun, models: Sequence[str]) -> None:
    """How often each task was solved, anew, beside the trajectories."""
    outcomes = list(
        {one.id: one for one in run.directory.read_records(TRAJECTORIES, Outcome, run.report_damage)}.values()
    )
    found = [measure_solving(outcomes, model=model, until=run.config.rollout.until) for model in models]
    if run.config.rollout.attempts > 1:
        for solving in found:
            shares = ", ".join(f"pass@{k} {share:.2f}" for k, share in solving.pass_at_k.items())
            run.listener(Notice(f"rollout: {solving.model}: {shares or 'nothing judged'}"))
    text = "".join(one.model_dump_json() + "\n" for one in found)
    run.directory.write_file(run.directory.path / "trajectories" / "solve-rates.jsonl", text)


def select_tasks(tasks: Sequence[Task], only: Sequence[str]) -> list[Task]:
    """Raises UsageError for a name that means no task, or several."""
    if not only:
        return list(tasks)
    chosen: dict[str, Task] = {}
    for name in only:
        found = [task for task in tasks if task.id == name] or [task for task in tasks if task.id.startswith(name)]
        if len(found) != 1:
            known = ", ".join(task.id for task in (found or tasks)[:5])
            what = "means several tasks" if found else "is no task of this run"
            raise UsageError(f"--task {name} {what}; ids are such as {known}")
        chosen[found[0].id] = found[0]
    return list(chosen.values())


async def _roll_out(run: OpenRun, config: Config, roller: Roller, tasks: Sequence[Task], model: str) -> StageFinished:
    """All attempts at once; or, where a task may have had enough earlier, one round of attempts after the other."""
    limit = config.rollout.attempts
    if config.rollout.until == "attempts":
        return await _run_attempts(run, config, roller, partial(enumerate_attempts, tasks, model, limit))
    rounds: list[StageFinished] = []
    for number in range(limit):
        due = list_due(tasks, model, number, outcomes=_read_outcomes(run), until=config.rollout.until)
        if number and due:
            run.listener(Notice(f"rollout: attempt {number + 1} of {limit} at {len(due)} tasks"))
        if due or not rounds:
            rounds.append(await _run_attempts(run, config, roller, partial(iter, due)))
        if run.engine.draining:
            break
    return _add_up(rounds, run)


def _add_up(parts: Sequence[StageFinished], run: OpenRun) -> StageFinished:
    return StageFinished(
        "rollout",
        accepted=sum(one.accepted for one in parts),
        rejected=sum(one.rejected for one in parts),
        owed=sum(one.owed for one in parts),
        seconds=sum(one.seconds for one in parts),
        interrupted=run.engine.draining,
    )


async def _run_attempts(
    run: OpenRun, config: Config, roller: Roller, list_attempts: Callable[[], Iterable[Attempt]]
) -> StageFinished:
    parallel = MAX_AUTO if config.rollout.parallel == "auto" else config.rollout.parallel
    get_id = attrgetter("id")
    work = follow_items(roller.run, get_id, run.listener)
    stage = Stage("rollout", list_attempts, get_id, work, TRAJECTORIES, FAILED, parallel)
    return await run_stage(stage, run.directory, run.engine, run.listener, shard_bytes=config.shard_mb * 1_000_000)


def _count_owed(run: OpenRun, config: Config, pairs: int) -> int | None:
    """Attempts that are still to be made, of so many pairs of task and actor; None where their outcomes decide."""
    if config.rollout.until != "attempts":
        return None
    return max(0, pairs * config.rollout.attempts - len(run.directory.read_done_ids(TRAJECTORIES, FAILED)))


def _read_outcomes(run: OpenRun) -> dict[str, bool | None]:
    """Id of every attempt that came to an end → whether it passed; None for one that failed for good."""
    outcomes: dict[str, bool | None] = dict.fromkeys(run.directory.read_done_ids(TRAJECTORIES, FAILED))
    for outcome in run.directory.read_records(TRAJECTORIES, Outcome, run.report_damage):
        outcomes[outcome.id] = outcome.verdict.passed
    return outcomes
