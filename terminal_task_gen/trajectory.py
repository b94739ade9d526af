"""What a rollout produced. Everything but `timings` is the same when the same replies meet the same screens."""

from __future__ import annotations

import json
import re
from typing import Literal

from pydantic import ConfigDict, Field

from terminal_task_gen.errors import Cause
from terminal_task_gen.records import Record, Usage, content_id

_THINKING_END = re.compile(r"</think(?:ing)?\s*>", re.IGNORECASE)
_REPLY_BEGIN = re.compile(r'\{\s*"(?:analysis|plan|commands|task_complete)"')
_MAX_OBJECTS = 32

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
    injected: str | None = None
    """Kind of the mistake that this turn was asked to hold (rollout.inject_errors); None: the actor's own turn."""
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
    judged: bool = True
    """The task has tests. Where it has none, `reward` is 0 and `passed` false, and neither says anything."""
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
    """As the last call saw them, and its reply."""
    earlier: tuple[tuple[Message, ...], ...] = ()
    """Conversations that were summed up and handed over (rollout.summarize), oldest first, each to its last reply."""
    steps: tuple[Step, ...]
    stop_reason: Cause
    verdict: Verdict
    usage: Usage
    """What the messages cost."""
    wasted_usage: Usage = Usage()
    """What earlier tries of the attempt cost, whose sandboxes broke; nothing of them is in the messages."""
    sandbox: str
    """Driver that ran it: `docker` or `bubblewrap`."""
    timings: Timings

    @property
    def completed(self) -> bool:
        """The teacher said, twice, that it was done (facts: Terminus 2's completion handshake)."""
        return self.stop_reason is Cause.COMPLETED

    def list_replies(self) -> list[Message]:
        """The message of each step, in order. After a handover the first reply is a question, not a turn."""
        replies: list[Message] = []
        for place, messages in enumerate((*self.earlier, self.messages)):
            spoken = [message for message in messages if message.role == "assistant"]
            replies += spoken[1:] if place else spoken
        return replies


class PassedVerdict(Record):
    """Of a verdict, whether it passed; the rest is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    passed: bool
    judged: bool = True


class Outcome(Record):
    """Of a trajectory's line, what says whether its task has had enough attempts; cheap to read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    task_id: str
    model: str
    verdict: PassedVerdict


def find_thinking_end(content: str) -> int:
    """Index right after the thinking that a model left in its content; 0 when there is none.

    Some chat templates open the thinking in the prompt, so only the closing tag is sought: the last one with a brace
    after it, or else the last. One inside of a reply's object is text that the model types.
    """
    if content.lstrip().startswith(("{", "```")):
        return 0
    ends = [match.end() for match in _THINKING_END.finditer(content)]
    if not ends:
        return 0
    objects = _list_objects(content)
    ends = [end for end in ends if not any(end - 1 in span for span in objects)]
    last_brace = content.rfind("{")
    return max((end for end in ends if end <= last_brace), default=max(ends, default=0))


def _list_objects(content: str) -> list[range]:
    """Where whole reply objects stand. Only so many are sought: reading one from each brace is quadratic."""
    spans: list[range] = []
    at = 0
    for _ in range(_MAX_OBJECTS):
        begin = _REPLY_BEGIN.search(content, at)
        if begin is None:
            break
        try:
            at = json.JSONDecoder().raw_decode(content, begin.start())[1]
        except (ValueError, RecursionError):
            at = begin.end()
        else:
            spans.append(range(begin.start(), at))
    return spans


def trajectory_id(task_id: str, *, model: str, attempt: int) -> str:
    """Known before the rollout runs, so resume can tell what is owed."""
    return content_id("traj", {"task": task_id, "model": model, "attempt": attempt})
