"""What is generated."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from terminal_task_gen.config.gates import GateConfig
from terminal_task_gen.records import Record
from terminal_task_gen.seeds import SeedKind
from terminal_task_gen.task import Difficulty, Limits, Mode


class AdaptConfig(Record):
    """Adapt mode: which rows, and what they mean."""

    adapter: str = ""
    """Name of a shipped adapter (configs/adapters/), or a YAML file of one's own."""
    rows: Path | None = None
    """File or folder of rows: JSON lines, Parquet, or what `datasets` saved."""
    max_rows: int = Field(default=0, ge=0)
    """Rows to take, from the first; 0: all."""
    max_cases: int = Field(default=12, ge=1, le=50)
    """Test cases to take of a row, spread over all it has; each may run for 6 seconds."""
    prove: bool = True
    """Run fail-first and, with a gold answer, the oracle for every row with tests, about a second a row and slot."""


class GenerateConfig(Record):
    """What to ask for."""

    modes: tuple[Mode, ...] = Field(default=("skill",), min_length=1)
    domains: tuple[str, ...] = ()
    """Empty: all in the taxonomy."""
    count: int = Field(default=10, ge=0)
    """Requests per mode (skill mode: dealt over the domains in turn; seed mode: over the seeds)."""
    domain_counts: dict[str, int] = {}
    """Skill mode: the most requests of a domain; one that is not named here has no limit but `count`."""
    tasks_per_seed: int = Field(default=0, ge=0)
    """Requests that one seed may become; 0: as many as `count` leaves room for."""
    seed_kinds: tuple[SeedKind, ...] = Field(default=("problem", "command"), min_length=1)
    """Kinds of seeds to use. They take turns, however many there are of each; one that is used up leaves the rest."""
    difficulty: Difficulty | Literal["mixed"] = "mixed"
    """`mixed` draws a level for each request by `difficulty_weights`."""
    difficulty_weights: dict[Difficulty, float] = {"easy": 0.3, "medium": 0.5, "hard": 0.2}
    skills_per_task: tuple[int, int] = (3, 5)
    """Least and most skills to combine (paper §3.2: typically 3-5)."""
    skill_choice: Literal["sampled", "menu"] = "sampled"
    """`sampled`: the author gets the skills to combine. `menu`: it picks from a longer list. The paper allows both."""
    menu_size: int = Field(default=24, ge=5)
    reference_solution: bool = True
    """Ask for a private solution, which the oracle gate runs. Without one, only fail-first guards the tests."""
    structured: bool = False
    """Ask for the task as JSON by a schema (`response_format`), for endpoints that can hold a model to one."""
    repair_rounds: int = Field(default=1, ge=0, le=5)
    parallel: int = Field(default=16, ge=1)
    """Requests worked on at once."""
    max_file_bytes: int = Field(default=2_000_000, ge=1)
    max_files: int = Field(default=40, ge=1)
    limits: Limits = Limits()
    """Given to every task."""
    gates: GateConfig = GateConfig()
    adapt: AdaptConfig = AdaptConfig()

    @field_validator("modes", "domains", "seed_kinds")
    @classmethod
    def _drop_repeated(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(values))

    @model_validator(mode="after")
    def _keep_adapt_alone(self) -> Self:
        """Its rows are streamed and need no author, so it shares a run with no other mode."""
        if "adapt" in self.modes and len(self.modes) > 1:
            raise ValueError("mode adapt stands alone; give it a run of its own")
        return self
