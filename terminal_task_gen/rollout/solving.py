"""How often tasks are solved: the measured difficulty of each, and pass@k over all.

pass@k is the unbiased estimator of Chen et al. (arXiv 2107.03374): 1 - C(n-c, k) / C(n, k) for a task with c of n
attempts passed, averaged over the tasks with at least k attempts. Where attempts ended early because a task had
had enough (`rollout.until`), it looks easier than it is; the file says how they were chosen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from math import comb

from terminal_task_gen.records import Record
from terminal_task_gen.trajectory import Outcome

KS = (1, 2, 4, 5, 8, 10, 16, 32)


class TaskRate(Record):
    """One task under one actor."""

    attempts: int
    passed: int
    solve_rate: float
    """`passed / attempts`."""


class Solving(Record):
    """One line of trajectories/solve-rates.jsonl: of one actor."""

    model: str
    until: str
    """When a task had had enough: `attempts`, `success` or `both`."""
    tasks: dict[str, TaskRate]
    pass_at_k: dict[int, float]
    """k → estimate over the tasks with at least k attempts."""


def estimate_pass_at_k(attempts: int, passed: int, k: int) -> float:
    """Chance that at least one of k attempts passes, estimated from `attempts` of which `passed` did."""
    return 1.0 - comb(attempts - passed, k) / comb(attempts, k)


def measure_solving(outcomes: Iterable[Outcome], *, model: str, until: str) -> Solving:
    """Of one actor's judged attempts."""
    counts: dict[str, list[bool]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.model == model and outcome.verdict.judged:
            counts[outcome.task_id].append(outcome.verdict.passed)
    tasks = {
        task: TaskRate(attempts=len(seen), passed=sum(seen), solve_rate=round(sum(seen) / len(seen), 6))
        for task, seen in sorted(counts.items())
    }
    pass_at_k: dict[int, float] = {}
    for k in KS:
        chances = [estimate_pass_at_k(t.attempts, t.passed, k) for t in tasks.values() if t.attempts >= k]
        if chances:
            pass_at_k[k] = round(sum(chances) / len(chances), 6)
    return Solving(model=model, until=until, tasks=tasks, pass_at_k=pass_at_k)
