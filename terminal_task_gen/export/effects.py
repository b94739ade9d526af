"""What the rules did: each alone, each first, and which of them together. Small: a count a set of rules."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import permutations

from terminal_task_gen.export.report import BenchmarkHits, ContaminatedRow, Counts, Filtered, RuleCount
from terminal_task_gen.export.rows import CorpusRow, DroppedRow
from terminal_task_gen.finding import REASON_RULES, Action, FilterFacts, RuleName, Ruling

MAX_CONTAMINATED = 1_000
"""Rows whose overlaps the report spells out."""

_Rules = tuple[RuleName, ...]


class RuleEffects:
    """Feed it every ruling; picklable, and adds up."""

    def __init__(self) -> None:
        self._sets: Counter[tuple[_Rules, _Rules]] = Counter()
        """Rules that drop a row, rules that flag it → rows."""
        self._benchmarks: Counter[str] = Counter()
        self._contaminated: list[ContaminatedRow] = []

    def add(self, ruling: Ruling) -> None:
        if not ruling.findings and not ruling.flags:
            self._sets[(), ()] += 1
            return
        drops = tuple([finding.rule for finding in ruling.findings])
        self._sets[drops, tuple([flag.rule for flag in ruling.flags])] += 1
        overlaps = [finding for finding in (*ruling.findings, *ruling.flags) if finding.benchmark]
        if not overlaps:
            return
        self._benchmarks.update({finding.benchmark for finding in overlaps})
        self._contaminated += [
            ContaminatedRow(
                trajectory=ruling.trajectory_id,
                rule=finding.rule,
                where=finding.where,
                benchmark=finding.benchmark,
                entry=finding.entry,
                ngram=finding.match,
            )
            for finding in overlaps
        ]
        self._cut()

    def amend(self, row: CorpusRow, more: Ruling) -> None:
        """A row that was fed gets more objections."""
        drops = tuple(finding.rule for finding in row.findings) if isinstance(row, DroppedRow) else ()
        flags = tuple(REASON_RULES[reason] for reason in row.flags)
        self._sets[drops, flags] -= 1
        new_drops = _order({*drops, *(finding.rule for finding in more.findings)})
        self._sets[new_drops, _order({*flags, *(flag.rule for flag in more.flags)})] += 1

    def merge(self, other: RuleEffects) -> None:
        self._sets.update(other._sets)
        self._benchmarks.update(other._benchmarks)
        self._contaminated += other._contaminated
        self._cut()

    def build(self, facts: FilterFacts) -> Filtered:
        sets = {rules: rows for rules, rows in self._sets.items() if rows}
        dropping: Counter[_Rules] = Counter()
        for (drops, _), rows in sets.items():
            dropping[drops] += rows
        kept = dropping.pop((), 0)
        return Filtered(
            preset=facts.preset,
            kept=kept,
            dropped=dropping.total(),
            rules=tuple(_count_rule(rule, facts.actions.get(rule, Action.OFF), sets) for rule in RuleName),
            settings=facts.settings,
            overlaps=dict(sorted(("+".join(sorted(rules)), rows) for rules, rows in dropping.items())),
            together=_count_pairs(sets),
            benchmarks=tuple(
                BenchmarkHits(benchmark=name, rows=self._benchmarks[name], **dict(benchmark))
                for name, benchmark in facts.benchmarks.items()
            ),
            contaminated=tuple(sorted(self._contaminated, key=_name_place)[:MAX_CONTAMINATED]),
        )

    def _cut(self) -> None:
        if len(self._contaminated) > 4 * MAX_CONTAMINATED:
            self._contaminated = sorted(self._contaminated, key=_name_place)[:MAX_CONTAMINATED]


def _count_rule(rule: RuleName, action: Action, sets: dict[tuple[_Rules, _Rules], int]) -> RuleCount:
    return RuleCount(
        rule=rule,
        action=action,
        hits=sum(rows for (drops, flags), rows in sets.items() if rule in drops or rule in flags),
        alone=sum(rows for (drops, _), rows in sets.items() if drops == (rule,)),
        first=sum(rows for (drops, _), rows in sets.items() if drops[:1] == (rule,)),
    )


def _count_pairs(sets: dict[tuple[_Rules, _Rules], int]) -> dict[str, Counts]:
    pairs: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (drops, flags), rows in sets.items():
        for rule, other in permutations(_order({*drops, *flags}), 2):
            pairs[rule][other] += rows
    return {
        str(rule): {str(other): pairs[rule][other] for other in RuleName if pairs[rule][other]}
        for rule in RuleName
        if rule in pairs
    }


def _order(rules: set[RuleName]) -> _Rules:
    return tuple(rule for rule in RuleName if rule in rules)


def _name_place(row: ContaminatedRow) -> tuple[str, str]:
    return row.trajectory, row.rule
