"""Injected errors: now and then the actor is asked for a plausible mistake, so that a corpus holds recovery too.

After TermiGen (arXiv 2602.07274): with probability ε a turn is written to contain a mistake of a
sampled kind; a second call checks that it is one, plausible, and not given away; the turns after it are its own.
The asking leaves no trace in the conversation: the turn stands there as if the actor had erred by itself, and the step
says which kind was injected. Which turns are drawn follows from the trajectory's id alone. A mistake that the check
refuses twice is given up, and the actor answers unaided.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from terminal_task_gen.records import Usage, content_digest
from terminal_task_gen.rollout.prompts import render_prompt
from terminal_task_gen.rollout.protocol import Dialect
from terminal_task_gen.teacher import Reply, Teacher
from terminal_task_gen.trajectory import Message

TRIES = 2

KINDS: dict[str, str] = {
    "analysis": "misread what the terminal shows: overlook a line, or take a warning or a stale result for success",
    "command": "get a command wrong: a wrong flag, path, quoting or order, as a tired engineer would",
    "hallucination": "rely on something that is not there: a file, option, tool or column that was never seen",
    "requirement": "overlook or bend one requirement of the task: a unit, a name, an edge case, a limit",
    "verification": "take unchecked work for done: skip the look at the result that would show what is missing",
}
"""Kind → what the actor is asked for. On-disk words: add, never rename."""

_VERDICT = re.compile(r"\{[^{}]*\"good\"\s*:\s*(true|false)", re.IGNORECASE)


class Mistake(NamedTuple):
    """A turn with a mistake in it, checked; None where none came about."""

    reply: Reply | None
    side_usage: Usage
    """Of checks and of replies that were thrown away."""


@dataclass(frozen=True)
class Injector:
    """Draws turns of one trajectory. `rate` is the share of turns, 0 for none."""

    trajectory_id: str
    rate: float

    def draw(self, turn: int) -> str | None:
        """The kind of mistake turn `turn` shall hold; the same for the same trajectory on every machine."""
        if self.rate <= 0.0:
            return None
        lot = random.Random(content_digest(["inject", self.trajectory_id, turn]))
        return lot.choice(sorted(KINDS)) if lot.random() < self.rate else None

    async def err(self, teacher: Teacher, messages: Sequence[Message], dialect: Dialect, kind: str) -> Mistake:
        """Ask for the mistake and have it checked. Raises TeacherError as the port does."""
        usage = Usage()
        *before, last = messages
        request = render_prompt("mistake-request", mistake=KINDS[kind])
        asked = [*before, last.model_copy(update={"content": f"{last.content}\n\n{request}"})]
        for _ in range(TRIES):
            reply = await teacher.complete(asked)
            turn = dialect.parse(reply.content)
            if turn.error is None and not turn.task_complete and reply.finish_reason == "stop":
                check = render_prompt("mistake-check", mistake=KINDS[kind], shown=last.content, turn=reply.content)
                verdict = await teacher.complete([Message(role="user", content=check)])
                usage += verdict.usage
                if _is_good(verdict.content):
                    return Mistake(reply, usage)
            usage += reply.usage
        return Mistake(None, usage)


def _is_good(text: str) -> bool:
    """The last verdict in the text counts; none at all is a no."""
    found = _VERDICT.findall(text)
    try:
        return bool(found) and json.loads(found[-1].lower()) is True
    except ValueError:
        return False
