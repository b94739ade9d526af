"""Wires exports: a run, a corpus or a mix → what a consumer loads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import orjson

from terminal_task_gen.config import Config
from terminal_task_gen.errors import UsageError
from terminal_task_gen.export.harbor.atif import AtifReport, export_trajectories
from terminal_task_gen.export.harbor.environment import Base, ImageLayer, ImageRecipe
from terminal_task_gen.export.harbor.tasks import HarborOptions, HarborReport, explain_unfit, export_tasks
from terminal_task_gen.export.parts import DROPPED
from terminal_task_gen.export.source import RowSource
from terminal_task_gen.finding import RuleName
from terminal_task_gen.identity import read_identity
from terminal_task_gen.images import format_tag, get_ancestry, list_images
from terminal_task_gen.resources import data_dir
from terminal_task_gen.store import TASKS, TRAJECTORIES, Damage, RunDirectory
from terminal_task_gen.task import Task
from terminal_task_gen.trajectory import Trajectory

OnDamage = Callable[[Damage], None]


def export_harbor_tasks(
    config: Config, folder: Path, *, base: Base, organisation: str, enforce_network: bool, on_damage: OnDamage
) -> HarborReport:
    """The run's tasks as Harbor task directories, but those that a benchmark's words were found in."""
    directory = RunDirectory(config.run_dir)
    images = {task.image for task in directory.read_records(TASKS, Task, on_damage) if explain_unfit(task) is None}
    return export_tasks(
        folder,
        _read_tasks(directory, on_damage),
        recipes={name: _describe_image(config, name, base) for name in sorted(images)},
        unwanted=_list_contaminated(directory),
        options=HarborOptions(
            name=config.name,
            licence=config.filter.licence,
            base=base,
            organisation=organisation,
            enforce_network=enforce_network,
        ),
    )


def export_atif(config: Config, folder: Path, *, part: str, on_damage: OnDamage) -> AtifReport:
    """The trajectories whose rows the corpus keeps."""
    directory = RunDirectory(config.run_dir)
    source = RowSource(config.run_dir)
    identity = read_identity(directory)
    wanted = frozenset(row["id"] for split in source.list_splits(part) for row in source.read_rows(split, part))
    return export_trajectories(
        folder,
        directory.read_records(TRAJECTORIES, Trajectory, on_damage),
        wanted=wanted,
        run_id=identity.run_id if identity else "",
        name=config.name,
        dialect=config.rollout.dialect,
    )


def _read_tasks(directory: RunDirectory, on_damage: OnDamage) -> Iterator[Task]:
    seen: set[str] = set()
    for task in directory.read_records(TASKS, Task, on_damage):
        if task.id not in seen:
            seen.add(task.id)
            yield task


def _describe_image(config: Config, name: str, base: Base) -> ImageRecipe:
    tag = format_tag(name, prefix=config.sandbox.image_prefix, tag=config.sandbox.image_tag)
    if base is Base.IMAGE:
        return ImageRecipe(tag=tag)
    layers = []
    for image in get_ancestry(list_images([data_dir("images"), *config.image_dirs]), name):
        beside = [path for path in sorted(image.path.rglob("*")) if path.is_file() and path.name != "Dockerfile"]
        files = {path.relative_to(image.path).as_posix(): path.read_bytes() for path in beside}
        layers.append(ImageLayer(name=image.name, dockerfile=image.dockerfile, files=files))
    return ImageRecipe(tag=tag, layers=tuple(layers))


def _list_contaminated(directory: RunDirectory) -> dict[str, str]:
    """Task → why not. Without a corpus nothing has been compared, and nothing is left out."""
    try:
        source = RowSource(directory.path)
        dropped = source.list_splits(DROPPED)
    except UsageError:
        return {}
    found: dict[str, str] = {}
    for split in dropped:
        for line in source.read_lines(split, DROPPED):
            row = orjson.loads(line.line)
            if any(finding["rule"] == RuleName.CONTAMINATION for finding in row["findings"]):
                found[row["task"]] = "shares words with a benchmark"
    return found
