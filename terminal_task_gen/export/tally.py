"""Counts records as they stream by; the rows themselves are not kept. Makes the Report.

Each worker has a tally of its own; they pickle and add up, in any order, to the same report.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from operator import add, attrgetter

from terminal_task_gen.errors import POLICY
from terminal_task_gen.export.effects import RuleEffects
from terminal_task_gen.export.report import Counts, Generated, Group, Report, RolledOut, Spread
from terminal_task_gen.export.rows import CorpusRow, DroppedRow
from terminal_task_gen.finding import FilterFacts, Judged, Ruling
from terminal_task_gen.records import Usage
from terminal_task_gen.task import Rejection, Task
from terminal_task_gen.trajectory import Trajectory

SAMPLED = ("turns", "completion_tokens", "characters", "reward")
"""Quantities of kept rows whose distribution the report tells."""

KINDS = ("domain", "mode", "difficulty")

_Place = tuple[str, str, str]
_get_usage = attrgetter(*Usage.model_fields)


class Tally:
    """Feed it every record of a run once, then `build`. Rejections must be final, one an item."""

    def __init__(self, facts: FilterFacts) -> None:
        self._facts = facts
        self._generation = _Stage()
        self._rollouts = _Stage()
        self._verdicts: Counter[str] = Counter()
        self._stop_reasons: Counter[str] = Counter()
        self._tests: Counter[str] = Counter()
        self._effects = RuleEffects()
        self._groups = {kind: _Groups() for kind in KINDS}
        self._fates: Counter[tuple[_Place, str]] = Counter()
        """Domain, mode and difficulty, and what became of an item there; the groups' words but `rejected`."""
        self._samples: dict[str, Counter[float]] = {name: Counter() for name in SAMPLED}
        self._models: set[str] = set()
        self._authors: set[str] = set()

    def add_tasks(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            self._generation.accept(task.usage)
            self._verdicts["repaired"] += task.lineage.repair_rounds > 0
            self._authors.add(task.lineage.author_model)
            self._fates[_get_place(task), "tasks"] += 1

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
        self._effects.add(judged.ruling)
        place = _get_place(judged.task)
        self._fates[place, "trajectories"] += 1
        if judged.trajectory.verdict.passed:
            self._fates[place, "passed"] += 1
        self._count_fate(row, 1)

    def amend(self, before: CorpusRow, after: CorpusRow, ruling: Ruling) -> None:
        """A row of which more became known when all had been read; `ruling` is what came on top."""
        self._effects.amend(before, ruling)
        self._count_fate(before, -1)
        self._count_fate(after, 1)

    def merge(self, other: Tally) -> None:
        """Add another tally's counts to this one."""
        self._generation.merge(other._generation)
        self._rollouts.merge(other._rollouts)
        for name in ("_verdicts", "_stop_reasons", "_tests", "_fates"):
            getattr(self, name).update(getattr(other, name))
        self._effects.merge(other._effects)
        for kind, groups in other._groups.items():
            self._groups[kind].merge(groups)
        for sample, counter in other._samples.items():
            self._samples[sample].update(counter)
        self._models |= other._models
        self._authors |= other._authors

    def build(self) -> Report:
        groups = self._build_groups()
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
            filtered=self._effects.build(self._facts),
            domains=groups["domain"],
            modes=groups["mode"],
            difficulties=groups["difficulty"],
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
            unjudged=self._verdicts["unjudged"],
            tampered=self._verdicts["tampered"],
            recovered=self._verdicts["recovered"],
            tests=_sort(self._tests),
            crashed_tests=self._verdicts["crashed_tests"],
            usage=_round_cost(self._rollouts.usage),
        )

    def _count_trajectory(self, trajectory: Trajectory) -> None:
        verdict = trajectory.verdict
        ending = "passed" if verdict.passed else "partial" if verdict.reward > 0 else "zero"
        if not verdict.judged:
            ending = "unjudged"
        self._rollouts.accept(trajectory.usage)
        self._rollouts.pay(trajectory.wasted_usage)
        self._stop_reasons[trajectory.stop_reason] += 1
        self._models.add(trajectory.model)
        self._verdicts[ending] += 1
        self._verdicts["tampered"] += verdict.tampered
        self._verdicts["recovered"] += _recovered(trajectory)
        statuses = [test.status for test in verdict.tests]
        for status in statuses:
            self._tests[status] += 1
        self._verdicts["crashed_tests"] += "crashed" in statuses

    def _count_fate(self, row: CorpusRow, by: int) -> None:
        """Of a row as it goes into the corpus, or (`by` -1) as it does not after all."""
        kept = not isinstance(row, DroppedRow)
        self._fates[(row.domain, row.mode, row.difficulty), "kept" if kept else "dropped"] += by
        if kept:
            self._samples["turns"][row.turns] += by
            self._samples["completion_tokens"][row.completion_tokens] += by
            self._samples["characters"][sum([len(turn["content"]) for turn in row.conversations])] += by
            if row.judged:
                self._samples["reward"][row.reward] += by

    def _build_groups(self) -> dict[str, tuple[Group, ...]]:
        """Rejected items, of which a field may be unknown, and all others."""
        groups = {kind: _Groups() for kind in KINDS}
        for place, kind in enumerate(KINDS):
            groups[kind].merge(self._groups[kind])
            for (names, word), number in self._fates.items():
                groups[kind].add(names[place], word, number)
        return {kind: counted.build() for kind, counted in groups.items()}


class _Stage:
    """Accepted and refused items of one stage."""

    def __init__(self) -> None:
        self.accepted = self.rejected = self.owed = 0
        self.reasons: Counter[str] = Counter()
        self._usage: tuple[float, ...] = _get_usage(Usage())

    @property
    def total(self) -> int:
        return self.accepted + self.rejected + self.owed

    @property
    def usage(self) -> Usage:
        return Usage.model_validate(dict(zip(Usage.model_fields, self._usage, strict=True)))

    def accept(self, usage: Usage) -> None:
        self.accepted += 1
        self.pay(usage)

    def pay(self, usage: Usage) -> None:
        """Add up plainly: a record a row would cost more than all other counting."""
        paid = _get_usage(usage)
        if any(paid):
            self._usage = tuple(map(add, self._usage, paid))

    def merge(self, other: _Stage) -> None:
        self.accepted += other.accepted
        self.rejected += other.rejected
        self.owed += other.owed
        self.reasons.update(other.reasons)
        self._usage = tuple(map(add, self._usage, other._usage))

    def refuse(self, rejection: Rejection) -> None:
        self.reasons[rejection.reason] += 1
        self.pay(rejection.usage)
        if POLICY[rejection.cause].retry:
            self.owed += 1
        else:
            self.rejected += 1


class _Groups:
    """Counters by name."""

    def __init__(self) -> None:
        self._counters: dict[str, Counter[str]] = {}

    def add(self, name: str, word: str, by: int = 1) -> None:
        self._counters.setdefault(name, Counter())[word] += by

    def merge(self, other: _Groups) -> None:
        for name, counter in other._counters.items():
            self._counters.setdefault(name, Counter()).update(counter)

    def build(self) -> tuple[Group, ...]:
        return tuple(Group(name=name, **counter) for name, counter in sorted(self._counters.items()))


def _get_place(task: Task) -> _Place:
    return task.domain, task.lineage.mode, task.difficulty


def _recovered(trajectory: Trajectory) -> bool:
    errors = [step.error is not None for step in trajectory.steps]
    return True in errors and False in errors[errors.index(True) :]


def _round_cost(usage: Usage) -> Usage:
    """The last bits of a sum depend on the order in which items finished; the report must not."""
    return usage.model_copy(update={"cost_usd": round(usage.cost_usd, 6)})


def _sort(counts: Counter[str] | Counts) -> Counts:
    return {str(word): counts[word] for word in sorted(counts)}


def _spread(values: Counter[float]) -> Spread:
    """Of values and how often each came."""
    ordered = sorted((value, times) for value, times in values.items() if times)
    if not ordered:
        return Spread()
    count = sum(times for _, times in ordered)
    total = math.fsum(value * times for value, times in ordered)
    middle = count // 2
    return Spread(
        mean=round(total / count, 4),
        median=_pick(ordered, middle) if count % 2 else (_pick(ordered, middle - 1) + _pick(ordered, middle)) / 2,
        p90=_pick(ordered, -(-9 * count // 10) - 1),
        largest=ordered[-1][0],
        total=round(total, 4),
    )


def _pick(ordered: Sequence[tuple[float, int]], place: int) -> float:
    """The value at a place, counted from 0, of all values in order."""
    for value, times in ordered:
        if place < times:
            return value
        place -= times
    raise IndexError(place)
