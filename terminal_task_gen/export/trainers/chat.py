"""Conversations that every trainer's loader takes: user and assistant in turn, text only, the assistant last.

Harnesses leave two user messages in a row (a warning, then a screen), which LLaMA-Factory drops the row for and others
train on oddly: they become one. What cannot be mended is left out with a reason, never quietly changed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from terminal_task_gen.trajectory import find_thinking_end

_TAG = re.compile(r"</?think(?:ing)?\s*>", re.IGNORECASE)


class Thinking(StrEnum):
    """Where the teacher's reasoning goes."""

    INLINE = "inline"
    """In the content, in `<think>`, as in the released corpus."""
    APART = "apart"
    """In `reasoning_content` beside it, for chat templates that read that."""
    NONE = "none"
    """Nowhere."""


class ChatTurn(dict[str, str]):
    """`role`, `content`, and `reasoning_content` where it is kept apart."""


class UnusableError(Exception):
    """A conversation that no trainer can use. The message is a reason code, for counting."""


def shape_turns(turns: Sequence[dict[str, Any]], thinking: Thinking) -> list[ChatTurn]:
    """Turns of a row, mended. Raises UnusableError."""
    shaped: list[ChatTurn] = []
    for turn in turns:
        if shaped and turn["role"] == "user" == shaped[-1]["role"]:
            shaped[-1]["content"] += "\n\n" + turn["content"]
        else:
            shaped.append(ChatTurn(role=turn["role"], content=turn["content"]))
    while shaped and shaped[-1]["role"] != "assistant":
        shaped.pop()
    if not shaped:
        raise UnusableError("no_reply")
    if any(turn["role"] != ("assistant" if place % 2 else "user") for place, turn in enumerate(shaped)):
        raise UnusableError("roles_do_not_alternate")
    return [_place_thinking(turn, thinking) for turn in shaped]


def _place_thinking(turn: ChatTurn, thinking: Thinking) -> ChatTurn:
    if thinking is Thinking.INLINE:
        return turn
    content, reasoning = turn["content"], ""
    if turn["role"] == "assistant":
        end = find_thinking_end(content)
        reasoning, content = _TAG.sub("", content[:end]).strip(), content[end:].lstrip("\n")
    if thinking is Thinking.NONE:
        return ChatTurn(role=turn["role"], content=content)
    # On every turn, so that a table of turns has one schema.
    return ChatTurn(role=turn["role"], content=content, reasoning_content=reasoning)
