"""Wires statistics: a run's shards, read side by side by processes, and the taxonomy that its skills are from."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from terminal_task_gen.chunks import Chunk, split_shards
from terminal_task_gen.config import load_config
from terminal_task_gen.engine.processes import ProcessCrew
from terminal_task_gen.errors import UsageError
from terminal_task_gen.resources import data_dir
from terminal_task_gen.stats.count import ChunkRows, RunCount, read_attempts, read_refused, read_tasks
from terminal_task_gen.stats.survey import Survey
from terminal_task_gen.store import FAILED, REJECTED, TASKS, TRAJECTORIES, RunDirectory, ShardKind
from terminal_task_gen.taxonomy import load_domains

CHUNK_BYTES = 16_000_000
_SMALL_BYTES = 2 * CHUNK_BYTES
"""A run below this is counted here: starting processes would take longer."""


async def survey_run(path: Path, *, workers: int = 0) -> Survey:
    """Count a run. `workers`: processes, 0 for one a core. Raises UsageError when `path` is no run."""
    directory = RunDirectory(path)
    if not directory.config_path.is_file():
        raise UsageError(f"{path} is not a run directory (no config.yaml); runs lie under runs/, see: ttg demo")
    count = RunCount()
    passes: list[tuple[ShardKind, Callable[[Chunk], ChunkRows], Callable[[ChunkRows], None]]] = [
        (TASKS, read_tasks, count.add_tasks),
        (REJECTED, read_refused, count.add_rejected),
        (TRAJECTORIES, read_attempts, count.add_attempts),
        (FAILED, read_refused, count.add_failed),
    ]
    chunks = {kind: split_shards(directory.list_shards(kind), chunk_bytes=CHUNK_BYTES) for kind, _, _ in passes}
    size_bytes = sum(chunk.end - chunk.start for found in chunks.values() for chunk in found)
    with ProcessCrew(1 if size_bytes < _SMALL_BYTES else workers or os.cpu_count() or 1) as crew:
        for kind, read, add in passes:
            async for found in crew.map(read, chunks[kind]):
                add(found)
    return count.build(_name(path), taxonomy=_load_skills(directory), report=_read_report(directory))


def _name(path: Path) -> str:
    return path.resolve().name


def _load_skills(directory: RunDirectory) -> dict[str, dict[str, Sequence[str]]]:
    """Of the shipped domains and the run's own; of the shipped alone where the run's folders have gone."""
    folders = [folder for folder in load_config(directory.config_path).taxonomy_dirs if folder.is_dir()]
    domains = load_domains([data_dir("taxonomy"), *folders])
    return {name: dict(domain.skills) for name, domain in domains.items()}


def _read_report(directory: RunDirectory) -> Any:
    path = directory.corpus_dir / "report.json"
    if not path.is_file():
        return None
    try:
        report = orjson.loads(path.read_bytes())
        if {"kept", "dropped", "rules"} <= set(report["filtered"]):
            return report
    except (ValueError, TypeError, KeyError):
        pass
    raise UsageError(f"{path} is damaged; write it anew with: ttg filter {directory.path}")
