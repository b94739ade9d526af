"""Seeds, a JSON object a line in `<dir>/**/*.jsonl`: what the author makes a task of.

Two kinds. A problem (paper §3: description, optional label and solution) is restated as an engineering job. A command,
as an expert types it, is varied and composed into one; its `problem` is the sentence that says what it achieves.
Loading refuses the whole set at the first fault, naming file and line.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import orjson
from pydantic import Field, ValidationError, model_validator

from terminal_task_gen.errors import UsageError
from terminal_task_gen.records import Record

SeedKind = Literal["problem", "command"]


class Seed(Record):
    """A problem or a command to be turned into a task."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    problem: str = Field(min_length=1)
    label: str | None = None
    """Field of knowledge, e.g. `physics`; shown to the author."""
    domain: str
    """Taxonomy domain whose image and module the task gets."""
    solution: str | None = None
    """Reference solution (Python or prose); shown to the author as ground truth, never to the actor."""
    command: str | None = Field(default=None, min_length=1)
    """A command line of bash. A seed that has one is a command, and `problem` says what it achieves."""

    @model_validator(mode="after")
    def _refuse_both(self) -> Seed:
        if self.command is not None and self.solution is not None:
            raise ValueError("a seed has a solution or a command, not both")
        return self

    @property
    def kind(self) -> SeedKind:
        return "problem" if self.command is None else "command"


def load_seeds(folders: Iterable[Path]) -> dict[str, Seed]:
    """All seeds by id, in file order. Raises UsageError naming file, line and remedy; an id given twice is refused."""
    seeds: dict[str, Seed] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"seed folder {folder} does not exist; check --seeds")
        for path in sorted(folder.rglob("*.jsonl")):
            for number, line in enumerate(_read_lines(path), start=1):
                if not line.strip():
                    continue
                seed = _parse_seed(line, f"{path} line {number}")
                if seed.id in seeds:
                    raise UsageError(f"{path} line {number}: seed id {seed.id!r} is used twice; ids must differ")
                seeds[seed.id] = seed
    return seeds


def _read_lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except OSError as error:
        raise UsageError(f"cannot read seeds {path}: {error.strerror}") from error


def _parse_seed(line: bytes, where: str) -> Seed:
    try:
        return Seed.model_validate(orjson.loads(line))
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{where} is not valid JSON: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
