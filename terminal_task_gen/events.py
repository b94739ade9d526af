"""What stages tell the world while they run. Progress bars, logs and the viewer listen; no stage imports a listener."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from terminal_task_gen.records import Usage


@dataclass(frozen=True)
class StageStarted:
    stage: str
    total: int
    """Items of the stage, done ones included."""
    done: int
    """Items already on disk from an earlier start."""


@dataclass(frozen=True)
class ItemFinished:
    stage: str
    item_id: str
    accepted: bool
    reason: str
    """Reason code of a rejection; for an accepted rollout its stop reason; else empty."""
    label: str
    """Short text for a person: domain and title or reward."""
    seconds: float
    usage: Usage = field(default_factory=Usage)
    owed: bool = False
    """It failed for a cause that may pass."""


@dataclass(frozen=True)
class DraftExamined:
    """What the gates said of one reply of an author, and what each cost."""

    request_id: str
    round: int
    """0: the first reply; n: after the n-th repair."""
    gate: str
    """That refused it; empty when all passed."""
    reasons: tuple[str, ...]
    """Codes of the refusal."""
    seconds: dict[str, float]
    """Gate → seconds, of those that ran; not in the task's row, whose bytes must not depend on the machine."""


@dataclass(frozen=True)
class StageFinished:
    stage: str
    accepted: int
    rejected: int
    owed: int
    """Items that failed for a cause that may pass; done again on the next start."""
    seconds: float
    interrupted: bool = False


@dataclass(frozen=True)
class Notice:
    """One line that a user should see once."""

    text: str


@dataclass(frozen=True)
class TurnFinished:
    """One turn of a rollout, for those who watch it; in no log, since the trajectory holds it."""

    trajectory_id: str
    turn: int
    reply: str
    answer: str
    """What the teacher is told; empty where the rollout ends with this turn."""


@dataclass(frozen=True)
class RepliesReplayed:
    """How much of an item's usage was answered by the replay cache, so that nobody was charged for it."""

    item_id: str
    usage: Usage


Event = StageStarted | DraftExamined | RepliesReplayed | ItemFinished | StageFinished | TurnFinished | Notice
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The listener for those who do not care."""
