"""Every way a thing can fail, and the one table that says what to do about each.

    TtgError
    ├── UsageError            the user can mend it: one line, exit code 2, no traceback
    │   ├── PrerequisiteError something outside is missing (engine, program, key); names what to install or set
    │   └── StorageError      an object store does not answer or refuses; while a run is on, work goes on without it
    └── ItemError             one item failed; it becomes a recorded row, never a crash; carries a Cause
        ├── TeacherError      the endpoint did not give a usable reply
        ├── SandboxError      the sandbox broke or died; never to be shown to a teacher as command output
        │   └── DiskFullError it was ended for what was written in it: its inhabitant's doing, not the engine's
        └── GateError         an item was refused on its merits (reason code and evidence)

Anything else that escapes is a bug and keeps its traceback. Third-party exceptions stop at the driver that owns them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Cause(StrEnum):
    """Why an item ended as it did. Values are on-disk words: add, never rename."""

    # A rollout that ran; the trajectory is data whatever its reward.
    COMPLETED = "completed"
    MAX_TURNS = "max_turns"
    MAX_TOKENS = "max_tokens"
    TIMEOUT = "timeout"
    SESSION_ENDED = "session_ended"
    CONTEXT_FULL = "context_full"
    DISK_FULL = "disk_full"
    # An item refused on its merits; asking again gives the same answer.
    MERIT = "merit"
    TEACHER_REFUSED = "teacher_refused"
    # Trouble that may pass; the item is owed again.
    TEACHER_UNAVAILABLE = "teacher_unavailable"
    SANDBOX_FAILED = "sandbox_failed"


class Policy(NamedTuple):
    """retry: the item is owed again on resume. keep: the row is data and goes on to the next stage."""

    retry: bool
    keep: bool


POLICY: dict[Cause, Policy] = {
    Cause.COMPLETED: Policy(retry=False, keep=True),
    Cause.MAX_TURNS: Policy(retry=False, keep=True),
    Cause.MAX_TOKENS: Policy(retry=False, keep=True),
    Cause.TIMEOUT: Policy(retry=False, keep=True),
    Cause.SESSION_ENDED: Policy(retry=False, keep=True),
    Cause.CONTEXT_FULL: Policy(retry=False, keep=True),
    Cause.DISK_FULL: Policy(retry=False, keep=True),
    Cause.MERIT: Policy(retry=False, keep=False),
    Cause.TEACHER_REFUSED: Policy(retry=False, keep=False),
    Cause.TEACHER_UNAVAILABLE: Policy(retry=True, keep=False),
    Cause.SANDBOX_FAILED: Policy(retry=True, keep=False),
}


class TtgError(Exception):
    """Base of all errors that this package raises on purpose."""


class UsageError(TtgError):
    """What the user asked for cannot be done; the message names what, where and the remedy, in one line."""


class PrerequisiteError(UsageError):
    """A program, engine, key or extra is missing; the message says how to get it."""


class StorageError(UsageError):
    """An object store does not answer or refuses; the message names the URL and the remedy."""


class ItemError(TtgError):
    """One item failed. `reason` is a stable code from a closed set, `evidence` the detail for a person."""

    cause: Cause = Cause.MERIT

    def __init__(self, reason: str, evidence: str = "") -> None:
        super().__init__(f"{reason}: {evidence}" if evidence else reason)
        self.reason = reason
        self.evidence = evidence


class TeacherError(ItemError):
    """No usable reply after the client's own retries; owed again."""

    cause = Cause.TEACHER_UNAVAILABLE


class TeacherRefusedError(TeacherError):
    """The endpoint refuses this very call (bad request, content filter); asking again would not help."""

    cause = Cause.TEACHER_REFUSED


class SandboxError(ItemError):
    """The sandbox could not be started, broke or died. Says nothing about the command that was running."""

    cause = Cause.SANDBOX_FAILED


class DiskFullError(SandboxError):
    """The sandbox was ended because more was written in it than its disk limit; a fresh one would end the same way."""

    cause = Cause.DISK_FULL


class GateError(ItemError):
    """Refused on its merits."""
