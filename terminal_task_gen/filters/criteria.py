"""What rules need to know and what they are asked about. Plain data: travels to other processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from terminal_task_gen.config.filtering import FilterConfig, RulesConfig
from terminal_task_gen.filters.contamination import BenchmarkScreen, Overlap
from terminal_task_gen.filters.indexes import read_indexes
from terminal_task_gen.filters.passages import Passage
from terminal_task_gen.filters.presets import resolve_actions
from terminal_task_gen.finding import Action, FilterFacts, Finding, Reason, RuleName
from terminal_task_gen.task import Task
from terminal_task_gen.token_count import make_counter
from terminal_task_gen.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class Criteria:
    """A configuration, settled: every rule has an action, every benchmark is read."""

    preset: str
    actions: Mapping[RuleName, Action]
    rules: RulesConfig
    benchmarks: BenchmarkScreen

    def describe(self) -> FilterFacts:
        """What the report says about them."""
        settings = {
            f"{rule}.{name}": _say(value)
            for rule, given in self.rules
            if self.actions[RuleName(rule)] is not Action.OFF
            for name, value in given
            if name != "action"
        }
        benchmarks = {index.benchmark: index.describe() for index in self.benchmarks.indexes}
        return FilterFacts(preset=self.preset, actions=dict(self.actions), settings=settings, benchmarks=benchmarks)


@dataclass(slots=True)
class Case:
    """One trajectory before the rules."""

    task: Task
    trajectory: Trajectory
    passages: list[Passage]
    criteria: Criteria
    task_findings: tuple[Finding, ...] = ()
    """What was found in the task itself."""
    overlaps: Mapping[int, Overlap] = field(default_factory=dict)
    """Passage → the benchmark text in it."""
    spoken: list[Passage] = field(init=False)
    """Those of the passages that are the teacher's."""
    triggers: int = field(init=False)
    """Of all passages together."""
    says: int = field(init=False)
    """Of what is spoken."""

    def __post_init__(self) -> None:
        self.spoken = [passage for passage in self.passages if passage.spoken]
        self.triggers = reduce(or_, [passage.triggers for passage in self.passages], 0)
        self.says = reduce(or_, [passage.says for passage in self.spoken], 0)


def build_criteria(config: FilterConfig) -> Criteria:
    """Read the benchmarks and settle what each rule does. Raises UsageError naming the benchmark file and line."""
    actions = resolve_actions(config)
    if actions[RuleName.OVER_LENGTH] is not Action.OFF:
        make_counter(config.rules.over_length.tokenizer)
    screen = BenchmarkScreen(tuple(read_indexes(config)))
    return Criteria(preset=config.preset, actions=actions, rules=config.rules, benchmarks=screen)


def report_overlap(rule: RuleName, where: str, overlap: Overlap) -> Finding:
    """A finding of either contamination rule."""
    in_turns = rule is RuleName.CONTAMINATED_TURNS
    whole = Reason.BENCHMARK_WHOLE_IN_TURNS if in_turns else Reason.BENCHMARK_WHOLE
    ngram = Reason.BENCHMARK_NGRAM_IN_TURNS if in_turns else Reason.BENCHMARK_NGRAM
    return Finding(
        rule=rule,
        reason=whole if overlap.whole else ngram,
        where=where,
        match=overlap.words,
        evidence=overlap.evidence,
        benchmark=overlap.benchmark,
        entry=overlap.entry,
    )


def _say(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
