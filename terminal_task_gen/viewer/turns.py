"""A trajectory's turns: each step with the reply that it came from, read as far as it can be."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from terminal_task_gen.trajectory import find_thinking_end
from terminal_task_gen.viewer.cuts import (
    USAGE,
    Json,
    Scissors,
    get_dict,
    get_dicts,
    get_number,
    get_plain,
    get_text,
    get_texts,
)

MAX_TURNS = 1_000
MAX_COMMANDS = 200
_XML_PART = {name: re.compile(rf"<{name}>(.*?)</{name}>", re.DOTALL) for name in ("analysis", "plan")}
_THINKING_TAG = re.compile(r"^\s*<think(?:ing)?\s*>\s*|\s*</think(?:ing)?\s*>\s*$", re.IGNORECASE)
MAX_PARSED_CHARACTERS = 4_000_000


def list_conversations(row: Json) -> list[list[Json]]:
    """Earlier ones that were handed over, then the last."""
    earlier = row.get("earlier")
    whole = [*(earlier if isinstance(earlier, list) else []), row.get("messages")]
    return [[m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else [] for messages in whole]


def list_replies(row: Json) -> list[tuple[Json, int, bool]]:
    """The message of each step with its number in the last conversation (-1: an earlier one), and whether a handover
    came before it. After a handover the first reply is a question, not a turn."""
    replies: list[tuple[Json, int, bool]] = []
    conversations = list_conversations(row)
    for place, messages in enumerate(conversations):
        last = place == len(conversations) - 1
        spoken = [(m, n if last else -1) for n, m in enumerate(messages) if m.get("role") == "assistant"]
        spoken = spoken[1:] if place else spoken
        replies += [(message, n, place > 0 and k == 0) for k, (message, n) in enumerate(spoken)]
    return replies


def list_keys(row: Json) -> list[list[str]]:
    """The keystrokes of each step."""
    return [
        [text for command in get_dicts(step, "commands") if (text := get_text(command, "keystrokes", 1_000_000))]
        for step in get_dicts(row, "steps")
    ]


def make_turns(
    row: Json, scissors: Scissors, starts: Sequence[float | None], end: float | None, only: int | None
) -> list[Json]:
    """`starts`: second of the recording at which each step begins; `end`: its length; `only`: a turn's number."""
    steps, replies = get_dicts(row, "steps"), list_replies(row)
    turns = []
    for place, step in enumerate(steps[:MAX_TURNS] if only is None else steps):
        if only is not None and only != place + 1:
            continue
        message, _, handed_over = replies[place] if place < len(replies) else ({}, -1, False)
        turn = {"turn": place + 1, **read_reply(message, scissors), **_make_step(step, scissors)}
        start = starts[place] if place < len(starts) else None
        following = starts[place + 1] if place + 1 < len(starts) else end
        seconds = round(max(0.0, following - start), 6) if start is not None and following is not None else None
        turns.append({**turn, "handed_over": handed_over, "start_sec": start, "seconds": seconds})
    return turns


def read_reply(message: Json, scissors: Scissors) -> Json:
    """The message, its reasoning, and analysis and plan where it is in one of the two dialects."""
    content = get_text(message, "content", MAX_PARSED_CHARACTERS) or ""
    end = find_thinking_end(content)
    thinking = _THINKING_TAG.sub("", content[:end]) if end else ""
    reasoning = get_text(message, "reasoning", MAX_PARSED_CHARACTERS) or thinking or None
    analysis, plan = _read_parts(content[end:])
    return {
        "reply": scissors.cut(message.get("content")),
        "reasoning": scissors.cut_or_none(reasoning),
        "analysis": scissors.cut_or_none(analysis),
        "plan": scissors.cut_or_none(plan),
    }


def _read_parts(text: str) -> tuple[str | None, str | None]:
    begin = text.find("{")
    try:
        found, _ = json.JSONDecoder().raw_decode(text, begin) if begin >= 0 else (None, 0)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict) and ("commands" in found or "analysis" in found):
        return get_text(found, "analysis", MAX_PARSED_CHARACTERS), get_text(found, "plan", MAX_PARSED_CHARACTERS)
    parts = [form.search(text) for form in _XML_PART.values()]
    analysis, plan = (part.group(1).strip() if part else None for part in parts)
    return analysis, plan


def _make_step(step: Json, scissors: Scissors) -> Json:
    commands = get_dicts(step, "commands")
    return {
        "commands": [
            {"keystrokes": scissors.cut(command.get("keystrokes")), "duration_sec": get_number(command, "duration_sec")}
            for command in commands[:MAX_COMMANDS]
        ],
        "commands_cut": max(0, len(commands) - MAX_COMMANDS),
        "screen": scissors.cut(step.get("observation")),
        "task_complete": step.get("task_complete") is True,
        "error": get_text(step, "error", 2_000),
        "warnings": get_texts(step, "warnings", most=20),
        "injected": get_text(step, "injected"),
        "usage": get_plain(get_dict(step, "usage"), USAGE),
    }
