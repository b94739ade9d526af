"""The composition root: the registries of concrete drivers, and the wiring of each stage from a configuration.

The only file besides the drivers that names them; nothing is imported until it is chosen.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any

from terminal_task_gen.config import Config, EndpointConfig, dump_config
from terminal_task_gen.engine import Engine
from terminal_task_gen.errors import PrerequisiteError, UsageError
from terminal_task_gen.events import Listener, Notice, StageFinished
from terminal_task_gen.export.card import CardFacts
from terminal_task_gen.export.corpus import RunRecords, export_corpus
from terminal_task_gen.export.rows import RunStamp
from terminal_task_gen.filters.rules import Criteria, apply_rules, build_criteria
from terminal_task_gen.finding import Judged
from terminal_task_gen.generate.author import Author
from terminal_task_gen.generate.prompts import PROMPT_VERSION
from terminal_task_gen.generate.requests import enumerate_requests
from terminal_task_gen.identity import STAGE_SHARDS, check_stages, enter_stage, read_identity
from terminal_task_gen.images import get_dockerfile_text, list_images
from terminal_task_gen.progress import EventLog, tell_all
from terminal_task_gen.records import Record, content_digest
from terminal_task_gen.resources import data_dir
from terminal_task_gen.rollout.attempt import enumerate_attempts
from terminal_task_gen.rollout.prompts import PROMPT_VERSION as ACTOR_PROMPT_VERSION
from terminal_task_gen.rollout.rollout import Roller
from terminal_task_gen.sandbox import SandboxFactory
from terminal_task_gen.seeds import Seed, load_seeds
from terminal_task_gen.stage import Stage, run_stage
from terminal_task_gen.store import FAILED, REJECTED, TASKS, TRAJECTORIES, Damage, RunDirectory
from terminal_task_gen.task import Rejection, Task
from terminal_task_gen.taxonomy import Domain, load_domains, select_domains
from terminal_task_gen.teacher import Teacher
from terminal_task_gen.trajectory import Trajectory

TEACHERS = {"openai": "terminal_task_gen.teacher.client:OpenAITeacher"}
SANDBOXES = {
    "docker": "terminal_task_gen.sandbox.docker:DockerFactory",
    "bubblewrap": "terminal_task_gen.sandbox.bubblewrap:BubblewrapFactory",
}
ENGINES = {"local": "terminal_task_gen.engine.local:LocalEngine"}

STAGE_RECORDS: dict[str, tuple[type[Record], type[Record]]] = {
    "generate": (Task, Rejection),
    "rollout": (Trajectory, Rejection),
}

REPERTOIRE = Path(__file__).resolve().parent / "teacher" / "repertoire"
"""The scripts that ship: folder → task with its author's and actor's replies."""
DEMO_FAULTS = "rate_limit=0.04,server_error=0.03,disconnect=0.02,malformed=0.02,empty=0.02"


def load_class(registry: dict[str, str], name: str) -> Any:
    """The class behind a registry's name, imported now. Raises UsageError listing the known names."""
    if name not in registry:
        raise UsageError(f"unknown {name!r}; known: {', '.join(registry)}")
    module, _, attribute = registry[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def make_engine(name: str = "local") -> Engine:
    engine: Engine = load_class(ENGINES, name)()
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

    def report_damage(self, damage: Damage) -> None:
        if str(damage) not in self.damages:
            self.damages[str(damage)] = damage
            self.listener(Notice(f"damaged line passed over: {damage} (ttg doctor {self.directory.path} --repair)"))

    def look_for_damage(self, stage: str) -> None:
        """Tell of lines that count as done but cannot be used, before the stage takes them for done."""
        for kind, model in zip(STAGE_SHARDS[stage], STAGE_RECORDS[stage], strict=True):
            for damage in self.directory.find_damage(kind, model):
                self.report_damage(damage)

    def read_tasks(self) -> Iterator[Task]:
        return self.directory.read_records(TASKS, Task, self.report_damage)


@asynccontextmanager
async def open_run(config: Config, listener: Listener, engine: Engine) -> AsyncIterator[OpenRun]:
    """Hold the run's directory; let go at the end, whatever happened."""
    directory = RunDirectory(config.run_dir)
    directory.lock()
    log = EventLog(directory.events_path)
    try:
        yield OpenRun(config, directory, engine, tell_all(log, listener), {})
    finally:
        log.close()
        directory.unlock()


@asynccontextmanager
async def open_teacher(run: OpenRun, endpoint: EndpointConfig, *, field: str) -> AsyncIterator[Teacher]:
    """A client of the endpoint, closed at the end. Raises UsageError when it is not configured or its key missing.

    `field` is the endpoint's place in the configuration, for messages.
    """
    teacher: Teacher = load_class(TEACHERS, "openai")(endpoint, listener=run.listener, field=field)
    try:
        yield teacher
    finally:
        await teacher.close()


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
        await factory.check(images)
    except UsageError:
        await factory.close()
        raise
    return factory


@asynccontextmanager
async def open_sandboxes(run: OpenRun, images: list[str]) -> AsyncIterator[SandboxFactory]:
    """A checked driver with the orphans of dead runs swept; everything it started is gone at the end."""
    factory = await resolve_driver(run.config, run.directory, images, run.listener)
    try:
        swept = await factory.sweep()
        if swept:
            run.listener(Notice(f"removed {swept} sandboxes left by a ttg that was killed"))
        yield factory
    finally:
        await factory.close()


def pin_driver(config: Config, factory: SandboxFactory) -> Config:
    """The configuration with its driver resolved, as it is saved and fingerprinted."""
    return config.model_copy(update={"sandbox": config.sandbox.model_copy(update={"driver": factory.name})})


def load_taxonomy(config: Config) -> dict[str, Domain]:
    """The chosen domains: shipped ones, the user's on top."""
    domains = load_domains([data_dir("taxonomy"), *config.taxonomy_dirs])
    return select_domains(domains, config.generate.domains)


def load_run_seeds(config: Config, domains: dict[str, Domain]) -> dict[str, Seed]:
    """Seeds whose domain is chosen."""
    seeds = load_seeds(config.seed_dirs or [data_dir("seeds")])
    return {seed_id: seed for seed_id, seed in seeds.items() if seed.domain in domains}


async def generate(run: OpenRun) -> StageFinished:
    """Requests → tasks and rejections."""
    config = run.config
    domains = load_taxonomy(config)
    seeds = load_run_seeds(config, domains)
    folders = list_images([data_dir("images"), *config.image_dirs])
    images = sorted({domain.image for domain in domains.values()})
    image_texts = {name: get_dockerfile_text(folders, name) for name in images}
    contents = {f"taxonomy {name}": content_digest(domain.model_dump(mode="json")) for name, domain in domains.items()}
    contents["author prompts"] = PROMPT_VERSION
    if "seed" in config.generate.modes:
        contents["seeds"] = content_digest([seed.model_dump(mode="json") for seed in seeds.values()])
    async with (
        open_teacher(run, config.teacher.author, field="teacher.author") as teacher,
        open_sandboxes(run, images) as factory,
    ):
        digests = {name: await factory.get_image_digest(name) for name in images}
        config = pin_driver(config, factory)
        run.look_for_damage("generate")
        identity = enter_stage(run.directory, config, "generate", contents=contents, image_digests=digests)
        author = Author(
            teacher=teacher,
            factory=factory,
            config=config,
            domains=domains,
            seeds=seeds,
            image_texts=image_texts,
            image_digests=digests,
            run_id=identity.run_id,
        )
        requests = chain.from_iterable(
            enumerate_requests(config.generate, run_seed=config.seed, mode=mode, domains=domains, seeds=seeds)
            for mode in config.generate.modes
        )
        stage = Stage(
            "generate", requests, attrgetter("id"), author.write_task, TASKS, REJECTED, config.generate.parallel
        )
        return await run_stage(stage, run.directory, run.engine, run.listener, shard_bytes=config.shard_mb * 1_000_000)


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
        rejections=directory.read_final_rejections(REJECTED, TASKS, Rejection, run.report_damage),
        failures=directory.read_final_rejections(FAILED, TRAJECTORIES, Rejection, run.report_damage),
        judged=_judge(run, tasks, criteria),
    )
    digests = {
        field.removeprefix("contents of "): str(value)
        for field, value in identity.fields.get("generate", {}).items()
        if field.startswith("contents of ")
    }
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


@asynccontextmanager
async def serve_demo_teacher() -> AsyncIterator[str]:
    """The shipped repertoire on loopback, a little unreliable as real endpoints are; its base URL."""
    scripted, faults = _load_scripted()
    async with scripted.serve_scripted([REPERTOIRE], faults=faults.parse_faults(DEMO_FAULTS)) as server:
        yield server.base_url


@dataclass(frozen=True)
class ServeOptions:
    """How `ttg teacher serve` serves."""

    host: str
    port: int
    faults: str
    """As `parse_faults` reads it."""
    latency_sec: float
    mailbox: Path | None
    """Folder to take replies from, in place of the scripts."""
    mailbox_timeout_sec: float


async def serve_teacher(folders: Sequence[Path], options: ServeOptions, announce: Callable[[str], None]) -> None:
    """Serve scripts (the shipped ones when no folder is given) until cancelled; `announce` gets the base URL."""
    scripted, faults = _load_scripted()
    mailbox = None
    if options.mailbox is not None:
        mailbox = scripted.Mailbox(options.mailbox, timeout_sec=options.mailbox_timeout_sec)
    await scripted.run_scripted(
        list(folders) or [REPERTOIRE],
        host=options.host,
        port=options.port,
        faults=faults.parse_faults(options.faults),
        latency_sec=options.latency_sec,
        mailbox=mailbox,
        announce=lambda server: announce(f"scripted teacher at {server.base_url} (Ctrl-C stops it)"),
    )


def _load_scripted() -> tuple[Any, Any]:
    """The server brings aiohttp with it, so it is imported only when it is to serve."""
    package = "terminal_task_gen.teacher"
    return importlib.import_module(f"{package}.scripted"), importlib.import_module(f"{package}.faults")
