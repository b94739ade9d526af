"""Gets a node the images it lacks: from the registry the configuration names, or built from their folders."""

from __future__ import annotations

from collections.abc import Sequence

from terminal_task_gen.config import Config
from terminal_task_gen.events import Listener, Notice
from terminal_task_gen.image_build import BuildOptions, build_images, inspect_images
from terminal_task_gen.image_registry import Place, pull_images
from terminal_task_gen.images import list_images
from terminal_task_gen.resources import data_dir


async def bring_images(config: Config, names: Sequence[str], listener: Listener) -> None:
    """Pull or build what is missing; what is there is left alone, stale or not. Nothing to do without Docker.

    An image that no folder describes (an imported task's own) is nobody's to make; the driver's check names it.
    Builds of one folder on two machines are two images, and a run refuses to mix them: several nodes need a registry.

    Raises PrerequisiteError (no engine, no registry) and UsageError (it does not build, or is not there).
    """
    sandbox = config.sandbox
    if sandbox.driver != "docker":
        return
    folders = list_images([data_dir("images"), *config.image_dirs])
    options = BuildOptions(prefix=sandbox.image_prefix, tag=sandbox.image_tag)
    states = await inspect_images(folders, options)
    missing = [state.name for state in states if state.status == "missing" and state.name in names]
    if not missing:
        return
    if sandbox.registry:
        place = Place(sandbox.registry, sandbox.image_prefix, sandbox.image_tag)
        await pull_images(missing, place, lambda line: listener(Notice(f"pulled {line}")))
        return
    listener(Notice(f"building images this node lacks: {', '.join(missing)}"))
    await build_images(folders, missing, options, lambda name, line: None)
