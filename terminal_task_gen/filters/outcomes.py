"""Rules about how it ended: completed, solved, reward, and whether the verdict itself can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from terminal_task_gen.config.filtering import SolveRateConfig
from terminal_task_gen.filters.criteria import Case
from terminal_task_gen.filters.passages import quote
from terminal_task_gen.finding import Finding, Reason, RuleName


class Attempts(NamedTuple):
    """What became of a task's attempts."""

    passed: int
    total: int


def find_tampered(case: Case) -> Finding | None:
    """The tests or their tools were interfered with."""
    verdict = case.trajectory.verdict
    if not verdict.tampered:
        return None
    changes = f"changed: {', '.join(verdict.system_changes)}" if verdict.system_changes else "the verifier says so"
    return _find_in_verdict(RuleName.TAMPERED, Reason.TAMPERED, changes)


def find_verifier_suspect(case: Case) -> Finding | None:
    """A test died of something else than an assertion, or gave no result, while others passed: its own fault?"""
    tests = case.trajectory.verdict.tests
    if not any(test.status == "passed" for test in tests):
        return None
    for status, reason in (("crashed", Reason.TEST_CRASHED), ("missing", Reason.TEST_MISSING)):
        for test in tests:
            if test.status == status:
                return _find_in_verdict(RuleName.VERIFIER_SUSPECT, reason, f"{test.name} {status}: {test.message}")
    return None


def find_incomplete(case: Case) -> Finding | None:
    """The teacher did not say, twice, that it was done."""
    trajectory = case.trajectory
    if trajectory.completed:
        return None
    return Finding(
        rule=RuleName.COMPLETED,
        reason=Reason.NOT_COMPLETED,
        where="trajectory",
        match="",
        evidence=f"stopped: {trajectory.stop_reason} after {len(trajectory.steps)} turns",
    )


def find_unsolved(case: Case) -> Finding | None:
    """Not every test passed."""
    verdict = case.trajectory.verdict
    if verdict.passed:
        return None
    if not verdict.judged:
        return _find_in_verdict(RuleName.SOLVED, Reason.NOT_SOLVED, "the task has no tests: nobody knows")
    failed = ", ".join(test.name for test in verdict.tests if test.status != "passed")
    evidence = f"reward {verdict.reward:g}; not passed: {failed or 'no result'}"
    return _find_in_verdict(RuleName.SOLVED, Reason.NOT_SOLVED, evidence)


def find_reward_outside(case: Case) -> Finding | None:
    """The reward is outside of the band."""
    band, reward = case.criteria.rules.reward_band, case.trajectory.verdict.reward
    if not case.trajectory.verdict.judged or band.at_least <= reward <= band.at_most:
        return None
    evidence = f"reward {reward:g}, wanted {band.at_least:g} to {band.at_most:g}"
    return _find_in_verdict(RuleName.REWARD_BAND, Reason.REWARD_OUTSIDE, evidence)


def find_solve_rates_outside(attempts: Mapping[str, Attempts], band: SolveRateConfig) -> dict[str, Finding]:
    """Task → objection to all its trajectories: the share of its attempts that passed is outside of the band."""
    found: dict[str, Finding] = {}
    for task, (passed, total) in attempts.items():
        if total >= band.min_attempts and not band.at_least <= passed / total <= band.at_most:
            found[task] = Finding(
                rule=RuleName.SOLVE_RATE_BAND,
                reason=Reason.SOLVE_RATE_OUTSIDE,
                where="corpus",
                match="",
                evidence=f"{passed} of {total} attempts passed, wanted {band.at_least:g} to {band.at_most:g}",
            )
    return found


def _find_in_verdict(rule: RuleName, reason: Reason, evidence: str) -> Finding:
    return Finding(rule=rule, reason=reason, where="verdict", match="", evidence=quote(evidence, 0, len(evidence)))
