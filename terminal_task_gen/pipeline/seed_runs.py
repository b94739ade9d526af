"""Wires the run of seeds' solutions, each in a sandbox of its domain's image."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from terminal_task_gen.config import Config
from terminal_task_gen.errors import PrerequisiteError, SandboxError
from terminal_task_gen.pipeline.opening import make_factory
from terminal_task_gen.sandbox import SandboxFactory, SandboxFile, SandboxSpec
from terminal_task_gen.seeds import Seed
from terminal_task_gen.taxonomy import Domain

STATED = "# prints: "
"""A solution whose last line begins so states what it prints."""
_FILE = "/run/seed/solution.py"
_MAX_SHOWN_CHARS = 300


class FailedSolution(NamedTuple):
    """A seed whose solution does not do what it says, and how."""

    seed: Seed
    why: str


async def run_solutions(
    config: Config, seeds: Sequence[Seed], domains: Mapping[str, Domain], *, timeout_sec: float
) -> list[FailedSolution]:
    """Run every Python solution once; no network. What it states to print is compared with what it prints."""
    factory = await _choose_factory(config, sorted({domains[seed.domain].image for seed in seeds}))
    slots = asyncio.Semaphore(config.sandbox.parallel)
    run_id = f"seeds-{uuid.uuid4().hex}"

    async def run(seed: Seed) -> FailedSolution | None:
        async with slots:
            spec = SandboxSpec(image=domains[seed.domain].image, run_id=run_id, item_id=seed.id)
            try:
                why = await _run_one(factory, spec, seed.solution or "", timeout_sec)
            except SandboxError as error:
                why = f"the sandbox broke: {error}"
        return FailedSolution(seed, why) if why else None

    try:
        found = await asyncio.gather(*(run(seed) for seed in seeds))
    finally:
        await factory.close()
    return [one for one in found if one is not None]


async def _choose_factory(config: Config, images: list[str]) -> SandboxFactory:
    wanted = config.sandbox.driver
    factory = make_factory(config, "docker" if wanted == "auto" else wanted)
    try:
        await factory.check(images)
    except PrerequisiteError:
        await factory.close()
        if wanted != "auto":
            raise
        factory = make_factory(config, "bubblewrap")
        await factory.check(images)
    return factory


async def _run_one(factory: SandboxFactory, spec: SandboxSpec, solution: str, timeout_sec: float) -> str:
    """What is wrong, empty when nothing is."""
    sandbox = await factory.start(spec)
    try:
        await sandbox.upload([SandboxFile(_FILE, solution.encode())])
        result = await sandbox.exec(["python3", "-I", "-B", _FILE], timeout_sec=timeout_sec)
    finally:
        await sandbox.close()
    printed = result.stdout.decode(errors="replace").strip()
    if result.timed_out:
        return f"not done after {timeout_sec:g} s"
    if result.exit_code:
        said = result.stderr.decode(errors="replace").strip().splitlines()[-1:] or [printed]
        return f"exit code {result.exit_code}: {said[0][:_MAX_SHOWN_CHARS]}"
    last = solution.strip().splitlines()[-1]
    if last.startswith(STATED) and printed != last.removeprefix(STATED).strip():
        return f"states {last.removeprefix(STATED)!r}, prints {printed[:_MAX_SHOWN_CHARS]!r}"
    return ""
