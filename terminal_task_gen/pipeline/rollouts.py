"""Wires rollouts: tasks → trajectories."""

from __future__ import annotations

from operator import attrgetter

from terminal_task_gen.events import Notice, StageFinished
from terminal_task_gen.identity import enter_stage
from terminal_task_gen.pipeline.contents import record_manifests
from terminal_task_gen.pipeline.opening import OpenRun, open_sandboxes, open_teacher, pin_driver
from terminal_task_gen.rollout.attempt import enumerate_attempts
from terminal_task_gen.rollout.prompts import PROMPT_VERSION as ACTOR_PROMPT_VERSION
from terminal_task_gen.rollout.rollout import Roller
from terminal_task_gen.stage import Stage, run_stage
from terminal_task_gen.store import FAILED, TRAJECTORIES


async def rollout(run: OpenRun) -> StageFinished:
    """Tasks → trajectories and failures."""
    config = run.config
    tasks = list(run.read_tasks())
    if not tasks:
        run.listener(Notice("rollout: no tasks yet; make some with: ttg generate"))
    images = sorted({task.image for task in tasks})
    prompts = {"actor prompts": ACTOR_PROMPT_VERSION}
    role = "author" if config.teacher.actor is None else "actor"
    endpoint = config.teacher.get_actor()
    async with (
        open_teacher(run, endpoint, field=f"teacher.{role}") as teacher,
        open_sandboxes(run, images) as factory,
    ):
        digests = {name: await factory.get_image_digest(name) for name in images}
        config = pin_driver(config, factory)
        run.look_for_damage("rollout")
        identity = enter_stage(run.directory, config, "rollout", contents=prompts, image_digests=digests)
        await record_manifests(run.directory, factory, digests, run_id=identity.run_id)
        roller = Roller(
            teacher=teacher,
            factory=factory,
            rollout=config.rollout,
            sandbox=config.sandbox,
            run_id=identity.run_id,
            recordings_dir=run.directory.recordings_dir,
        )
        attempts = enumerate_attempts(tasks, teacher.model, config.rollout.attempts)
        stage = Stage("rollout", attempts, attrgetter("id"), roller.run, TRAJECTORIES, FAILED, config.rollout.parallel)
        return await run_stage(stage, run.directory, run.engine, run.listener, shard_bytes=config.shard_mb * 1_000_000)
