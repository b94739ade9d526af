"""Wires generation: requests → tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from operator import attrgetter

from terminal_task_gen.config import Config
from terminal_task_gen.events import StageFinished
from terminal_task_gen.generate.author import Author
from terminal_task_gen.generate.prompts import PROMPT_VERSION
from terminal_task_gen.generate.requests import enumerate_requests
from terminal_task_gen.identity import enter_stage
from terminal_task_gen.images import get_dockerfile_text, list_images
from terminal_task_gen.pipeline.adapting import adapt
from terminal_task_gen.pipeline.contents import record_manifests
from terminal_task_gen.pipeline.opening import OpenRun, open_sandboxes, open_teacher, pin_driver
from terminal_task_gen.pipeline.screening import digest_screened, make_screens, write_duplicates
from terminal_task_gen.pipeline.yields import write_yield
from terminal_task_gen.records import content_digest
from terminal_task_gen.resources import data_dir
from terminal_task_gen.seeds import Seed, load_seeds
from terminal_task_gen.stage import Stage, run_stage
from terminal_task_gen.store import REJECTED, TASKS
from terminal_task_gen.task import Request
from terminal_task_gen.taxonomy import Domain, load_domains, select_domains
from terminal_task_gen.teacher.replay import follow_items


def load_taxonomy(config: Config) -> dict[str, Domain]:
    """The chosen domains: shipped ones, the user's on top."""
    domains = load_domains([data_dir("taxonomy"), *config.taxonomy_dirs])
    return select_domains(domains, config.generate.domains)


def load_run_seeds(config: Config, domains: dict[str, Domain]) -> dict[str, Seed]:
    """Seeds whose domain is chosen."""
    seeds = load_seeds(config.seed_dirs or [data_dir("seeds")])
    return {seed_id: seed for seed_id, seed in seeds.items() if seed.domain in domains}


def _digest_contents(config: Config, domains: dict[str, Domain], seeds: dict[str, Seed]) -> dict[str, str]:
    """Of all that an author is told, for the stage's fingerprint."""
    contents = {f"taxonomy {name}": content_digest(domain.model_dump(mode="json")) for name, domain in domains.items()}
    contents["author prompts"] = PROMPT_VERSION
    contents.update(digest_screened(config.generate.gates))
    if "seed" in config.generate.modes:
        contents["seeds"] = content_digest([seed.model_dump(mode="json") for seed in seeds.values()])
    return contents


async def generate(run: OpenRun) -> StageFinished:
    """Requests → tasks and rejections, duplicates among the tasks, and the report of the yield."""
    summary = await (adapt(run) if _is_adapting(run) else _author(run))
    await asyncio.to_thread(_tell_of_all, run)
    return summary


def _is_adapting(run: OpenRun) -> bool:
    return run.config.generate.modes == ("adapt",)


def _tell_of_all(run: OpenRun) -> None:
    """What needs all tasks; of partitions that work side by side the last one tells."""
    with run.directory.say_last_word() as is_last:
        if is_last and not _is_adapting(run):
            write_duplicates(run)
        if is_last:
            write_yield(run)


async def _author(run: OpenRun) -> StageFinished:
    config = run.config
    domains = load_taxonomy(config)
    seeds = load_run_seeds(config, domains)
    folders = list_images([data_dir("images"), *config.image_dirs])
    images = sorted({domain.image for domain in domains.values()})
    image_texts = {name: get_dockerfile_text(folders, name) for name in images}
    contents = _digest_contents(config, domains, seeds)
    screens = make_screens(config.generate.gates)
    async with (
        open_teacher(run, config.teacher.author, field="teacher.author", stage="generate") as teacher,
        open_sandboxes(run, images) as factory,
    ):
        digests = {name: await factory.get_image_digest(name) for name in images}
        config = pin_driver(config, factory)
        run.look_for_damage("generate")
        identity = enter_stage(run.directory, config, "generate", contents=contents, image_digests=digests)
        manifests = await record_manifests(run.directory, factory, digests, run_id=identity.run_id)
        author = Author(
            teacher=teacher,
            factory=factory,
            config=config,
            domains=domains,
            seeds=seeds,
            image_texts=image_texts,
            image_digests=digests,
            image_manifests=manifests,
            run_id=identity.run_id,
            screens=screens,
            listener=run.listener,
        )

        def list_requests() -> Iterator[Request]:
            for mode in config.generate.modes:
                yield from enumerate_requests(
                    config.generate, run_seed=config.seed, mode=mode, domains=domains, seeds=seeds
                )

        get_id = attrgetter("id")
        work = follow_items(author.write_task, get_id, run.listener)
        stage = Stage(
            "generate",
            list_requests,
            get_id,
            work,
            TASKS,
            REJECTED,
            config.generate.parallel,
            takes=run.partition.takes,
        )
        return await run_stage(stage, run.directory, run.engine, run.listener, shard_bytes=config.shard_mb * 1_000_000)
