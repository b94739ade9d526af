"""pass@k and solve rates from outcomes."""

from __future__ import annotations

from itertools import combinations

import pytest

from terminal_task_gen.rollout.solving import estimate_pass_at_k, measure_solving
from terminal_task_gen.trajectory import Outcome


@pytest.mark.parametrize(("attempts", "passed"), [(1, 0), (1, 1), (4, 1), (5, 3), (6, 6)])
def test_the_estimate_is_the_share_of_draws_with_a_pass(attempts: int, passed: int) -> None:
    seen = [True] * passed + [False] * (attempts - passed)
    for k in range(1, attempts + 1):
        draws = list(combinations(seen, k))
        assert estimate_pass_at_k(attempts, passed, k) == pytest.approx(sum(map(any, draws)) / len(draws))


def make_outcome(task: str, number: int, passed: bool, *, model: str = "m", judged: bool = True) -> Outcome:
    verdict = {"passed": passed, "judged": judged}
    return Outcome.model_validate({"id": f"{task}{number}", "task_id": task, "model": model, "verdict": verdict})


def test_rates_are_of_one_actor_and_of_judged_attempts() -> None:
    outcomes = [make_outcome("a", n, n == 0) for n in range(4)]
    outcomes += [make_outcome("b", 0, True), make_outcome("a", 9, True, model="other")]
    outcomes += [make_outcome("c", 0, False, judged=False)]
    solving = measure_solving(outcomes, model="m", until="attempts")
    assert {task: (rate.attempts, rate.solve_rate) for task, rate in solving.tasks.items()} == {
        "a": (4, 0.25),
        "b": (1, 1.0),
    }
    assert solving.pass_at_k == {1: 0.625, 2: 0.5, 4: 1.0}
    assert measure_solving([], model="m", until="both").pass_at_k == {}
