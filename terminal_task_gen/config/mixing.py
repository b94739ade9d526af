"""A recipe of `ttg mix`: which rows make a training set, and in what order."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from terminal_task_gen.places import read_folder, read_url
from terminal_task_gen.records import Record


class MixSource(Record):
    """One run, corpus or mix; or a file or folder of rows (JSONL, Parquet) in the released corpus's columns."""

    path: Path | str
    """A folder, or a URL."""
    part: str = "default"
    """A part of it, by its config name on the card, e.g. `seed_based`."""
    weight: float | None = Field(default=None, gt=0)
    """Share among the sources, relative to the others' weights; give one to all or to none. No row is taken twice."""
    domains: tuple[str, ...] = ()
    """Only these; empty: all. The same for difficulties."""
    difficulties: tuple[str, ...] = ()
    min_reward: float = Field(default=0.0, ge=0.0, le=1.0)
    completed: bool = False
    """Only rows whose teacher declared the task done."""

    @field_validator("path")
    @classmethod
    def _tell_folder_from_url(cls, value: Path | str) -> Path | str:
        return read_folder(value) if isinstance(value, str) and read_url(value) is None else value


class MixRecipe(Record):
    """What `ttg mix` takes. Equal recipes and sources give equal bytes."""

    name: str = Field(default="mix", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = 0
    sources: tuple[MixSource, ...] = ()
    rows: int | None = Field(default=None, ge=1)
    """In all, validation included; None: everything, or as much as the weights allow."""
    balance: Literal["none", "domain", "skill"] = "none"
    """Draw evenly over domains or skills of each source; needs `rows` or weights, else there is nothing to choose."""
    max_per_task: int | None = Field(default=None, ge=1)
    """Rows of one task, drawn at random."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Length of a conversation; longer ones are dropped or kept whole (`over_length`), never cut."""
    over_length: Literal["drop", "keep"] = "drop"
    tokenizer: Path | None = None
    """A model's tokenizer.json to count with; None: an estimate from the bytes."""
    curriculum: Literal["mixed", "staged", "easy-first"] = "mixed"
    """Order: shuffled; adapters first, as in the paper's two stages; or easy, medium, hard."""
    validation: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of task families held out; a family is never split, and is on the same side in every mix of this seed."""
    subsets: tuple[float, ...] = ()
    """Percentages for scaling studies; each random subset is contained in the next larger one."""
    shard_mb: int = Field(default=500, ge=1)
