"""The loop of turns: the teacher replies, its keys are typed, it is shown what came of them.

Every way to stop has a name (errors.Cause); all but COMPLETED may come after any turn. An unreadable reply is a turn
like any other. Messages are kept exactly as they were sent and received, and the last one kept is always the teacher's:
what it never answered is not part of the conversation. A conversation that grew too long ends the rollout, or, where
that is wanted, is handed over to a fresh one (handoff.py) and kept in `earlier`.
Raises SandboxError (never shown to the teacher) and TeacherError; the messages so far then make no trajectory.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from terminal_task_gen.errors import Cause, DiskFullError, TeacherError, TeacherRefusedError
from terminal_task_gen.events import Listener, TurnFinished, ignore
from terminal_task_gen.records import Usage
from terminal_task_gen.rollout.handoff import hand_over
from terminal_task_gen.rollout.injection import Injector
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
BYTES_PER_TOKEN = 3
"""Of terminal output not yet counted by the endpoint; on the safe side."""
HANDOFF_TOKENS = 8_000
"""Room that a handover needs, at most a quarter of the limit (facts: Terminus 2's proactive threshold)."""


@dataclass(frozen=True)
class Budget:
    """What one rollout may use. 0 tokens: no limit."""

    max_turns: int
    max_tokens: int
    """Prompt and completion tokens of all its calls."""
    timeout_sec: float
    max_observation_bytes: int
    max_context_tokens: int = 0
    """Of one call's prompt and completion."""
    summarize: bool = False
    """Hand a conversation over that reaches the limit, instead of stopping there."""


class Agent:
    """One teacher at one terminal, for one task."""

    def __init__(
        self,
        teacher: Teacher,
        terminal: Terminal,
        dialect: Dialect,
        budget: Budget,
        *,
        injector: Injector,
        listener: Listener = ignore,
    ) -> None:
        self._teacher = teacher
        self._terminal = terminal
        self._dialect = dialect
        self._budget = budget
        self._injector = injector
        self._listener = listener
        self._instruction = ""
        self._claimed_complete = False
        self._context_tokens = 0
        """Of the last call; what has been said since is not in it."""
        self._injected: str | None = None
        self._side_usage = Usage()
        """Of calls that were no turns of their own; it goes to the next step."""
        self._handed_over_at = 0
        self.messages: list[Message] = []
        self.earlier: list[tuple[Message, ...]] = []
        """Conversations that were handed over, oldest first."""
        self.steps: list[Step] = []
        self.usage = Usage()
        self.teacher_sec = 0.0
        self.terminal_sec = 0.0

    async def solve(self, instruction: str) -> Cause:
        """Take turns until there is a reason to stop. To be called once."""
        self._instruction = instruction
        try:
            async with asyncio.timeout(self._budget.timeout_sec) as clock:
                cause = await self._take_turns()
        except TimeoutError:
            if not clock.expired():
                raise
            cause = Cause.TIMEOUT
        except DiskFullError:
            if not self.steps:
                raise
            cause = Cause.DISK_FULL
        if not self.steps:
            raise TeacherError("no_reply_in_time", f"not one reply within {self._budget.timeout_sec:g} s")
        self._drop_unanswered()
        return cause

    async def _take_turns(self) -> Cause:
        terminal_state = await self._read_output()
        self._tell(self._dialect.render_first_message(instruction=self._instruction, terminal_state=terminal_state))
        cause = None
        while cause is None:
            cause = await self._take_turn()
        return cause

    async def _take_turn(self) -> Cause | None:
        try:
            reply = await self._ask()
        except TeacherRefusedError as error:
            # Clients give this refusal, alone among refusals, the name of the stop it means.
            if error.reason != Cause.CONTEXT_FULL or not self.steps:
                raise
            return await self._make_room()
        turn = self._dialect.parse(reply.content)
        if reply.finish_reason == "length":
            self._note(reply, Turn(error=TRUNCATED, warnings=turn.warnings))
            return await self._go_on(format_truncation(turn))
        self._note(reply, turn)
        if turn.error is not None:
            return await self._go_on(format_error(turn, self._dialect))
        return await self._carry_out(turn)

    async def _carry_out(self, turn: Turn) -> Cause | None:
        """Type a readable turn's keys; tell the teacher what it sees, or say why it is over."""
        confirmed = turn.task_complete and self._claimed_complete
        self._claimed_complete = turn.task_complete
        await self._type(turn)
        if confirmed:
            self._report()
            return Cause.COMPLETED
        output = await self._read_output() if self._terminal.alive else ""
        if not self._terminal.alive:
            return Cause.SESSION_ENDED
        if turn.task_complete:
            return await self._go_on(format_confirmation(output, self._dialect))
        return await self._go_on(format_observation(turn, output))

    async def _go_on(self, answer: str) -> Cause | None:
        """Say `answer` to the teacher if it may have another turn."""
        cause = self._check_budget()
        if cause is not None:
            self._report(answer)
            return cause
        self._tell(answer)
        self._report(answer)
        return await self._make_room() if self._is_context_full() else None

    async def _make_room(self) -> Cause | None:
        """Of a conversation too long to go on: hand it over, or say that it is over."""
        if not self._budget.summarize or self._handed_over_at == len(self.steps):
            return Cause.CONTEXT_FULL
        screen = self.messages.pop().content
        begun = time.monotonic()
        try:
            handoff = await hand_over(self._teacher, self.messages, instruction=self._instruction, screen=screen)
        except TeacherRefusedError as error:
            if error.reason != Cause.CONTEXT_FULL:
                raise
            return Cause.CONTEXT_FULL
        finally:
            self.teacher_sec += time.monotonic() - begun
        self._side_usage += handoff.usage
        self._handed_over_at = len(self.steps)
        self._context_tokens = 0
        self.earlier.append(tuple(self.messages))
        self.messages = list(handoff.messages[:-1])
        self._tell(handoff.messages[-1].content)
        return None

    async def _type(self, turn: Turn) -> None:
        with self._count_terminal_time():
            for command in turn.commands:
                if self._terminal.alive:
                    await self._terminal.send(command.keystrokes, command.duration_sec)

    async def _ask(self) -> Reply:
        begun = time.monotonic()
        try:
            reply = await self._err() or await self._teacher.complete(self.messages)
        finally:
            self.teacher_sec += time.monotonic() - begun
        self._context_tokens = reply.usage.prompt_tokens + reply.usage.completion_tokens
        self.messages.append(Message(role="assistant", content=reply.content, reasoning=reply.reasoning))
        return reply

    async def _err(self) -> Reply | None:
        """A turn with an injected mistake, where the lot falls on this one and the mistake comes about."""
        self._injected = None
        kind = self._injector.draw(len(self.steps) + 1)
        if kind is None or self._claimed_complete:
            return None
        mistake = await self._injector.err(self._teacher, self.messages, self._dialect, kind)
        self._side_usage += mistake.side_usage
        self._injected = kind if mistake.reply is not None else None
        return mistake.reply

    async def _read_output(self) -> str:
        with self._count_terminal_time():
            seen = await self._terminal.read_new_output()
        return render_output(seen.kind, seen.text, max_bytes=self._budget.max_observation_bytes)

    def _note(self, reply: Reply, turn: Turn) -> None:
        usage = reply.usage + self._side_usage
        self.usage += usage
        self._side_usage = Usage()
        self.steps.append(
            Step(
                turn=len(self.steps) + 1,
                commands=turn.commands,
                task_complete=turn.task_complete,
                error=turn.error,
                warnings=turn.warnings,
                injected=self._injected,
                usage=usage,
            )
        )

    def _tell(self, content: str) -> None:
        self.messages.append(Message(role="user", content=content))
        if self.steps:
            self.steps[-1] = self.steps[-1].model_copy(update={"observation": content})

    def _report(self, answer: str = "") -> None:
        step = self.steps[-1]
        said = self.messages[-1] if self.messages[-1].role == "assistant" else self.messages[-2]
        self._listener(TurnFinished(self._injector.trajectory_id, step.turn, said.content, answer))

    def _drop_unanswered(self) -> None:
        if self.messages[-1].role == "user":
            self.messages.pop()
            self.steps[-1] = self.steps[-1].model_copy(update={"observation": ""})
        if self.earlier and self._handed_over_at == len(self.steps):
            self.messages = list(self.earlier.pop())
        if self._side_usage != Usage():
            self.usage += self._side_usage
            self.steps[-1] = self.steps[-1].model_copy(update={"usage": self.steps[-1].usage + self._side_usage})

    def _is_context_full(self) -> bool:
        limit = self._budget.max_context_tokens
        room = min(HANDOFF_TOKENS, limit // 4) if self._budget.summarize else 0
        ahead = self._context_tokens + len(self.messages[-1].content.encode()) // BYTES_PER_TOKEN
        return 0 < limit <= ahead + room

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
