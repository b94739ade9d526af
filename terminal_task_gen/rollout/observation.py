"""What the teacher sees of the terminal: the protocol's heading, and its cut in the middle of long output.

The cut is counted in UTF-8 bytes. A character split by it is dropped and counted among the omitted bytes, so that the
number told is true.
"""

from __future__ import annotations

from typing import Literal

_HEADINGS = {"new": "New Terminal Output:\n", "screen": "Current Terminal Screen:\n"}


def render_output(kind: Literal["new", "screen"], text: str, *, max_bytes: int) -> str:
    """Heading and text, cut together as the standard cuts them."""
    return cut_middle(_HEADINGS[kind] + text, max_bytes=max_bytes)


def cut_middle(text: str, *, max_bytes: int) -> str:
    """Keep the first and the last half of `max_bytes`, with a line between them that says what is missing."""
    data = text.encode(errors="replace")
    if len(data) <= max_bytes:
        return text
    half = max_bytes // 2
    head = data[:half].decode(errors="ignore")
    tail = data[-half:].decode(errors="ignore")
    omitted = len(data) - len(head.encode()) - len(tail.encode())
    return f"{head}\n[... output limited to {max_bytes} bytes; {omitted} interior bytes omitted ...]\n{tail}"
