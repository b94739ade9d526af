"""Handing a full conversation over to a fresh one, in the three steps of Terminus 2 (facts: summarization).

The conversation is summed up; a fresh one reads task, summary and screen and asks what it still wants to know; the full
one answers. What goes on is the first message, the questions and the answers. Our wording, the standard's shape.
Raises TeacherError as the teacher port does; then nothing has been handed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from terminal_task_gen.errors import Cause, TeacherRefusedError
from terminal_task_gen.records import Usage
from terminal_task_gen.rollout.prompts import render_prompt
from terminal_task_gen.teacher import Reply, Teacher
from terminal_task_gen.trajectory import Message

UNWIND_MESSAGES = (0, 4, 12)
"""How much of its end a conversation gives up, try after try, where the endpoint finds it too long to be summed up."""


@dataclass(frozen=True)
class Handoff:
    """What a conversation begins with after a handover; its last message is the user's and waits for a reply."""

    messages: tuple[Message, ...]
    usage: Usage


async def hand_over(teacher: Teacher, messages: Sequence[Message], *, instruction: str, screen: str) -> Handoff:
    """`messages` end with an assistant's; `screen` is what would have been shown next."""
    summary, asked = await _sum_up(teacher, messages, instruction)
    question_prompt = _ask(
        render_prompt("handoff-questions", instruction=instruction, summary=summary.content, screen=screen)
    )
    questions = await teacher.complete([question_prompt])
    answers = await teacher.complete(
        [*asked, _say(summary), _ask(render_prompt("handoff-answers", questions=questions.content))]
    )
    return Handoff(
        messages=(
            messages[0],
            question_prompt,
            _say(questions),
            _ask(render_prompt("handoff-go-on", answers=answers.content)),
        ),
        usage=summary.usage + questions.usage + answers.usage,
    )


async def _sum_up(teacher: Teacher, messages: Sequence[Message], instruction: str) -> tuple[Reply, list[Message]]:
    """The summary, and what was sent to get it."""
    refusal: TeacherRefusedError | None = None
    for cut in UNWIND_MESSAGES:
        kept = list(messages[: max(2, len(messages) - cut)])
        asked = [*kept, _ask(render_prompt("handoff-summary", instruction=instruction))]
        try:
            return await teacher.complete(asked), asked
        except TeacherRefusedError as error:
            if error.reason != Cause.CONTEXT_FULL:
                raise
            refusal = error
    assert refusal is not None
    raise refusal


def _ask(text: str) -> Message:
    return Message(role="user", content=text)


def _say(reply: Reply) -> Message:
    return Message(role="assistant", content=reply.content, reasoning=reply.reasoning)
