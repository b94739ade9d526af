"""The two gates of a task made elsewhere: doing nothing must not be worth everything, its own solution must be.

The same ladder as for our own tasks (fail-first, oracle), over the task's own /tests/test.sh. Raises RefusedError with
the gate's evidence, SandboxError where a sandbox breaks.
"""

from __future__ import annotations

from terminal_task_gen.bundle import build_spec
from terminal_task_gen.config import SandboxConfig
from terminal_task_gen.errors import GateError
from terminal_task_gen.sandbox import SandboxFactory, SandboxFile
from terminal_task_gen.task import Foreign, GateResult, Task
from terminal_task_gen.verifier import TestReport
from terminal_task_gen.verifier.script import run_script

_SOLVE = "cd /solution && chmod +x solve.sh && cd - > /dev/null && exec /solution/solve.sh"
MAX_LOG_CHARS = 3_000


async def prove(factory: SandboxFactory, task: Task, config: SandboxConfig, *, run_id: str) -> tuple[GateResult, ...]:
    """Both gates, or only the first where the task brings no solution."""
    assert task.foreign is not None
    untouched = await _judge(factory, task, config, run_id, solution=False)
    if untouched.passed:
        raise GateError("fail_first", "an untouched machine gets the whole reward")
    results = [GateResult(gate="fail_first", evidence=f"untouched: reward {untouched.reward:g}")]
    if task.foreign.solution_files:
        solved = await _judge(factory, task, config, run_id, solution=True)
        if not solved.passed:
            raise GateError("oracle", f"the solution gets {solved.reward:g}: {solved.log[-MAX_LOG_CHARS:]}")
        results.append(GateResult(gate="oracle", evidence="the solution gets the whole reward"))
    return tuple(results)


async def _judge(
    factory: SandboxFactory, task: Task, config: SandboxConfig, run_id: str, *, solution: bool
) -> TestReport:
    foreign: Foreign | None = task.foreign
    assert foreign is not None
    limits = task.limits
    spec = build_spec(task.image, limits, config, run_id=run_id, item_id=task.lineage.request_id, foreign=True)
    sandbox = await factory.start(spec)
    try:
        if solution:
            await sandbox.upload(
                [SandboxFile(f"/solution/{file.path}", file.to_bytes(), mode=0o755) for file in foreign.solution_files]
            )
            await sandbox.exec(["/bin/sh", "-c", _SOLVE], timeout_sec=limits.agent_timeout_sec)
        return await run_script(sandbox, foreign, timeout_sec=limits.verifier_timeout_sec)
    finally:
        await sandbox.close()
