"""The verdict on what a teacher left behind.

Called after its last key, with its terminal still open and its background servers still up, and before anything else
touches the sandbox: what changed is asked of the engine first, because the tests change things too. A test run that
breaks or hangs is a verdict with `missing` tests, and so is a sandbox that was ended for the disk it filled, or one
whose own tools were replaced so that no command starts any more: a fresh try would end the same way.
Raises SandboxError and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext

from terminal_task_gen.errors import DiskFullError, SandboxError
from terminal_task_gen.sandbox import Sandbox
from terminal_task_gen.task import Task
from terminal_task_gen.trajectory import Verdict
from terminal_task_gen.verifier import (
    LINKER_CACHE,
    TestReport,
    is_bytecode_touched,
    is_linker_cache_sound,
    list_tampering,
    report_missing,
)
from terminal_task_gen.verifier.bench import TestBench
from terminal_task_gen.verifier.conditions import Conditions
from terminal_task_gen.verifier.script import REWARD, run_script

MAX_SYSTEM_CHANGES = 200
_WORKING_DIRS = ("/app", "/tmp", "/root", "/home", "/var", "/run")


OpenJudge = Callable[[Sandbox], AbstractAsyncContextManager[Sandbox]]
"""From the sandbox in which a task was solved, the one in which it is judged."""


async def judge(sandbox: Sandbox, task: Task, bench: TestBench, *, open_judge: OpenJudge = nullcontext) -> Verdict:
    """Run the task's tests over the sandbox as it stands, or over what `open_judge` makes of it."""
    changes: Sequence[str] = ()
    tampering: Sequence[str] = ()
    try:
        changes = await sandbox.list_changes()
        tampering = list_tampering(changes)
        if LINKER_CACHE in changes and not is_linker_cache_sound(await sandbox.download(LINKER_CACHE)):
            tampering = (*tampering, LINKER_CACHE)
        async with open_judge(sandbox) as court:
            trust_bytecode = court is not sandbox or not is_bytecode_touched(changes)
            report = await _run_tests(court, task, bench, trust_bytecode=trust_bytecode)
    except SandboxError as error:
        # The engine itself may be what fails here; then the row is flagged and worth nothing, which is the safe side.
        if not isinstance(error, DiskFullError) and (not tampering or error.reason == "sandbox_died"):
            raise
        weights = task.weights if task.foreign is None else {REWARD: 1.0}
        report = report_missing(weights, f"the tests could not be run: {error.reason}: {error.evidence}")
    return Verdict(
        reward=report.reward,
        passed=report.passed,
        judged=bool(task.weights),
        tests=report.outcomes,
        tampered=bool(tampering),
        system_changes=select_system_changes(changes, tampering),
        log=report.log,
    )


async def _run_tests(sandbox: Sandbox, task: Task, bench: TestBench, *, trust_bytecode: bool) -> TestReport:
    timeout_sec = task.limits.verifier_timeout_sec
    if not task.weights:
        return TestReport(outcomes=(), reward=0.0, passed=False)
    if task.foreign is not None:
        return await run_script(sandbox, task.foreign, timeout_sec=timeout_sec)
    return await bench.run_tests(
        sandbox,
        task.image,
        tests=task.tests,
        weights=task.weights,
        timeout_sec=timeout_sec,
        conditions=Conditions(is_last=True),
        trust_bytecode=trust_bytecode,
    )


def select_system_changes(changes: Sequence[str], tampering: Sequence[str]) -> tuple[str, ...]:
    """Changed paths outside the directories that are there to be written; when too many, tampering is kept first."""
    outside = {path for path in changes if not _is_working_path(path)}
    first = sorted(outside.intersection(tampering))
    rest = sorted(outside.difference(tampering))
    return tuple(sorted([*first, *rest][:MAX_SYSTEM_CHANGES]))


def _is_working_path(path: str) -> bool:
    return any(path == folder or path.startswith(folder + "/") for folder in _WORKING_DIRS)
