"""The registries of concrete drivers, and what every stage opens: run, teacher, sandboxes.

Nothing is imported until it is chosen.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from terminal_task_gen.config import Config, EndpointConfig
from terminal_task_gen.engine import Cluster, Engine
from terminal_task_gen.errors import PrerequisiteError, UsageError
from terminal_task_gen.events import Listener, Notice
from terminal_task_gen.identity import STAGE_SHARDS, read_identity
from terminal_task_gen.partition import WHOLE, Partition
from terminal_task_gen.pipeline.image_supply import bring_images
from terminal_task_gen.pipeline.spending import list_limits
from terminal_task_gen.pipeline.syncing import Syncer, hold_directory
from terminal_task_gen.progress import EventLog, tell_all
from terminal_task_gen.records import Record, Usage
from terminal_task_gen.run_lock import Writer
from terminal_task_gen.sandbox import SandboxFactory
from terminal_task_gen.sandbox.pool import SandboxPool
from terminal_task_gen.store import DUPLICATES, TASKS, Damage, RunDirectory
from terminal_task_gen.task import Rejection, Task
from terminal_task_gen.teacher import Teacher
from terminal_task_gen.teacher.budget import Budget
from terminal_task_gen.teacher.replay import ReplayingTeacher
from terminal_task_gen.teacher.reply_store import ReplyStore
from terminal_task_gen.trajectory import Trajectory

TEACHERS = {"openai": "terminal_task_gen.teacher.client:OpenAITeacher"}
SANDBOXES = {
    "docker": "terminal_task_gen.sandbox.docker:DockerFactory",
    "bubblewrap": "terminal_task_gen.sandbox.bubblewrap:BubblewrapFactory",
}
ENGINES = {
    "local": "terminal_task_gen.engine.local:LocalEngine",
    "ray": "terminal_task_gen.engine.ray:RayEngine",
}
CLUSTER = "ray"
"""Family of those who write when a cluster's nodes do the work."""

STAGE_RECORDS: dict[str, tuple[type[Record], type[Record]]] = {
    "generate": (Task, Rejection),
    "rollout": (Trajectory, Rejection),
}


def load_class(registry: dict[str, str], name: str) -> Any:
    """The class behind a registry's name, imported now. Raises UsageError listing the known names."""
    if name not in registry:
        raise UsageError(f"unknown {name!r}; known: {', '.join(registry)}")
    module, _, attribute = registry[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def make_engine(name: str = "local", address: str | None = None) -> Engine:
    """Raises UsageError for an unknown name, or where no cluster answers at the address."""
    if name == "local" and address is not None:
        raise UsageError("--address is a cluster's and needs --engine ray")
    options = {} if name == "local" else {"address": address}
    engine: Engine = load_class(ENGINES, name)(**options)
    return engine


def make_factory(config: Config, driver: str) -> SandboxFactory:
    """A driver by name, unchecked."""
    sandbox = config.sandbox
    options = {"image_prefix": sandbox.image_prefix, "image_tag": sandbox.image_tag} if driver == "docker" else {}
    factory: SandboxFactory = load_class(SANDBOXES, driver)(**options)
    return factory


@dataclass
class OpenRun:
    """A run directory held for writing, with what every stage needs."""

    config: Config
    directory: RunDirectory
    engine: Engine
    listener: Listener
    damages: dict[str, Damage]
    """Lines that could not be used, by place; each was told once."""
    partition: Partition = WHOLE
    """The part of the items that is this process's."""
    brings_images: bool = False
    """Images that the engine lacks are pulled or built before they are needed."""
    syncer: Syncer | None = None
    """Of a run at a URL."""

    def report_damage(self, damage: Damage) -> None:
        if str(damage) not in self.damages:
            self.damages[str(damage)] = damage
            self.listener(Notice(f"damaged line passed over: {damage} (ttg doctor {self.directory.path} --repair)"))

    def look_for_damage(self, stage: str) -> None:
        """Tell of lines that count as done but cannot be used, before the stage takes them for done."""
        for kind, model in zip(STAGE_SHARDS[stage], STAGE_RECORDS[stage], strict=True):
            for damage in self.directory.find_damage(kind, model):
                self.report_damage(damage)

    def read_duplicates(self) -> Iterator[Rejection]:
        return self.directory.read_records(DUPLICATES, Rejection, self.report_damage)

    def read_tasks(self) -> Iterator[Task]:
        """Each once, without those that were found to repeat an earlier one."""
        passed_over = {rejection.task_id for rejection in self.read_duplicates()}
        for task in self.directory.read_records(TASKS, Task, self.report_damage):
            if task.id not in passed_over:
                passed_over.add(task.id)
                yield task


@asynccontextmanager
async def open_run(
    config: Config, listener: Listener, engine: Engine, *, partition: Partition = WHOLE
) -> AsyncIterator[OpenRun]:
    """Hold the run's directory, wherever it lies, for one partition beside the others; let go at the end."""
    if config.run_url and isinstance(engine, Cluster):
        raise UsageError(
            f"the nodes of a cluster need a folder that all share, and {config.run_url} is none; "
            "run ttg on each node with --partition i/n instead"
        )
    async with hold_directory(config, _name_writer(partition, engine), listener, engine) as (directory, syncer):
        log = EventLog(directory.events_path)
        try:
            yield OpenRun(config, directory, engine, tell_all(log, listener), {}, partition, syncer=syncer)
        finally:
            log.close()


def _name_writer(partition: Partition, engine: Engine) -> Writer:
    if isinstance(engine, Cluster):
        if not partition.is_whole:
            raise UsageError("--partition is for processes without a cluster; --engine ray deals the items itself")
        return Writer(family=CLUSTER, name="driver")
    if partition.is_whole:
        return Writer()
    return Writer(family=f"of{partition.count}", name=f"p{partition.index}of{partition.count}")


@asynccontextmanager
async def open_teacher(run: OpenRun, endpoint: EndpointConfig, *, field: str, stage: str) -> AsyncIterator[Teacher]:
    """A client of the endpoint, closed at the end. Raises UsageError when it is not configured or its key missing, and
    at the end when the budget was spent: by then the stage has finished what was under way.

    `field` is the endpoint's place in the configuration, for messages.
    """
    ends: list[str] = []

    def stop(end: str) -> None:
        ends.append(end)
        run.listener(Notice(f"{end}; what is under way finishes"))
        run.engine.drain()

    budget = Budget(
        list_limits(run.config, run.directory, endpoint, field=field, stage=stage, partition=run.partition),
        role=field,
        ledger=run.engine.ledger,
        on_spent=stop,
    )
    client: Teacher = load_class(TEACHERS, "openai")(endpoint, listener=run.listener, field=field, budget=budget)
    teacher = _put_replay_around(client, run, endpoint)
    try:
        yield teacher
    finally:
        await teacher.close()
        if isinstance(teacher, ReplayingTeacher):
            _tell_replayed(run, teacher.replayed)
    if ends:
        raise UsageError(f"{ends[0]}; what was finished is kept; raise it (--set) and run the same again to go on")


def _put_replay_around(client: Teacher, run: OpenRun, endpoint: EndpointConfig) -> Teacher:
    if not run.config.teacher.cache:
        return client
    store = ReplyStore(run.config.reply_cache_dir, on_trouble=lambda text: run.listener(Notice(text)))
    return ReplayingTeacher(client, endpoint, store, run_seed=run.config.seed)


def _tell_replayed(run: OpenRun, replayed: Usage) -> None:
    if replayed.calls:
        tokens = replayed.prompt_tokens + replayed.completion_tokens
        saved = f"{tokens:,} tokens" + (f", ${replayed.cost_usd:.2f}" if replayed.cost_usd else "")
        where = f"{run.config.reply_cache_dir} (--no-cache asks anew)"
        run.listener(Notice(f"{replayed.calls:,} replies were known already: {saved} not spent again; {where}"))


async def resolve_driver(config: Config, run: RunDirectory, images: list[str], listener: Listener) -> SandboxFactory:
    """The driver to use, checked: as configured; `auto` goes on with the run's own, else Docker if an engine answers.

    An engine without the images is for the user to mend: falling back would quietly make tasks for another machine.
    """
    identity = read_identity(run)
    wanted = config.sandbox.driver
    if wanted == "auto" and identity is not None:
        wanted = "docker" if identity.driver == "docker" else "bubblewrap"
    factory = make_factory(config, "docker" if wanted == "auto" else wanted)
    try:
        if wanted == "auto":
            try:
                await factory.check([])
            except PrerequisiteError as error:
                await factory.close()
                listener(Notice(f"sandbox: bubblewrap, because {error}"))
                factory = make_factory(config, "bubblewrap")
        if config.sandbox.allowed_hosts and factory.name != "docker":
            raise UsageError("sandbox.allowed_hosts needs a Docker engine: --sandbox docker, or leave it out")
        await factory.check(images)
    except UsageError:
        await factory.close()
        raise
    return factory


@asynccontextmanager
async def open_sandboxes(run: OpenRun, images: list[str]) -> AsyncIterator[SandboxFactory]:
    """A checked driver with the orphans of dead runs swept; everything it started is gone at the end."""
    if run.brings_images:
        await bring_images(run.config, images, run.listener)
    factory = await resolve_driver(run.config, run.directory, images, run.listener)
    try:
        swept = await factory.sweep()
        if swept:
            run.listener(Notice(f"removed {swept} sandboxes left by a ttg that was killed"))
        if run.config.sandbox.warm:
            factory = SandboxPool(factory, size=run.config.sandbox.warm)
        yield factory
    finally:
        await factory.close()


def pin_driver(config: Config, factory: SandboxFactory) -> Config:
    """The configuration with its driver resolved, as it is saved and fingerprinted."""
    return config.model_copy(update={"sandbox": config.sandbox.model_copy(update={"driver": factory.name})})
