"""What is wrong with a reply: exact complaints, many at once, so that one repair round can mend them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from terminal_task_gen.errors import GateError


class Complaint(NamedTuple):
    """`reason` is a stable code from the closed set of the gate that makes it; `text` says what, where and how much."""

    reason: str
    text: str


class RefusedError(GateError):
    """A gate refused a reply. The first complaint gives the reason code; the evidence lists all of them."""

    def __init__(self, gate: str, complaints: Sequence[Complaint]) -> None:
        super().__init__(complaints[0].reason, "\n".join(f"- {c.reason}: {c.text}" for c in complaints))
        self.gate = gate
        self.complaints = tuple(complaints)
