"""What `ttg stats` knows of a run; `--json` prints it.

Trajectories are those on disk, kept or not; what the corpus keeps is taken from its report, where there is one. Tokens
are estimated from the text (`token_count`). Shares are 0 to 1. Amounts of money are USD.
"""

from __future__ import annotations

from terminal_task_gen.records import Record, Usage

Counts = dict[str, int]
"""Word → number, most first."""

TURNS_BIN, TURNS_END = 5, 50
TOKENS_BIN, TOKENS_END = 5_000, 40_000
"""Bins of the paper's figures: 10 is 10 to 14 turns, 15000 is 15,000 to 19,999 tokens, the last takes the rest."""


class Distribution(Record):
    """Of one quantity over trajectories; zeros where there are none."""

    mean: float = 0.0
    median: float = 0.0
    p90: float = 0.0
    largest: int = 0
    bins: dict[int, int] = {}
    """Lower end of the bin → trajectories; every bin up to the last filled one."""

    @property
    def peak(self) -> int | None:
        """Lower end of the fullest bin."""
        return max(self.bins, key=lambda start: (self.bins[start], -start), default=None)


class Stream(Record):
    """Trajectories of tasks that came about in one way."""

    name: str
    """`synthetic` (skill and seed), `adapters` (adapt), `imported` or `all`."""
    trajectories: int
    judged: int
    """Of tasks that have tests."""
    passed: int
    completed: int
    """The teacher said itself, twice, that it was done."""
    turns: Distribution
    tokens: Distribution


class Cell(Record):
    """Tasks of one domain and difficulty, and how they were solved."""

    domain: str
    difficulty: str
    tasks: int
    attempted: int
    """Tasks with a judged attempt."""
    solved: int
    """Tasks that some attempt solved."""
    attempts: int
    """Judged."""
    passed: int
    reward: float
    """Mean over judged attempts."""

    @property
    def solve_rate(self) -> float | None:
        return self.passed / self.attempts if self.attempts else None


class SkillUse(Record):
    """One primitive of a domain, and the tasks that use it."""

    domain: str
    type: str
    """Of the taxonomy; empty for a skill that is not in it."""
    text: str
    tasks: int
    attempts: int
    passed: int


class Funnel(Record):
    """requests = tasks + rejected + owed; attempts = trajectories + failed. Kept and dropped: None before a filter."""

    tasks: int
    rejected: int
    trajectories: int
    failed: int
    passed: int
    kept: int | None
    dropped: int | None
    rejected_reasons: Counts
    """Of rejections and of what is owed."""
    failed_reasons: Counts
    stop_reasons: Counts
    drop_reasons: Counts
    """By the rule that gives the reason."""


class Survey(Record):
    """One run."""

    survey_version: int = 1
    run: str
    funnel: Funnel
    streams: tuple[Stream, ...]
    """`all` first, then those that have trajectories."""
    cells: tuple[Cell, ...]
    skills: tuple[SkillUse, ...]
    models: Counts
    generated: Usage
    """What tasks and refused requests cost."""
    rolled_out: Usage
    """What attempts cost, broken ones included."""
    damaged_lines: int
    """Lines that could not be read; they are in no number."""

    @property
    def usage(self) -> Usage:
        return self.generated + self.rolled_out

    def get_stream(self, name: str) -> Stream | None:
        return next((stream for stream in self.streams if stream.name == name), None)


def share(part: float, whole: float) -> float | None:
    """None where there is nothing to have a share of."""
    return part / whole if whole else None
