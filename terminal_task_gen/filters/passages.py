"""The texts of a trajectory with their places, who speaks in them, and how to quote them.

What the teacher was given at the start (prompt, instruction, first screen) is no passage; the instruction is judged
with the task. Observations are never the teacher's words. Keystrokes are, but what is typed into a file or a command
line may belong to the task, so rules about who speaks look at `Passage.prose`, where keystrokes are blanked out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import orjson

from terminal_task_gen.trajectory import Trajectory, find_thinking_end

EVIDENCE_CHARS = 120

# By expression and not by parser, so that a reply with broken JSON is read too. An unclosed string runs to the end.
_KEYSTROKES = re.compile(r'("keystrokes"\s*:\s*")((?:[^"\\]|\\.)*)', re.DOTALL)


@dataclass(slots=True)
class Passage:
    """One piece of text."""

    message: int
    """Counts from 0."""
    text: str
    spoken: bool
    """By the teacher; else a screen."""
    thought: bool
    """Reasoning that the endpoint gave apart from the content."""
    triggers: int = 255
    """Bits of Trigger: the rules that must look at it. All, until somebody has looked."""
    says: int = 0xFFFFFFFF
    """Bits of words.SAYS_* and of scripts; all, until somebody has looked."""
    lines: int = 1 << 31
    """No fewer than its line breaks, written out or as `\\n`."""

    @property
    def where(self) -> str:
        return f"message {self.message} reasoning" if self.thought else f"message {self.message}"

    @property
    def prose(self) -> str:
        """The text with the values of `keystrokes` blanked out; offsets stay as they are."""
        return _KEYSTROKES.sub(lambda found: found[1] + " " * len(found[2]), self.text)


def list_passages(trajectory: Trajectory) -> list[Passage]:
    """Every message in order from the first reply on; reasoning before content."""
    passages: list[Passage] = []
    for number, message in enumerate(trajectory.messages):
        spoken = message.role == "assistant"
        if not (spoken or passages):
            continue
        if spoken and message.reasoning:
            passages.append(Passage(number, message.reasoning, True, True))
        passages.append(Passage(number, message.content, spoken, False))
    return passages


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
