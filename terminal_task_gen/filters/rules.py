"""The rules, in the order in which they give the reason. Polarity: a finding drops the row.

A rule is a plain function (task, trajectory, criteria) → Finding | None: no state, no files, no clock, so that rulings
are the same anywhere and a filter can be run again over what is on disk. A further rule is a function, a name in
finding.py and a line in RULES. All rules are asked about every row, also those switched off, which only flag it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from terminal_task_gen.config import FilterConfig
from terminal_task_gen.filters.benchmarks import read_benchmarks
from terminal_task_gen.filters.contamination import BenchmarkIndex, build_index
from terminal_task_gen.filters.identity import find_leak
from terminal_task_gen.filters.passages import Passage, decode_escapes, list_passages, quote
from terminal_task_gen.finding import FilterFacts, Finding, Reason, RuleName, Ruling
from terminal_task_gen.task import Task
from terminal_task_gen.trajectory import Trajectory

# Unified ideographs with extensions A to H, compatibility ideographs. Kana, Hangul and CJK punctuation are not Chinese.
_IDEOGRAPHS = re.compile("[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\U00020000-\U0002fa1f\U00030000-\U000323af]+")


@dataclass(frozen=True)
class Criteria:
    """What the rules need to know. Plain data: travels to other processes."""

    enabled: frozenset[RuleName]
    benchmarks: BenchmarkIndex
    identity_terms: tuple[str, ...]

    def describe(self) -> FilterFacts:
        """What the report says about them."""
        return FilterFacts(
            enabled=tuple(rule.name for rule in RULES if rule.name in self.enabled),
            ngram=self.benchmarks.ngram,
            benchmark_prompts=dict(Counter(prompt.benchmark for prompt in self.benchmarks.prompts)),
        )


class Rule(NamedTuple):
    """A rule under its name."""

    name: RuleName
    find: Callable[[Task, Trajectory, Criteria], Finding | None]


def build_criteria(config: FilterConfig) -> Criteria:
    """Read the benchmarks and settle which rules are on. Raises UsageError naming the benchmark file and line."""
    switched_on = {rule.name for rule in RULES if getattr(config, rule.name, True)}
    return Criteria(
        enabled=frozenset(switched_on),
        benchmarks=build_index(read_benchmarks(config.benchmarks), ngram=config.ngram),
        identity_terms=config.identity_terms,
    )


def apply_rules(task: Task, trajectory: Trajectory, criteria: Criteria) -> Ruling:
    """Every objection of every rule to one trajectory."""
    findings = [finding for rule in RULES if (finding := rule.find(task, trajectory, criteria)) is not None]
    return Ruling(
        trajectory_id=trajectory.id,
        findings=tuple(f for f in findings if f.rule in criteria.enabled),
        flags=tuple(f for f in findings if f.rule not in criteria.enabled),
    )


def find_empty(task: Task, trajectory: Trajectory, criteria: Criteria) -> Finding | None:
    """Drops a row in which the teacher never spoke (its time was up before the first reply): nothing to learn from."""
    if any(message.role == "assistant" for message in trajectory.messages):
        return None
    return Finding(
        rule=RuleName.EMPTY,
        reason=Reason.NO_REPLY,
        where="trajectory",
        match="",
        evidence=f"no assistant message; stopped: {trajectory.stop_reason}",
    )


def find_contamination(task: Task, trajectory: Trajectory, criteria: Criteria) -> Finding | None:
    """Drops a row whose task's instruction shares words in a row with a benchmark prompt."""
    overlap = criteria.benchmarks.find_overlap(task.instruction)
    if overlap is None:
        return None
    return Finding(
        rule=RuleName.CONTAMINATION,
        reason=Reason.BENCHMARK_WHOLE if overlap.whole else Reason.BENCHMARK_NGRAM,
        where="instruction",
        match=overlap.words,
        evidence=overlap.evidence,
        benchmark=overlap.prompt.benchmark,
        entry=overlap.prompt.entry,
    )


def find_identity(task: Task, trajectory: Trajectory, criteria: Criteria) -> Finding | None:
    """Drops a row in which the teacher says, in reasoning or prose, what it is or who made it."""
    for passage in list_passages(trajectory):
        prose = passage.prose
        leak = find_leak(prose, model=trajectory.model, terms=criteria.identity_terms, instruction=task.instruction)
        if leak is not None:
            return Finding(
                rule=RuleName.IDENTITY,
                reason=Reason.IDENTITY_CLAIM if leak.claimed else Reason.IDENTITY_NAME,
                where=passage.where,
                match=prose[leak.start : leak.end],
                evidence=quote(passage.text, leak.start, leak.end),
            )
    return None


def find_chinese(task: Task, trajectory: Trajectory, criteria: Criteria) -> Finding | None:
    """Drops a row with a CJK ideograph in what the teacher wrote, keystrokes included; observations do not count."""
    for passage in list_passages(trajectory):
        finding = _find_ideographs(passage)
        if finding is not None:
            return finding
    return None


def find_incomplete(task: Task, trajectory: Trajectory, criteria: Criteria) -> Finding | None:
    """Drops a row whose teacher did not say, twice, that it was done."""
    if trajectory.completed:
        return None
    return Finding(
        rule=RuleName.COMPLETED_ONLY,
        reason=Reason.NOT_COMPLETED,
        where="trajectory",
        match="",
        evidence=f"stopped: {trajectory.stop_reason} after {len(trajectory.steps)} turns",
    )


def find_unsolved(task: Task, trajectory: Trajectory, criteria: Criteria) -> Finding | None:
    """Drops a row for which not every test passed."""
    if trajectory.verdict.passed:
        return None
    failed = ", ".join(test.name for test in trajectory.verdict.tests if test.status != "passed")
    evidence = f"reward {trajectory.verdict.reward:g}; not passed: {failed or 'no result'}"
    return Finding(
        rule=RuleName.SUCCESS_ONLY,
        reason=Reason.NOT_SOLVED,
        where="verdict",
        match="",
        evidence=quote(evidence, 0, len(evidence)),
    )


def _find_ideographs(passage: Passage) -> Finding | None:
    for text in (passage.text, decode_escapes(passage.text)):
        found = _IDEOGRAPHS.search(text)
        if found is not None:
            return Finding(
                rule=RuleName.CHINESE,
                reason=Reason.CHINESE_CHARACTERS,
                where=passage.where,
                match=found[0],
                evidence=quote(text, *found.span()),
            )
    return None


RULES: tuple[Rule, ...] = (
    Rule(RuleName.EMPTY, find_empty),
    Rule(RuleName.CONTAMINATION, find_contamination),
    Rule(RuleName.IDENTITY, find_identity),
    Rule(RuleName.CHINESE, find_chinese),
    Rule(RuleName.COMPLETED_ONLY, find_incomplete),
    Rule(RuleName.SUCCESS_ONLY, find_unsolved),
)
