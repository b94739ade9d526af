"""Stages on a cluster: what a node's worker is sent to do, and which engine decides where a stage runs.

A stage is imported when it runs: a rollout does not pay for generation and its screens.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from terminal_task_gen.config import Config
from terminal_task_gen.engine import Cluster, Engine
from terminal_task_gen.errors import UsageError
from terminal_task_gen.events import Listener, StageFinished
from terminal_task_gen.identity import STAGE_SHARDS, read_identity
from terminal_task_gen.pipeline.opening import CLUSTER, OpenRun
from terminal_task_gen.run_lock import Writer
from terminal_task_gen.store import Damage, RunDirectory

ZOMBIE_SEC = 120.0
"""How long a lost worker is given to let go of the run; file servers forget a dead machine's locks within that."""


@dataclass(frozen=True)
class StageErrand:
    """One stage of one run, done as one of several writers. See the port, `Errand`."""

    stage: str
    config: Config
    only: tuple[str, ...] = ()

    async def __call__(self, worker: str, engine: Engine, listener: Listener) -> dict[str, Damage]:
        directory = RunDirectory(self.config.run_dir, Writer(CLUSTER, worker))
        await asyncio.to_thread(directory.lock, patience_sec=ZOMBIE_SEC)
        try:
            run = OpenRun(self.config, directory, engine, listener, {}, brings_images=True)
            await _run_here(self.stage, run, self.only)
            return run.damages
        finally:
            directory.unlock()


async def generate(run: OpenRun) -> StageFinished:
    """Requests → tasks and rejections, here or on the cluster."""
    return await _run("generate", run, ())


async def rollout(run: OpenRun, *, only: Sequence[str] = ()) -> StageFinished:
    """Tasks → trajectories and failures, here or on the cluster; of the tasks named by `only`, by default of all."""
    return await _run("rollout", run, tuple(only))


async def _run_here(stage: str, run: OpenRun, only: tuple[str, ...]) -> StageFinished:
    if stage == "generate":
        from terminal_task_gen.pipeline import generation

        return await generation.generate(run)
    from terminal_task_gen.pipeline import rollouts

    return await rollouts.rollout(run, only=only)


async def _run(stage: str, run: OpenRun, only: tuple[str, ...]) -> StageFinished:
    engine = run.engine
    if not isinstance(engine, Cluster):
        return await _run_here(stage, run, only)
    errand = StageErrand(stage, _name_driver(run), only)
    summary, results = await engine.spread(errand, run.listener, _settle_with(run, stage))
    for damages in results:
        run.damages.update(damages)
    run.directory.seal_leftovers()
    if stage == "generate":
        from terminal_task_gen.pipeline.yields import write_yield

        # Anew, since the workers' events arrive here, the last of them after the last worker has counted.
        await asyncio.to_thread(write_yield, run)
    return summary


def _name_driver(run: OpenRun) -> Config:
    """`auto` might mean another sandbox on each node."""
    sandbox, identity = run.config.sandbox, read_identity(run.directory)
    if sandbox.driver != "auto":
        return run.config
    if identity is None:
        raise UsageError("on a cluster every node must use the same sandbox: --sandbox docker, or bubblewrap")
    driver = "docker" if identity.driver == "docker" else "bubblewrap"
    return run.config.model_copy(update={"sandbox": sandbox.model_copy(update={"driver": driver})})


def _settle_with(run: OpenRun, stage: str) -> Callable[[str], Awaitable[set[str]]]:
    accepted, rejected = STAGE_SHARDS[stage]

    def wait_and_read(worker: str) -> set[str]:
        deadline = time.monotonic() + ZOMBIE_SEC
        while run.directory.is_writing(worker) and time.monotonic() < deadline:
            time.sleep(0.1)
        return run.directory.read_done_ids(accepted, rejected)

    async def settle(worker: str) -> set[str]:
        return await asyncio.to_thread(wait_and_read, worker)

    return settle
