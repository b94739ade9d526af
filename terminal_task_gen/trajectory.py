"""What a rollout produced. Everything but `timings` is the same when the same replies meet the same screens."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from terminal_task_gen.errors import Cause
from terminal_task_gen.records import Record, Usage, content_id

TestStatus = Literal["passed", "failed", "crashed", "skipped", "missing"]
"""failed: an assertion did not hold. crashed: another exception, or a setup error; a suspected verifier bug.
missing: the test was weighted but the run reported no result for it (collection error, verifier timeout)."""


class Message(Record):
    """One chat message as the endpoint saw or gave it."""

    role: Literal["system", "user", "assistant"]
    content: str
    reasoning: str | None = None
    """The teacher's reasoning where the endpoint gives it apart from the content (assistant only)."""


class Command(Record):
    """Keystrokes sent verbatim, and how long the teacher asked to wait for them."""

    keystrokes: str
    duration_sec: float


class Step(Record):
    """One turn: a reply, what was done about it, and what the teacher saw next."""

    turn: int = Field(ge=1)
    commands: tuple[Command, ...] = ()
    task_complete: bool = False
    error: str | None = None
    """Why the reply could not be read; nothing was executed then."""
    warnings: tuple[str, ...] = ()
    observation: str = ""
    """The user message that answered this turn; empty on the last one."""
    usage: Usage = Usage()


class TestOutcome(Record):
    """One weighted test."""

    __test__ = False  # pytest: a record, not a test class

    name: str
    status: TestStatus
    weight: float
    message: str = ""
    """First lines of the failure, cut to 2,000 characters."""


class Verdict(Record):
    """The outcome of the task's tests."""

    reward: float = Field(ge=0.0, le=1.0)
    """Sum of the weights of passed tests."""
    passed: bool
    """Every test passed."""
    tests: tuple[TestOutcome, ...] = ()
    tampered: bool = False
    system_changes: tuple[str, ...] = ()
    """Paths outside /app, /tmp, /root, /home, /var, /run that differ from the image; at most 200, sorted."""
    log: str = ""
    """Tail of the test run's output, at most 20,000 characters."""


class Timings(Record):
    """Wall-clock facts; the only fields allowed to differ between two runs with equal replies."""

    started_at: str
    """UTC, ISO 8601, seconds."""
    sandbox_start_sec: float = 0.0
    teacher_sec: float = 0.0
    terminal_sec: float = 0.0
    verify_sec: float = 0.0
    total_sec: float = 0.0


class Trajectory(Record):
    """One teacher's attempt at one task."""

    id: str
    task_id: str
    domain: str
    attempt: int = Field(ge=0)
    agent: str
    """Protocol, e.g. `terminus-2`."""
    model: str
    messages: tuple[Message, ...]
    steps: tuple[Step, ...]
    stop_reason: Cause
    verdict: Verdict
    usage: Usage
    sandbox: str
    """Driver that ran it: `docker` or `bubblewrap`."""
    timings: Timings

    @property
    def completed(self) -> bool:
        """The teacher said, twice, that it was done (facts: Terminus 2's completion handshake)."""
        return self.stop_reason is Cause.COMPLETED


def trajectory_id(task_id: str, *, model: str, attempt: int) -> str:
    """Known before the rollout runs, so resume can tell what is owed."""
    return content_id("traj", {"task": task_id, "model": model, "attempt": attempt})
