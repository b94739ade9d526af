"""Counts records as they stream by, a few integers a row; the rows themselves are not kept. Makes the Report."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable

from terminal_task_gen.errors import POLICY
from terminal_task_gen.export.report import (
    BenchmarkHits,
    Counts,
    Filtered,
    Generated,
    Group,
    Report,
    RolledOut,
    RuleCount,
    Spread,
)
from terminal_task_gen.export.rows import CorpusRow
from terminal_task_gen.finding import FilterFacts, Judged, RuleName
from terminal_task_gen.records import Usage
from terminal_task_gen.task import Rejection, Task
from terminal_task_gen.trajectory import Trajectory


class Tally:
    """Feed it every record of a run once, then `build`. Rejections must be final, one an item."""

    def __init__(self, facts: FilterFacts) -> None:
        self._facts = facts
        self._generation = _Stage()
        self._rollouts = _Stage()
        self._verdicts: Counter[str] = Counter()
        self._stop_reasons: Counter[str] = Counter()
        self._tests: Counter[str] = Counter()
        self._rulings = _Rulings()
        self._groups = {kind: _Groups() for kind in ("domain", "mode", "difficulty")}
        self._samples = {name: array("d") for name in ("turns", "completion_tokens", "characters", "reward")}
        self._models: set[str] = set()
        self._authors: set[str] = set()

    def add_tasks(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            self._generation.accept(task.usage)
            self._verdicts["repaired"] += task.lineage.repair_rounds > 0
            self._authors.add(task.lineage.author_model)
            self._count_groups(task, "tasks")

    def add_rejections(self, rejections: Iterable[Rejection]) -> None:
        """Of generation."""
        for rejection in rejections:
            self._generation.refuse(rejection)
            places = {"domain": rejection.domain, "mode": rejection.mode, "difficulty": rejection.difficulty}
            for kind, name in places.items():
                if name is not None and not POLICY[rejection.cause].retry:
                    self._groups[kind].add(name, "rejected")

    def add_failures(self, failures: Iterable[Rejection]) -> None:
        """Of rollouts."""
        for failure in failures:
            self._rollouts.refuse(failure)

    def add_row(self, judged: Judged, row: CorpusRow) -> None:
        """One judged trajectory and the row made of it."""
        self._count_trajectory(judged.trajectory)
        self._rulings.add(judged)
        self._count_groups(judged.task, "trajectories")
        self._count_groups(judged.task, "kept" if judged.ruling.kept else "dropped")
        if judged.trajectory.verdict.passed:
            self._count_groups(judged.task, "passed")
        if judged.ruling.kept:
            self._samples["turns"].append(row.turns)
            self._samples["completion_tokens"].append(row.completion_tokens)
            self._samples["characters"].append(sum(len(turn.content) for turn in row.conversations))
            self._samples["reward"].append(row.reward)

    def build(self) -> Report:
        return Report(
            generated=Generated(
                requests=self._generation.total,
                tasks=self._generation.accepted,
                repaired=self._verdicts["repaired"],
                rejected=self._generation.rejected,
                owed=self._generation.owed,
                reasons=_sort(self._generation.reasons),
                usage=_round_cost(self._generation.usage),
            ),
            rolled_out=self._build_rollouts(),
            filtered=self._rulings.build(self._facts),
            domains=self._groups["domain"].build(),
            modes=self._groups["mode"].build(),
            difficulties=self._groups["difficulty"].build(),
            turns=_spread(self._samples["turns"]),
            completion_tokens=_spread(self._samples["completion_tokens"]),
            characters=_spread(self._samples["characters"]),
            rewards=_spread(self._samples["reward"]),
            models=tuple(sorted(self._models)),
            authors=tuple(sorted(self._authors)),
            usage=_round_cost(self._generation.usage + self._rollouts.usage),
        )

    def _build_rollouts(self) -> RolledOut:
        return RolledOut(
            attempts=self._rollouts.total,
            trajectories=self._rollouts.accepted,
            failed=self._rollouts.rejected,
            owed=self._rollouts.owed,
            reasons=_sort(self._rollouts.reasons),
            stop_reasons=_sort(self._stop_reasons),
            passed=self._verdicts["passed"],
            partial=self._verdicts["partial"],
            zero=self._verdicts["zero"],
            tampered=self._verdicts["tampered"],
            recovered=self._verdicts["recovered"],
            tests=_sort(self._tests),
            crashed_tests=self._verdicts["crashed_tests"],
            usage=_round_cost(self._rollouts.usage),
        )

    def _count_trajectory(self, trajectory: Trajectory) -> None:
        verdict = trajectory.verdict
        ending = "passed" if verdict.passed else "partial" if verdict.reward > 0 else "zero"
        self._rollouts.accept(trajectory.usage + trajectory.wasted_usage)
        self._stop_reasons[trajectory.stop_reason] += 1
        self._models.add(trajectory.model)
        self._verdicts[ending] += 1
        self._verdicts["tampered"] += verdict.tampered
        self._verdicts["recovered"] += _recovered(trajectory)
        self._tests.update(test.status for test in verdict.tests)
        self._verdicts["crashed_tests"] += any(test.status == "crashed" for test in verdict.tests)

    def _count_groups(self, task: Task, word: str) -> None:
        self._groups["domain"].add(task.domain, word)
        self._groups["mode"].add(task.lineage.mode, word)
        self._groups["difficulty"].add(task.difficulty, word)


class _Stage:
    """Accepted and refused items of one stage."""

    def __init__(self) -> None:
        self.accepted = self.rejected = self.owed = 0
        self.reasons: Counter[str] = Counter()
        self.usage = Usage()

    @property
    def total(self) -> int:
        return self.accepted + self.rejected + self.owed

    def accept(self, usage: Usage) -> None:
        self.accepted += 1
        self.usage += usage

    def refuse(self, rejection: Rejection) -> None:
        self.reasons[rejection.reason] += 1
        self.usage += rejection.usage
        if POLICY[rejection.cause].retry:
            self.owed += 1
        else:
            self.rejected += 1


class _Groups:
    """Counters by name."""

    def __init__(self) -> None:
        self._counters: dict[str, Counter[str]] = {}

    def add(self, name: str, word: str) -> None:
        self._counters.setdefault(name, Counter())[word] += 1

    def build(self) -> tuple[Group, ...]:
        return tuple(Group(name=name, **counter) for name, counter in sorted(self._counters.items()))


class _Rulings:
    """What the rules did, alone and together."""

    def __init__(self) -> None:
        self._kept = 0
        self._sets: Counter[tuple[RuleName, ...]] = Counter()
        self._flags: Counter[str] = Counter()
        self._benchmarks: Counter[str] = Counter()

    def add(self, judged: Judged) -> None:
        ruling = judged.ruling
        self._kept += ruling.kept
        self._sets[tuple(finding.rule for finding in ruling.findings)] += 1
        self._flags.update(flag.rule for flag in ruling.flags)
        self._benchmarks.update(finding.benchmark for finding in (*ruling.findings, *ruling.flags) if finding.benchmark)

    def build(self, facts: FilterFacts) -> Filtered:
        together = {rules: rows for rules, rows in self._sets.items() if rules}
        return Filtered(
            kept=self._kept,
            dropped=sum(together.values()),
            rules=tuple(self._count_rule(rule, enabled=rule in facts.enabled) for rule in RuleName),
            overlaps=_sort({"+".join(sorted(rules)): rows for rules, rows in together.items()}),
            ngram=facts.ngram,
            benchmarks=tuple(
                BenchmarkHits(benchmark=name, prompts=prompts, rows=self._benchmarks[name])
                for name, prompts in facts.benchmark_prompts.items()
            ),
        )

    def _count_rule(self, rule: RuleName, *, enabled: bool) -> RuleCount:
        return RuleCount(
            rule=rule,
            enabled=enabled,
            hits=sum(rows for rules, rows in self._sets.items() if rule in rules) + self._flags[rule],
            alone=self._sets[(rule,)],
            first=sum(rows for rules, rows in self._sets.items() if rules[:1] == (rule,)),
        )


def _recovered(trajectory: Trajectory) -> bool:
    errors = [step.error is not None for step in trajectory.steps]
    return True in errors and False in errors[errors.index(True) :]


def _round_cost(usage: Usage) -> Usage:
    """The last bits of a sum depend on the order in which items finished; the report must not."""
    return usage.model_copy(update={"cost_usd": round(usage.cost_usd, 6)})


def _sort(counts: Counter[str] | Counts) -> Counts:
    return {str(word): counts[word] for word in sorted(counts)}


def _spread(values: array[float]) -> Spread:
    if not values:
        return Spread()
    ordered = sorted(values)
    count, middle = len(ordered), len(ordered) // 2
    total = sum(ordered)
    return Spread(
        mean=round(total / count, 4),
        median=ordered[middle] if count % 2 else (ordered[middle - 1] + ordered[middle]) / 2,
        p90=ordered[-(-9 * count // 10) - 1],
        largest=ordered[-1],
        total=round(total, 4),
    )
