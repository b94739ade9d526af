"""Wires the import of tasks made elsewhere: directories → images, tasks and rejections."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path

from terminal_task_gen.errors import GateError, ItemError, PrerequisiteError, UsageError
from terminal_task_gen.events import Notice, StageFinished
from terminal_task_gen.generate.foreign_gates import prove
from terminal_task_gen.generate.harbor_tasks import HarborDirectory, find_directories, read_task, write_image
from terminal_task_gen.identity import enter_stage
from terminal_task_gen.image_build import BuildOptions, build_images
from terminal_task_gen.images import list_images
from terminal_task_gen.pipeline.opening import OpenRun, open_sandboxes, pin_driver
from terminal_task_gen.sandbox import SandboxFactory
from terminal_task_gen.stage import Stage, run_stage
from terminal_task_gen.store import REJECTED, TASKS
from terminal_task_gen.task import Rejection, Task

PARALLEL = 2
"""Directories worked on at once; their images are built one after another."""


async def import_harbor(run: OpenRun, *, roots: Sequence[Path], proved: bool) -> StageFinished:
    """Harbor task directories → tasks, each with its image built; with `proved`, through fail-first and oracle."""
    directories = find_directories(list(roots))
    async with open_sandboxes(run, []) as factory:
        if factory.name != "docker":
            raise UsageError("imported tasks bring images of their own and need a Docker engine: --sandbox docker")
        config = pin_driver(run.config, factory)
        run.look_for_damage("generate")
        identity = enter_stage(run.directory, config, "generate", contents={}, image_digests={})
        importer = _Importer(run, factory, identity.run_id, proved)
        numbered = {directory.id: (number, directory) for number, directory in enumerate(directories)}
        items = [_Item(item_id, number, directory) for item_id, (number, directory) in numbered.items()]
        stage = Stage("import", items, attrgetter("id"), importer.work, TASKS, REJECTED, PARALLEL)
        return await run_stage(stage, run.directory, run.engine, run.listener, shard_bytes=config.shard_mb * 1_000_000)


class _Item:
    def __init__(self, item_id: str, number: int, directory: HarborDirectory) -> None:
        self.id, self.number, self.directory = item_id, number, directory


class _Importer:
    def __init__(self, run: OpenRun, factory: SandboxFactory, run_id: str, proved: bool) -> None:
        self._run = run
        self._factory = factory
        self._run_id = run_id
        self._proved = proved
        self._building = asyncio.Lock()

    async def work(self, item: _Item) -> Task | Rejection:
        try:
            task = await asyncio.to_thread(read_task, item.directory, item.number)
            digest = await self._build(item.directory, task.image)
            lineage = task.lineage.model_copy(update={"image_digest": digest})
            task = task.model_copy(update={"lineage": lineage})
            if not self._proved:
                return task
            gates = await prove(self._factory, task, self._run.config.sandbox, run_id=self._run_id)
            return task.model_copy(update={"gates": (*task.gates, *gates)})
        except ItemError as error:
            return Rejection(
                id=item.id,
                stage="generate",
                cause=error.cause,
                reason=error.reason,
                evidence=f"{item.directory.path}: {error.evidence}"[:4_000],
                domain="imported",
                mode="import",
            )

    async def _build(self, directory: HarborDirectory, image: str) -> str:
        """Digest of the built image. That it does not build is the directory's fault, an engine's silence is not."""
        sandbox = self._run.config.sandbox
        folder = self._run.directory.path / "images"
        async with self._building:
            await asyncio.to_thread(write_image, directory, image, folder)
            self._run.listener(Notice(f"import: image of {directory.path.name}"))
            options = BuildOptions(prefix=sandbox.image_prefix, tag=sandbox.image_tag)
            try:
                states = await build_images(list_images([folder]), [image], options, lambda name, line: None)
            except PrerequisiteError:
                raise
            except UsageError as error:
                raise GateError("harbor_image", str(error)) from error
        return states[-1].image_id
