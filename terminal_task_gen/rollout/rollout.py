"""One attempt from the sandbox's start to its end: a Trajectory when it ran, a Rejection when something broke.

A sandbox that breaks at any point, verification included, costs the try: the attempt begins anew in a fresh one, and
what was said in the broken one is thrown away, because an observation may already have been a lie. Never raises for
a failed attempt; UsageError (no teacher call can ever succeed) ends the run, as the port promises.

    <recordings>/<trajectory id>.cast        of a rollout that ended
    <recordings>/<trajectory id>.cast.part   while it runs; removed when it failed
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path

from terminal_task_gen.bundle import build_spec, list_sandbox_files
from terminal_task_gen.config import MAX_AUTO, RolloutConfig, SandboxConfig
from terminal_task_gen.errors import Cause, DiskFullError, ItemError, SandboxError, TeacherError
from terminal_task_gen.events import Listener, ignore
from terminal_task_gen.records import Usage
from terminal_task_gen.rollout.agent import Agent, Budget
from terminal_task_gen.rollout.attempt import Attempt
from terminal_task_gen.rollout.fresh import open_fresh
from terminal_task_gen.rollout.injection import Injector
from terminal_task_gen.rollout.json_dialect import JsonDialect
from terminal_task_gen.rollout.prompts import Template
from terminal_task_gen.rollout.protocol import AGENT, Dialect
from terminal_task_gen.rollout.verify import OpenJudge, judge
from terminal_task_gen.rollout.xml_dialect import XmlDialect
from terminal_task_gen.sandbox import SandboxFactory
from terminal_task_gen.sandbox.governor import Governor, MachineLook, wait_until_ready
from terminal_task_gen.sandbox.terminal import Terminal, TerminalOptions
from terminal_task_gen.task import Rejection, Task
from terminal_task_gen.teacher import Teacher
from terminal_task_gen.trajectory import Timings, Trajectory, Verdict
from terminal_task_gen.verifier.bench import TestBench

DIALECTS: dict[str, type[JsonDialect] | type[XmlDialect]] = {"json": JsonDialect, "xml": XmlDialect}


@dataclass(frozen=True)
class _Moments:
    """Points of a monotonic clock: the try's begin, its terminal ready, the teacher done, the verdict there."""

    begun: float
    ready: float
    solved: float
    judged: float


class Roller:
    """Runs attempts, each in a sandbox of its own. Safe to use from many coroutines at once."""

    def __init__(
        self,
        *,
        teacher: Teacher,
        factory: SandboxFactory,
        rollout: RolloutConfig,
        sandbox: SandboxConfig,
        run_id: str,
        recordings_dir: Path | None,
        template: Template | None = None,
        listener: Listener = ignore,
    ) -> None:
        """`template` is the first message's wording, by default the dialect's own."""
        self._teacher = teacher
        self._factory = factory
        self._rollout = rollout
        self._sandbox = sandbox
        self._run_id = run_id
        self._recordings_dir = recordings_dir if rollout.record else None
        self._dialect: Dialect = DIALECTS[rollout.dialect](template)
        self._listener = listener
        self._bench = TestBench(factory, run_id=run_id)
        self._governor: Governor | None = None
        if rollout.parallel == "auto":
            self._governor = Governor(MachineLook(factory.ping), most=MAX_AUTO)

    async def run(self, attempt: Attempt) -> Trajectory | Rejection:
        """Roll out once, again in a fresh sandbox where one broke, as often as the configuration allows."""
        agents: list[Agent] = []
        last_try = 1 + self._rollout.max_sandbox_retries
        for number in count(1):
            try:
                async with self._take_slot():
                    with _hold_recording(self._recordings_dir, attempt.id) as recording:
                        return await self._roll_out(attempt, recording, agents)
            except (SandboxError, TeacherError) as error:
                if isinstance(error, TeacherError | DiskFullError) or number == last_try:
                    return _reject(attempt, error, tries=number, agents=agents)
                await wait_until_ready(self._factory.ping, timeout_sec=self._sandbox.patience_sec)
        raise AssertionError("unreachable: the last try returns")

    async def _roll_out(self, attempt: Attempt, recording: Path | None, agents: list[Agent]) -> Trajectory:
        """One try. The agent put to work is added to `agents`, so that its cost is known if the try breaks."""
        task = attempt.task
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        begun = time.monotonic()
        async with AsyncExitStack() as stack:
            spec = build_spec(
                task.image,
                task.limits,
                self._sandbox,
                run_id=self._run_id,
                item_id=attempt.id,
                foreign=task.foreign is not None,
            )
            sandbox = await self._factory.start(spec)
            stack.push_async_callback(sandbox.close)
            await sandbox.upload(list_sandbox_files(task.files))
            terminal = await Terminal.open(sandbox, self._get_terminal_options(), recording=recording)
            stack.push_async_callback(terminal.close)
            ready = time.monotonic()
            injector = Injector(attempt.id, self._rollout.inject_errors)
            agent = Agent(
                self._teacher,
                terminal,
                self._dialect,
                self._get_budget(task),
                injector=injector,
                listener=self._listener,
            )
            agents.append(agent)
            cause = await agent.solve(task.instruction)
            solved = time.monotonic()
            # The terminal stays open: closing it would hang up on what the teacher left running in it.
            open_judge: OpenJudge = nullcontext
            if self._rollout.verifier == "fresh":
                open_judge = partial(open_fresh, self._factory, spec)
            verdict = await judge(sandbox, task, self._bench, open_judge=open_judge)
            moments = _Moments(begun, ready, solved, time.monotonic())
            driver = sandbox.driver
        return _make_trajectory(attempt, agents, cause, verdict, driver, _time(started_at, moments, agent))

    def _take_slot(self) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._governor is None else self._governor.take_slot()

    def _get_terminal_options(self) -> TerminalOptions:
        config = self._rollout
        return TerminalOptions(
            columns=config.columns, rows=config.rows, wait=config.wait, patience_sec=config.patience_sec
        )

    def _get_budget(self, task: Task) -> Budget:
        config = self._rollout
        timeout_sec = config.timeout_sec if config.timeout_sec is not None else task.limits.agent_timeout_sec
        return Budget(
            max_turns=config.max_turns,
            max_tokens=config.max_tokens,
            timeout_sec=timeout_sec,
            max_observation_bytes=config.max_observation_bytes,
            max_context_tokens=config.max_context_tokens,
            summarize=config.summarize,
        )


@contextmanager
def _hold_recording(folder: Path | None, trajectory_id: str) -> Iterator[Path | None]:
    """A path to record to; it gets its own name when the block ends well and is removed otherwise."""
    if folder is None:
        yield None
        return
    part = folder / f"{trajectory_id}.cast.part"
    try:
        yield part
    except BaseException:  # cancellation included; raised again
        part.unlink(missing_ok=True)
        raise
    # A recording that could not be written (the disk is full) is missing; it never costs the rollout.
    with suppress(OSError):
        part.replace(folder / f"{trajectory_id}.cast")


def _time(started_at: str, moments: _Moments, agent: Agent) -> Timings:
    return Timings(
        started_at=started_at,
        sandbox_start_sec=round(moments.ready - moments.begun, 3),
        teacher_sec=round(agent.teacher_sec, 3),
        terminal_sec=round(agent.terminal_sec, 3),
        verify_sec=round(moments.judged - moments.solved, 3),
        total_sec=round(time.monotonic() - moments.begun, 3),
    )


def _make_trajectory(
    attempt: Attempt, agents: list[Agent], cause: Cause, verdict: Verdict, driver: str, timings: Timings
) -> Trajectory:
    *broken, agent = agents
    return Trajectory(
        id=attempt.id,
        task_id=attempt.task.id,
        domain=attempt.task.domain,
        attempt=attempt.number,
        agent=AGENT,
        model=attempt.model,
        messages=tuple(agent.messages),
        earlier=tuple(agent.earlier),
        steps=tuple(agent.steps),
        stop_reason=cause,
        verdict=verdict,
        usage=agent.usage,
        wasted_usage=_sum_usage(broken),
        sandbox=driver,
        timings=timings,
    )


def _reject(attempt: Attempt, error: ItemError, *, tries: int, agents: list[Agent]) -> Rejection:
    evidence = error.evidence if tries == 1 else f"{error.evidence} (in {tries} sandboxes; this is the last one's)"
    return Rejection(
        id=attempt.id,
        stage="rollout",
        cause=error.cause,
        reason=error.reason,
        evidence=evidence,
        domain=attempt.task.domain,
        mode=attempt.task.lineage.mode,
        difficulty=attempt.task.difficulty,
        task_id=attempt.task.id,
        usage=_sum_usage(agents),
    )


def _sum_usage(agents: list[Agent]) -> Usage:
    return sum((agent.usage for agent in agents), Usage())
