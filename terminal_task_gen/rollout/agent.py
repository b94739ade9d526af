"""The loop of turns: the teacher replies, its keys are typed, it is shown what came of them.

Every way to stop has a name (errors.Cause); all but COMPLETED may come after any turn. An unreadable reply is a turn
like any other. Messages are kept exactly as they were sent and received, and the last one kept is always the teacher's:
what it never answered is not part of the conversation.
Raises SandboxError (never shown to the teacher) and TeacherError; the messages so far then make no trajectory.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from terminal_task_gen.errors import Cause, TeacherError, TeacherRefusedError
from terminal_task_gen.records import Usage
from terminal_task_gen.rollout.observation import render_output
from terminal_task_gen.rollout.protocol import (
    Dialect,
    Turn,
    format_confirmation,
    format_error,
    format_observation,
    format_truncation,
)
from terminal_task_gen.sandbox.terminal import Terminal
from terminal_task_gen.teacher import Reply, Teacher
from terminal_task_gen.trajectory import Message, Step

TRUNCATED = "the endpoint cut the reply at its length limit"


@dataclass(frozen=True)
class Budget:
    """What one rollout may use. `max_tokens` counts prompt and completion tokens of all its calls; 0: no limit."""

    max_turns: int
    max_tokens: int
    timeout_sec: float
    max_observation_bytes: int


class Agent:
    """One teacher at one terminal, for one task."""

    def __init__(self, teacher: Teacher, terminal: Terminal, dialect: Dialect, budget: Budget) -> None:
        self._teacher = teacher
        self._terminal = terminal
        self._dialect = dialect
        self._budget = budget
        self._claimed_complete = False
        self.messages: list[Message] = []
        self.steps: list[Step] = []
        self.usage = Usage()
        self.teacher_sec = 0.0
        self.terminal_sec = 0.0

    async def solve(self, instruction: str) -> Cause:
        """Take turns until there is a reason to stop. To be called once."""
        try:
            async with asyncio.timeout(self._budget.timeout_sec) as clock:
                cause = await self._take_turns(instruction)
        except TimeoutError:
            if not clock.expired():
                raise
            cause = Cause.TIMEOUT
        if not self.steps:
            raise TeacherError("no_reply_in_time", f"not one reply within {self._budget.timeout_sec:g} s")
        self._drop_unanswered()
        return cause

    async def _take_turns(self, instruction: str) -> Cause:
        terminal_state = await self._read_output()
        self._tell(self._dialect.render_first_message(instruction=instruction, terminal_state=terminal_state))
        cause = None
        while cause is None:
            cause = await self._take_turn()
        return cause

    async def _take_turn(self) -> Cause | None:
        try:
            reply = await self._ask()
        except TeacherRefusedError as error:
            # Clients give this refusal, alone among refusals, the name of the stop it means.
            if error.reason == Cause.CONTEXT_FULL and self.steps:
                return Cause.CONTEXT_FULL
            raise
        turn = self._dialect.parse(reply.content)
        if reply.finish_reason == "length":
            self._note(reply, Turn(error=TRUNCATED, warnings=turn.warnings))
            return self._go_on(format_truncation(turn))
        self._note(reply, turn)
        if turn.error is not None:
            return self._go_on(format_error(turn, self._dialect))
        return await self._carry_out(turn)

    async def _carry_out(self, turn: Turn) -> Cause | None:
        """Type a readable turn's keys; tell the teacher what it sees, or say why it is over."""
        confirmed = turn.task_complete and self._claimed_complete
        self._claimed_complete = turn.task_complete
        await self._type(turn)
        if confirmed:
            return Cause.COMPLETED
        output = await self._read_output() if self._terminal.alive else ""
        if not self._terminal.alive:
            return Cause.SESSION_ENDED
        if turn.task_complete:
            return self._go_on(format_confirmation(output, self._dialect))
        return self._go_on(format_observation(turn, output))

    def _go_on(self, answer: str) -> Cause | None:
        """Say `answer` to the teacher if it may have another turn."""
        cause = self._check_budget()
        if cause is None:
            self._tell(answer)
        return cause

    async def _type(self, turn: Turn) -> None:
        with self._count_terminal_time():
            for command in turn.commands:
                if self._terminal.alive:
                    await self._terminal.send(command.keystrokes, command.duration_sec)

    async def _ask(self) -> Reply:
        begun = time.monotonic()
        try:
            reply = await self._teacher.complete(self.messages)
        finally:
            self.teacher_sec += time.monotonic() - begun
        self.usage += reply.usage
        self.messages.append(Message(role="assistant", content=reply.content, reasoning=reply.reasoning))
        return reply

    async def _read_output(self) -> str:
        with self._count_terminal_time():
            seen = await self._terminal.read_new_output()
        return render_output(seen.kind, seen.text, max_bytes=self._budget.max_observation_bytes)

    def _note(self, reply: Reply, turn: Turn) -> None:
        self.steps.append(
            Step(
                turn=len(self.steps) + 1,
                commands=turn.commands,
                task_complete=turn.task_complete,
                error=turn.error,
                warnings=turn.warnings,
                usage=reply.usage,
            )
        )

    def _tell(self, content: str) -> None:
        self.messages.append(Message(role="user", content=content))
        if self.steps:
            self.steps[-1] = self.steps[-1].model_copy(update={"observation": content})

    def _drop_unanswered(self) -> None:
        if self.messages[-1].role == "user":
            self.messages.pop()
            self.steps[-1] = self.steps[-1].model_copy(update={"observation": ""})

    def _check_budget(self) -> Cause | None:
        tokens = self.usage.prompt_tokens + self.usage.completion_tokens
        if 0 < self._budget.max_tokens <= tokens:
            return Cause.MAX_TOKENS
        return Cause.MAX_TURNS if len(self.steps) >= self._budget.max_turns else None

    @contextmanager
    def _count_terminal_time(self) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self.terminal_sec += time.monotonic() - begun
