"""What filters say about a trajectory, as plain data that export, report and dashboards read.

Polarity is fixed: a finding of a rule that is switched on drops the row; a rule that is switched off leaves only a flag
on it. Nothing here decides; `filters/rules.py` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from terminal_task_gen.records import Record
from terminal_task_gen.task import Task
from terminal_task_gen.trajectory import Trajectory


class RuleName(StrEnum):
    """Every rule there is. Values are on-disk words and, but for `empty`, names of fields in FilterConfig."""

    EMPTY = "empty"
    CONTAMINATION = "contamination"
    IDENTITY = "identity"
    CHINESE = "chinese"
    COMPLETED_ONLY = "completed_only"
    SUCCESS_ONLY = "success_only"


class Reason(StrEnum):
    """Why a rule objects: the closed set of drop reasons and flags. On-disk words: add, never rename."""

    NO_REPLY = "no_reply"
    BENCHMARK_NGRAM = "benchmark_ngram"
    BENCHMARK_WHOLE = "benchmark_whole"
    IDENTITY_NAME = "identity_name"
    IDENTITY_CLAIM = "identity_claim"
    CHINESE_CHARACTERS = "chinese_characters"
    NOT_COMPLETED = "not_completed"
    NOT_SOLVED = "not_solved"


class Finding(Record):
    """One objection of one rule. All fields are always there, so that they make a table."""

    rule: RuleName
    reason: Reason
    where: str
    """`instruction`, `message 3`, `message 3 reasoning` (messages count from 0), `trajectory` or `verdict`."""
    match: str
    """Exactly what was found: the words of the n-gram, the phrase, the characters. Empty where a state is meant."""
    evidence: str
    """The match in its surroundings, one line of at most 120 characters."""
    benchmark: str = ""
    """Contamination: name of the benchmark, and its entry (task or line)."""
    entry: str = ""


class Ruling(Record):
    """All that the rules say about one trajectory."""

    trajectory_id: str
    findings: tuple[Finding, ...] = ()
    """Of rules that are switched on, in registry order; any drops the row, the first one gives the reason."""
    flags: tuple[Finding, ...] = ()
    """What rules that are switched off would have said; drops nothing."""

    @property
    def kept(self) -> bool:
        return not self.findings


class FilterFacts(Record):
    """What a report must tell of the filters besides their rulings."""

    enabled: tuple[RuleName, ...]
    """In registry order."""
    ngram: int
    benchmark_prompts: dict[str, int]
    """Benchmark → number of its prompts."""


@dataclass(frozen=True)
class Judged:
    """A trajectory, the task it is about, and the ruling on it."""

    task: Task
    trajectory: Trajectory
    ruling: Ruling
