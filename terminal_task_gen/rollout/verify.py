"""The verdict on what a teacher left behind.

Called after its last key, with its terminal still open and its background servers still up, and before anything else
touches the sandbox: what changed is asked of the engine first, because the tests change things too.
Raises SandboxError and nothing else; a test run that breaks or hangs is a verdict with `missing` tests.
"""

from __future__ import annotations

from collections.abc import Sequence

from terminal_task_gen.sandbox import Sandbox
from terminal_task_gen.task import Task
from terminal_task_gen.trajectory import Verdict
from terminal_task_gen.verifier import TestReport, list_tampering
from terminal_task_gen.verifier.bench import TestBench
from terminal_task_gen.verifier.conditions import Conditions
from terminal_task_gen.verifier.script import run_script

MAX_SYSTEM_CHANGES = 200
_WORKING_DIRS = ("/app", "/tmp", "/root", "/home", "/var", "/run")


async def judge(sandbox: Sandbox, task: Task, bench: TestBench) -> Verdict:
    """Run the task's tests over the sandbox as it stands."""
    changes = await sandbox.list_changes()
    tampering = list_tampering(changes)
    timeout_sec = task.limits.verifier_timeout_sec
    if not task.weights:
        report = TestReport(outcomes=(), reward=0.0, passed=False)
    elif task.foreign is not None:
        report = await run_script(sandbox, task.foreign, timeout_sec=timeout_sec)
    else:
        report = await bench.run_tests(
            sandbox,
            task.image,
            tests=task.tests,
            weights=task.weights,
            timeout_sec=timeout_sec,
            conditions=Conditions(is_last=True),
        )
    return Verdict(
        reward=report.reward,
        passed=report.passed,
        judged=bool(task.weights),
        tests=report.outcomes,
        tampered=bool(tampering),
        system_changes=select_system_changes(changes, tampering),
        log=report.log,
    )


def select_system_changes(changes: Sequence[str], tampering: Sequence[str]) -> tuple[str, ...]:
    """Changed paths outside the directories that are there to be written; when too many, tampering is kept first."""
    outside = {path for path in changes if not _is_working_path(path)}
    first = sorted(outside.intersection(tampering))
    rest = sorted(outside.difference(tampering))
    return tuple(sorted([*first, *rest][:MAX_SYSTEM_CHANGES]))


def _is_working_path(path: str) -> bool:
    return any(path == folder or path.startswith(folder + "/") for folder in _WORKING_DIRS)
