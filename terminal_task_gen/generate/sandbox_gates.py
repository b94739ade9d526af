"""Gates that run: the tests collect, an untouched sandbox does not pass, the reference solution does, again and again.

Each sandbox is fresh: one untouched (collect and fail-first share its run), one in which the solution has run (oracle;
its run is measured for the budget), and some more of these, one under other conditions (flake). What the draft does
wrong is a RefusedError; a sandbox that dies is a SandboxError and says nothing of the draft.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from terminal_task_gen.bundle import list_sandbox_files
from terminal_task_gen.config import GateConfig
from terminal_task_gen.generate.complaint import Complaint, RefusedError
from terminal_task_gen.generate.draft import Draft
from terminal_task_gen.generate.suite_faults import is_suite_fault
from terminal_task_gen.sandbox import ExecResult, Sandbox, SandboxFactory, SandboxFile, SandboxSpec
from terminal_task_gen.task import GateResult, Limits, TaskFile
from terminal_task_gen.trajectory import TestOutcome
from terminal_task_gen.verifier import ORDINARY, Conditions, Spent, TestReport
from terminal_task_gen.verifier.bench import TestBench

MAX_UNTOUCHED_WEIGHT = 0.0
"""Weight of tests that may pass with nothing done. A guard (`inputs unchanged`) belongs into a test of an output."""
SOLUTION_DIR = "/run/solution"
MAX_MESSAGE_CHARS = 1_200
"""Of one failure: enough to hold what was expected beside what was found."""
MAX_LOG_CHARS = 1_500
MAX_TIME_PART = 0.5
"""Of the verifier's limit: an agent's honest but slower program must not run into it."""
CLOCK_SHIFT_SEC = 33 * 86_400 + 7 * 3_600
"""Another hour, weekday and month, and near enough that a certificate made for three months is still good."""


@dataclass(frozen=True)
class Proving:
    """Where one draft is tried: a driver, what to start, and the draft itself."""

    factory: SandboxFactory
    bench: TestBench
    spec: SandboxSpec
    draft: Draft
    limits: Limits

    async def try_untouched(self) -> TestReport:
        async with open_sandbox(self.factory, self.spec, self.draft.files) as sandbox:
            return await self._run_tests(sandbox, ORDINARY)

    async def try_solved(self, conditions: Conditions) -> Solved:
        """Needs a draft with a solution."""
        solution, timeout_sec = self.draft.solution or "", self.limits.agent_timeout_sec
        async with open_sandbox(self.factory, self.spec, self.draft.files) as sandbox:
            ran = await run_solution(sandbox, solution, timeout_sec=timeout_sec)
            return Solved(ran, await self._run_tests(sandbox, conditions))

    async def _run_tests(self, sandbox: Sandbox, conditions: Conditions) -> TestReport:
        return await self.bench.run_tests(
            sandbox,
            self.spec.image,
            tests=self.draft.tests,
            weights=self.draft.weights,
            timeout_sec=self.limits.verifier_timeout_sec,
            conditions=conditions,
        )


@dataclass(frozen=True)
class Solved:
    """What the solution's own run gave, and what the tests said after it."""

    ran: ExecResult
    report: TestReport

    @property
    def passed(self) -> bool:
        return self.report.passed and not self.ran.timed_out


@asynccontextmanager
async def open_sandbox(factory: SandboxFactory, spec: SandboxSpec, files: Sequence[TaskFile]) -> AsyncIterator[Sandbox]:
    """A fresh sandbox with the task's files in /app; closed whatever happens."""
    sandbox = await factory.start(spec)
    try:
        await sandbox.upload(list_sandbox_files(files))
        yield sandbox
    finally:
        await sandbox.close()


async def run_solution(sandbox: Sandbox, solution: str, *, timeout_sec: float) -> ExecResult:
    """Run the reference solution as a script, then remove it; the result's stdout is the end of all that it said.

    It writes to a file, not to us: a server that it leaves running must not lose its output when the script ends.
    """
    folder = f"{SOLUTION_DIR}-{secrets.token_hex(8)}"
    await sandbox.upload([SandboxFile(f"{folder}/solve.sh", solution.encode(errors="replace"), mode=0o700)])
    command = ["sh", "-c", f"exec bash {folder}/solve.sh >{folder}/log 2>&1"]
    result = await sandbox.exec(command, timeout_sec=timeout_sec)
    tail = await sandbox.exec(["tail", "-c", str(4 * MAX_LOG_CHARS), f"{folder}/log"], timeout_sec=20.0)
    await sandbox.exec(["rm", "-rf", folder], timeout_sec=20.0)
    # The folder's random name would make the evidence of two equal runs differ.
    said = tail.stdout.replace(folder.encode(), SOLUTION_DIR.encode())
    return replace(result, stdout=said, stderr=b"")


def check_collected(report: TestReport, draft: Draft) -> GateResult:
    if report.timed_out:
        text = f"the tests did not finish on an untouched machine:\n{report.log[-MAX_LOG_CHARS:]}"
        raise RefusedError("collect", [Complaint("tests_timeout", text)])
    if report.broken:
        advice = "Import what the agent is to make inside the tests, not at the top of the module."
        raise RefusedError(
            "collect", [Complaint("collect", f"pytest cannot collect the tests:\n{report.broken[0]}\n{advice}")]
        )
    absent = [name for name in draft.weights if name not in report.collected]
    if absent:
        text = f"pytest does not find {', '.join(absent)}:\n{report.log[-MAX_LOG_CHARS:]}"
        raise RefusedError("collect", [Complaint("collect", text)])
    return GateResult(gate="collect", evidence=f"{len(report.collected)} tests")


def check_fail_first(report: TestReport, draft: Draft) -> GateResult:
    passing = report.list_by_status("passed")
    if sum(outcome.weight for outcome in passing) > MAX_UNTOUCHED_WEIGHT:
        complaints = [
            Complaint("fail_first", f"{o.name} (weight {o.weight:g}) passes on an untouched machine, with nothing done")
            for o in passing
        ]
        raise RefusedError("fail_first", complaints)
    crashed = report.list_by_status("crashed")
    faults = [o for o in crashed if is_suite_fault(o.message, draft)]
    if faults:
        advice = "which nothing that is still to be made explains"
        complaints = [
            Complaint("verifier_crash", f"{o.name} dies, {advice}: {o.message[:MAX_MESSAGE_CHARS]}") for o in faults
        ]
        raise RefusedError("fail_first", complaints)
    # An output that is not there yet makes honest tests end in FileNotFoundError, so a crash here is only noted.
    note = f"; crashed: {', '.join(outcome.name for outcome in crashed)}" if crashed else ""
    return GateResult(gate="fail_first", evidence=f"none of {len(report.outcomes)} tests passes untouched{note}")


def check_oracle(solved: Solved) -> GateResult:
    ran, report = solved.ran, solved.report
    complaints: list[Complaint] = []
    if ran.timed_out:
        complaints.append(Complaint("oracle_timeout", f"the solution did not finish in time:\n{_quote_output(ran)}"))
    elif report.timed_out:
        complaints.append(Complaint("tests_timeout", f"the tests did not finish:\n{report.log[-MAX_LOG_CHARS:]}"))
    elif not report.passed:
        complaints += [_complain(outcome) for outcome in report.outcomes if outcome.status != "passed"]
        if ran.exit_code:
            text = f"the solution itself ended with exit code {ran.exit_code}:\n{_quote_output(ran)}"
            complaints.insert(0, Complaint("oracle", text))
    if complaints:
        raise RefusedError("oracle", complaints)
    note = f"; solution's exit code {ran.exit_code}" if ran.exit_code else ""
    return GateResult(gate="oracle", evidence=f"all {len(report.outcomes)} tests pass{note}")


async def check_flake(proving: Proving, proofs: int) -> GateResult:
    """Proved again, at first with tests in reverse order on another day. What fails then is traced to its cause."""
    changed = await proving.try_solved(Conditions(is_reversed=True, clock_shift_sec=CLOCK_SHIFT_SEC))
    for _ in range(proofs - 1 if changed.passed else 1):
        if not (repeated := await proving.try_solved(ORDINARY)).passed:
            raise _refuse_flake("flaky", "on every equal machine", repeated)
    if changed.passed:
        return GateResult(gate="flake", evidence=f"passed {proofs} more times, in reverse order on another day as well")
    # Only now, and only to say why: one condition at a time.
    if not (backwards := await proving.try_solved(Conditions(is_reversed=True))).passed:
        raise _refuse_flake("order_dependent", "when they run in reverse order", backwards)
    if not (later := await proving.try_solved(Conditions(clock_shift_sec=CLOCK_SHIFT_SEC))).passed:
        raise _refuse_flake("time_dependent", "when they run on another day", later)
    raise _refuse_flake("flaky", "on every equal machine", changed)


def _refuse_flake(reason: str, why: str, shown: Solved) -> RefusedError:
    text = f"after the solution has run the tests pass at first, but not {why}: {_show_failures(shown)}"
    return RefusedError("flake", [Complaint(reason, text)])


def check_budget(spent: Spent | None, limits: Limits, config: GateConfig) -> GateResult:
    """Of the oracle's run. Only limits are told: what was measured differs from run to run."""
    max_seconds = limits.verifier_timeout_sec * MAX_TIME_PART
    if spent is None:
        raise RefusedError("budget", [Complaint("tests_exit", "the tests end the process that runs them")])
    measures = {
        "tests_slow": (spent.seconds, max_seconds, "seconds"),
        "tests_memory": (spent.memory_mb, config.max_test_memory_mb, "MB of memory"),
        "tests_files": (spent.files, config.max_test_files, "files left behind"),
        "tests_disk": (spent.written_mb, config.max_test_written_mb, "MB of files left behind"),
    }
    complaints = [
        Complaint(reason, f"the tests use more than {limit:g} {unit}")
        for reason, (value, limit, unit) in measures.items()
        if value > limit
    ]
    if complaints:
        raise RefusedError("budget", complaints)
    limits_told = ", ".join(f"{limit:g} {unit}" for _, limit, unit in measures.values())
    return GateResult(gate="budget", evidence=f"the tests stay within {limits_told}")


def _show_failures(solved: Solved) -> str:
    if solved.ran.timed_out:
        return f"the solution did not finish in time:\n{_quote_output(solved.ran)}"
    if solved.report.timed_out:
        return f"they did not finish:\n{solved.report.log[-MAX_LOG_CHARS:]}"
    failed = solved.report.list_by_status("failed", "crashed", "missing", "skipped")
    return "; ".join(f"{outcome.name} {outcome.status}: {outcome.message[:MAX_MESSAGE_CHARS]}" for outcome in failed)


def _complain(outcome: TestOutcome) -> Complaint:
    message = outcome.message[:MAX_MESSAGE_CHARS]
    if outcome.status == "crashed":
        return Complaint(
            "verifier_crash", f"{outcome.name} dies after the solution has run, not by assertion: {message}"
        )
    return Complaint("oracle", f"{outcome.name} is {outcome.status} after the solution has run: {message}")


def _quote_output(solved: ExecResult) -> str:
    return solved.text[-MAX_LOG_CHARS:].strip() or "(no output)"
