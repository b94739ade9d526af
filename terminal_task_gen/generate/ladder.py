"""The ladder of gates that a draft climbs, cheapest first, and what each rung cost.

    static → leak → duplicate → contamination → collect → fail_first → oracle → flake → budget

The four that read are all asked, so that one repair round can mend everything they find; of those that run a sandbox
the first refusal ends the climb. A gate that has nothing to go by (no corpora, no benchmarks, no solution) is left out
and does not count as passed. Costs go to a Climb, not into results: rows must not depend on the machine's speed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from terminal_task_gen.config import GateConfig
from terminal_task_gen.generate.complaint import Complaint, RefusedError
from terminal_task_gen.generate.draft import Draft
from terminal_task_gen.generate.leak_gate import check_leaks
from terminal_task_gen.generate.sandbox_gates import (
    Proving,
    check_budget,
    check_collected,
    check_fail_first,
    check_flake,
    check_oracle,
)
from terminal_task_gen.generate.static_case import StaticCase
from terminal_task_gen.generate.static_gates import check_statics, read_suite
from terminal_task_gen.task import GateResult
from terminal_task_gen.verifier import Conditions

LADDER = ("static", "leak", "duplicate", "contamination", "collect", "fail_first", "oracle", "flake", "budget")

Screen = Callable[[str], str | None]
"""Given an instruction, what is wrong with it, or None. Made by the composition root from what the user gave."""


@dataclass(frozen=True)
class Screens:
    """What a task must not repeat; None where the user gave nothing to compare with."""

    duplicate: Screen | None = None
    contamination: Screen | None = None


NO_SCREENS = Screens()


@dataclass
class Climb:
    """How far one draft came."""

    results: list[GateResult] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    """Gate → what it took, of those that ran, the refusing one included."""

    @contextmanager
    def clock(self, gate: str) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds[gate] = self.seconds.get(gate, 0.0) + time.monotonic() - begun


def run_reading_gates(draft: Draft, climb: Climb, *, modules: frozenset[str], screens: Screens) -> None:
    """Static, leak, duplicate and contamination. Raises RefusedError with every complaint of all of them."""
    with climb.clock("static"):
        case = StaticCase(draft, read_suite(draft), modules)
        found = {"static": check_statics(case)}
    with climb.clock("leak"):
        found["leak"] = check_leaks(case)
    evidence = {
        "static": f"{len(case.suite.functions)} tests, {len(draft.files)} files",
        "leak": "nothing expected is shown",
    }
    for gate, screen in (("duplicate", screens.duplicate), ("contamination", screens.contamination)):
        if screen is not None:
            with climb.clock(gate):
                why = screen(draft.instruction)
            found[gate] = [] if why is None else [Complaint(gate, why)]
            evidence[gate] = "nothing like it is known"
    complaints = [complaint for several in found.values() for complaint in several]
    if complaints:
        raise RefusedError(next(gate for gate, several in found.items() if several), complaints)
    climb.results += [GateResult(gate=gate, evidence=text) for gate, text in evidence.items()]


async def run_sandbox_gates(proving: Proving, climb: Climb, config: GateConfig) -> None:
    """Collect and fail-first; with a solution oracle, flake and budget. Raises RefusedError, SandboxError."""
    results: list[GateResult] = []
    # One run serves both; its time is booked on the first of them.
    with climb.clock("collect"):
        untouched = await proving.try_untouched()
        results.append(check_collected(untouched, proving.draft))
    with climb.clock("fail_first"):
        results.append(check_fail_first(untouched, proving.draft))
    if proving.draft.solution is not None:
        with climb.clock("oracle"):
            solved = await proving.try_solved(Conditions(is_measured=True))
            results.append(check_oracle(solved))
        if config.flake_proofs:
            with climb.clock("flake"):
                results.append(await check_flake(proving, config.flake_proofs))
        with climb.clock("budget"):
            results.append(check_budget(solved.report.spent, proving.limits, config))
    climb.results += results
