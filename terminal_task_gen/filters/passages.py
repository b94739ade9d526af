"""The teacher's own words in a trajectory, with their places, and how to quote them.

Observations are never the teacher's words. Keystrokes are, but what is typed into a file or a command line may belong
to the task, so rules about who speaks look at `Passage.prose`, where keystrokes are blanked out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from terminal_task_gen.trajectory import Trajectory, find_thinking_end

EVIDENCE_CHARS = 120

# By expression and not by parser, so that a reply with broken JSON is read too. An unclosed string runs to the end.
_KEYSTROKES = re.compile(r'("keystrokes"\s*:\s*")((?:[^"\\]|\\.)*)', re.DOTALL)


@dataclass(frozen=True)
class Passage:
    """One piece of text that the teacher wrote."""

    where: str
    text: str

    @property
    def prose(self) -> str:
        """The text with the values of `keystrokes` blanked out; offsets stay as they are."""
        return _KEYSTROKES.sub(lambda found: found[1] + " " * len(found[2]), self.text)


def list_passages(trajectory: Trajectory) -> Iterator[Passage]:
    """Reasoning, then content, of every assistant message in order."""
    for index, message in enumerate(trajectory.messages):
        if message.role != "assistant":
            continue
        if message.reasoning:
            yield Passage(f"message {index} reasoning", message.reasoning)
        yield Passage(f"message {index}", message.content)


def decode_escapes(text: str) -> str:
    """The JSON object of a reply with its `\\uXXXX` resolved; empty where there are none or the JSON is broken."""
    if "\\u" not in text:
        return ""
    answer = text[find_thinking_end(text) :]
    try:
        reply = orjson.loads(answer[answer.find("{") : answer.rfind("}") + 1])
    except orjson.JSONDecodeError:
        return ""
    return orjson.dumps(reply).decode()


def quote(text: str, start: int, end: int) -> str:
    """One line of at most EVIDENCE_CHARS with the match and what stands around it; cuts are shown by `…`."""
    margin = max(0, EVIDENCE_CHARS - (end - start)) // 2
    left, right = max(0, start - margin), min(len(text), end + margin)
    line = " ".join(text[left:right].split())
    line = ("…" if left > 0 else "") + line + ("…" if right < len(text) else "")
    return line if len(line) <= EVIDENCE_CHARS else line[: EVIDENCE_CHARS - 1] + "…"
