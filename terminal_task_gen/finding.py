"""What filters say about a trajectory, as plain data that export, report and dashboards read.

Polarity is fixed: a finding of a rule that drops drops the row; one of a rule that only flags stays on it as a flag.
Nothing here decides; `filters/` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from terminal_task_gen.records import Record
from terminal_task_gen.task import Task
from terminal_task_gen.trajectory import Trajectory


class RuleName(StrEnum):
    """Every rule there is, in the order in which they give the reason. On-disk words: add, never rename."""

    EMPTY = "empty"
    CONTAMINATION = "contamination"
    CONTAMINATED_TURNS = "contaminated_turns"
    IDENTITY = "identity"
    FOREIGN_SCRIPT = "foreign_script"
    SECRETS = "secrets"
    PERSONAL_DATA = "personal_data"
    TAMPERED = "tampered"
    VERIFIER_SUSPECT = "verifier_suspect"
    INFRASTRUCTURE_NOISE = "infrastructure_noise"
    RISKY_COMMANDS = "risky_commands"
    INVALID_TURNS = "invalid_turns"
    REPETITION = "repetition"
    INJECTED = "injected"
    FEW_TURNS = "few_turns"
    OVER_LENGTH = "over_length"
    COMPLETED = "completed"
    SOLVED = "solved"
    REWARD_BAND = "reward_band"
    SOLVE_RATE_BAND = "solve_rate_band"
    NEAR_DUPLICATE_TASK = "near_duplicate_task"
    NEAR_DUPLICATE = "near_duplicate"


class Reason(StrEnum):
    """Why a rule objects: the closed set of drop reasons and flags. On-disk words: add, never rename."""

    NO_REPLY = "no_reply"
    BENCHMARK_NGRAM = "benchmark_ngram"
    BENCHMARK_WHOLE = "benchmark_whole"
    BENCHMARK_NGRAM_IN_TURNS = "benchmark_ngram_in_turns"
    BENCHMARK_WHOLE_IN_TURNS = "benchmark_whole_in_turns"
    IDENTITY_NAME = "identity_name"
    IDENTITY_CLAIM = "identity_claim"
    FOREIGN_CHARACTERS = "foreign_characters"
    SECRET_KEY = "secret_key"
    SECRET_VALUE = "secret_value"
    PERSONAL_EMAIL = "personal_email"
    PERSONAL_PHONE = "personal_phone"
    TAMPERED = "tampered"
    TEST_CRASHED = "test_crashed"
    TEST_MISSING = "test_missing"
    INFRASTRUCTURE = "infrastructure"
    PRIVILEGED_COMMAND = "privileged_command"
    DESTRUCTIVE_COMMAND = "destructive_command"
    INVALID_TURNS = "invalid_turns"
    REPEATED_TURNS = "repeated_turns"
    REPEATED_TEXT = "repeated_text"
    INJECTED_MISTAKE = "injected_mistake"
    TOO_FEW_TURNS = "too_few_turns"
    TOO_LONG = "too_long"
    NOT_COMPLETED = "not_completed"
    NOT_SOLVED = "not_solved"
    REWARD_OUTSIDE = "reward_outside"
    SOLVE_RATE_OUTSIDE = "solve_rate_outside"
    SIMILAR_TASK = "similar_task"
    SIMILAR_TRAJECTORY = "similar_trajectory"


REASON_RULES: dict[Reason, RuleName] = {
    Reason.NO_REPLY: RuleName.EMPTY,
    Reason.BENCHMARK_NGRAM: RuleName.CONTAMINATION,
    Reason.BENCHMARK_WHOLE: RuleName.CONTAMINATION,
    Reason.BENCHMARK_NGRAM_IN_TURNS: RuleName.CONTAMINATED_TURNS,
    Reason.BENCHMARK_WHOLE_IN_TURNS: RuleName.CONTAMINATED_TURNS,
    Reason.IDENTITY_NAME: RuleName.IDENTITY,
    Reason.IDENTITY_CLAIM: RuleName.IDENTITY,
    Reason.FOREIGN_CHARACTERS: RuleName.FOREIGN_SCRIPT,
    Reason.SECRET_KEY: RuleName.SECRETS,
    Reason.SECRET_VALUE: RuleName.SECRETS,
    Reason.PERSONAL_EMAIL: RuleName.PERSONAL_DATA,
    Reason.PERSONAL_PHONE: RuleName.PERSONAL_DATA,
    Reason.TAMPERED: RuleName.TAMPERED,
    Reason.TEST_CRASHED: RuleName.VERIFIER_SUSPECT,
    Reason.TEST_MISSING: RuleName.VERIFIER_SUSPECT,
    Reason.INFRASTRUCTURE: RuleName.INFRASTRUCTURE_NOISE,
    Reason.PRIVILEGED_COMMAND: RuleName.RISKY_COMMANDS,
    Reason.DESTRUCTIVE_COMMAND: RuleName.RISKY_COMMANDS,
    Reason.INVALID_TURNS: RuleName.INVALID_TURNS,
    Reason.REPEATED_TURNS: RuleName.REPETITION,
    Reason.REPEATED_TEXT: RuleName.REPETITION,
    Reason.INJECTED_MISTAKE: RuleName.INJECTED,
    Reason.TOO_FEW_TURNS: RuleName.FEW_TURNS,
    Reason.TOO_LONG: RuleName.OVER_LENGTH,
    Reason.NOT_COMPLETED: RuleName.COMPLETED,
    Reason.NOT_SOLVED: RuleName.SOLVED,
    Reason.REWARD_OUTSIDE: RuleName.REWARD_BAND,
    Reason.SOLVE_RATE_OUTSIDE: RuleName.SOLVE_RATE_BAND,
    Reason.SIMILAR_TASK: RuleName.NEAR_DUPLICATE_TASK,
    Reason.SIMILAR_TRAJECTORY: RuleName.NEAR_DUPLICATE,
}
"""Every reason belongs to one rule, so that a row's `flags` tell which rules set them."""


class Action(StrEnum):
    """What a rule's objection does: drop the row, flag it, or nothing (the rule is not even asked)."""

    DROP = "drop"
    FLAG = "flag"
    OFF = "off"


class Finding(Record):
    """One objection of one rule. All fields are always there, so that they make a table."""

    rule: RuleName
    reason: Reason
    where: str
    """`instruction`, `message 3`, `message 3 reasoning` (messages count from 0), `turn 2`, `task`, `trajectory`,
    `verdict` or `corpus`."""
    match: str
    """Exactly what was found: the words of the n-gram, the phrase, the characters. Empty where a state is meant.
    Secrets and personal data are shortened."""
    evidence: str
    """The match in its surroundings, one line of at most 120 characters."""
    benchmark: str = ""
    """Contamination: name of the benchmark, and its entry (task or line)."""
    entry: str = ""


class Ruling(Record):
    """All that the rules say about one trajectory."""

    trajectory_id: str
    findings: tuple[Finding, ...] = ()
    """Of rules that drop, in the order of RuleName; the first one gives the reason."""
    flags: tuple[Finding, ...] = ()
    """Of rules that only flag."""

    @property
    def kept(self) -> bool:
        return not self.findings


class FilterFacts(Record):
    """What a report must tell of the filters besides their rulings."""

    preset: str
    actions: dict[RuleName, Action]
    """Of every rule."""
    settings: dict[str, str]
    """Parameters in words, e.g. `few_turns.at_least` → `2`, for those rules that are not off."""
    benchmarks: dict[str, BenchmarkFacts]

    @property
    def dropping(self) -> tuple[RuleName, ...]:
        return tuple(rule for rule in RuleName if self.actions.get(rule) is Action.DROP)


class BenchmarkFacts(Record):
    """A benchmark as it was screened against."""

    prompts: int
    ngram: int
    """Words."""
    mask_numbers: bool


@dataclass(frozen=True)
class Judged:
    """A trajectory, the task it is about, and the ruling on it."""

    task: Task
    trajectory: Trajectory
    ruling: Ruling
