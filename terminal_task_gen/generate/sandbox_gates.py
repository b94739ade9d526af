"""Gates that run: the tests collect, an untouched sandbox does not pass, the reference solution does.

Two sandboxes a draft, each fresh: one untouched (collect and fail-first share its run), one in which the solution has
run. What the draft does wrong is a RefusedError; a sandbox that dies is a SandboxError and says nothing of the draft.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from terminal_task_gen.bundle import list_sandbox_files
from terminal_task_gen.generate.complaint import Complaint, RefusedError
from terminal_task_gen.generate.draft import Draft
from terminal_task_gen.generate.suite_faults import is_suite_fault
from terminal_task_gen.sandbox import ExecResult, Sandbox, SandboxFactory, SandboxFile, SandboxSpec
from terminal_task_gen.task import GateResult, Limits, TaskFile
from terminal_task_gen.trajectory import TestOutcome
from terminal_task_gen.verifier import TestReport
from terminal_task_gen.verifier.bench import TestBench

MAX_UNTOUCHED_WEIGHT = 0.0
"""Weight of tests that may pass with nothing done. A guard (`inputs unchanged`) belongs into a test of an output."""
SOLUTION_DIR = "/run/solution"
MAX_MESSAGE_CHARS = 400
MAX_LOG_CHARS = 1_500


async def run_sandbox_gates(
    factory: SandboxFactory, bench: TestBench, spec: SandboxSpec, draft: Draft, limits: Limits
) -> tuple[GateResult, ...]:
    """Collect, fail-first and, with a solution, the oracle. Raises RefusedError, SandboxError."""
    async with open_sandbox(factory, spec, draft.files) as sandbox:
        untouched = await _run(bench, sandbox, spec, draft, limits)
    results = [check_collected(untouched, draft), check_fail_first(untouched, draft)]
    if draft.solution is not None:
        async with open_sandbox(factory, spec, draft.files) as sandbox:
            solved = await run_solution(sandbox, draft.solution, timeout_sec=limits.agent_timeout_sec)
            report = await _run(bench, sandbox, spec, draft, limits)
        results.append(check_oracle(report, solved))
    return tuple(results)


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
    faults = [o for o in crashed if draft.solution is None and is_suite_fault(o.message, draft)]
    if faults:
        advice = "which nothing that is still to be made explains"
        complaints = [
            Complaint("verifier_crash", f"{o.name} dies, {advice}: {o.message[:MAX_MESSAGE_CHARS]}") for o in faults
        ]
        raise RefusedError("fail_first", complaints)
    # An output that is not there yet makes honest tests end in FileNotFoundError, so a crash here is only noted.
    note = f"; crashed: {', '.join(outcome.name for outcome in crashed)}" if crashed else ""
    return GateResult(gate="fail_first", evidence=f"none of {len(report.outcomes)} tests passes untouched{note}")


def check_oracle(report: TestReport, solved: ExecResult) -> GateResult:
    complaints: list[Complaint] = []
    if solved.timed_out:
        complaints.append(Complaint("oracle_timeout", f"the solution did not finish in time:\n{_quote_output(solved)}"))
    elif report.timed_out:
        complaints.append(Complaint("tests_timeout", f"the tests did not finish:\n{report.log[-MAX_LOG_CHARS:]}"))
    elif not report.passed:
        complaints += [_complain(outcome) for outcome in report.outcomes if outcome.status != "passed"]
        if solved.exit_code:
            text = f"the solution itself ended with exit code {solved.exit_code}:\n{_quote_output(solved)}"
            complaints.insert(0, Complaint("oracle", text))
    if complaints:
        raise RefusedError("oracle", complaints)
    note = f"; solution's exit code {solved.exit_code}" if solved.exit_code else ""
    return GateResult(gate="oracle", evidence=f"all {len(report.outcomes)} tests pass{note}")


def _complain(outcome: TestOutcome) -> Complaint:
    message = outcome.message[:MAX_MESSAGE_CHARS]
    if outcome.status == "crashed":
        return Complaint(
            "verifier_crash", f"{outcome.name} dies after the solution has run, not by assertion: {message}"
        )
    return Complaint("oracle", f"{outcome.name} is {outcome.status} after the solution has run: {message}")


def _quote_output(solved: ExecResult) -> str:
    return solved.text[-MAX_LOG_CHARS:].strip() or "(no output)"


async def _run(bench: TestBench, sandbox: Sandbox, spec: SandboxSpec, draft: Draft, limits: Limits) -> TestReport:
    timeout_sec = limits.verifier_timeout_sec
    return await bench.run_tests(sandbox, spec.image, tests=draft.tests, weights=draft.weights, timeout_sec=timeout_sec)
