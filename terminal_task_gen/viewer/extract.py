"""From a line of a shard to what the index holds of it. Called in worker processes; knows no SQLite.

Lines are parsed but not validated (shapes.py). A line that is no object with an id is damage. Numbers are forced into
their columns' ranges.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from terminal_task_gen.errors import POLICY, Cause
from terminal_task_gen.viewer.shapes import (
    DuplicateShape,
    FailureShape,
    RejectionShape,
    RulingShape,
    TaskShape,
    TrajectoryShape,
    UnusableLineError,
    read_shape,
)
from terminal_task_gen.viewer.words import flatten_words

MAX_ID = 200
MAX_TITLE = 200
MAX_NAME = 120
"""Characters of a domain, model, skill, …; longer ones are cut."""
PASSED, JUDGED, TAMPERED = 1, 2, 4
_CORPUS_TAIL = b'],"agent":"'


def is_owed(cause: str) -> bool:
    """Whether what ended for this cause is tried again; not for words that this version does not know."""
    try:
        return POLICY[Cause(cause)].retry
    except ValueError:
        return False


class TrajectoryFacts(NamedTuple):
    """Named tuples: they go from process to process by the hundred thousand."""

    id: str
    task_id: str
    domain: str
    model: str
    stop: str
    attempt: int
    reward: float
    flags: int
    turns: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    seconds: float
    words: str


class ItemFacts(NamedTuple):
    """A task (`cause` empty), or a draft that was given up."""

    id: str
    request_id: str
    title: str
    evidence: str
    domain: str
    mode: str
    difficulty: str
    cause: str
    reason: str
    gate: str
    repairs: int
    skills: tuple[str, ...]
    author: str
    words: str


class FailureFacts(NamedTuple):
    id: str
    task_id: str
    cause: str
    reason: str


class DuplicateFacts(NamedTuple):
    """A task that is left out from the rollouts on."""

    task_id: str
    evidence: str


class RulingFacts(NamedTuple):
    id: str
    drop: str
    """`kept`, or the reason of the first rule that dropped it."""
    found: tuple[str, ...] = ()
    """Reasons of all objections, flags included."""


def extract_trajectory(line: bytes) -> TrajectoryFacts:
    """Raises UnusableLineError."""
    row = read_shape(line, TrajectoryShape)
    verdict, usage = row.verdict, row.usage
    return TrajectoryFacts(
        id=_check_id(row.id),
        task_id=row.task_id[:MAX_ID],
        domain=row.domain[:MAX_NAME],
        model=row.model[:MAX_NAME],
        stop=row.stop_reason[:MAX_NAME],
        attempt=_count(row.attempt, 2**31),
        reward=_clamp(verdict.reward, 1.0),
        flags=PASSED * verdict.passed + JUDGED * verdict.judged + TAMPERED * verdict.tampered,
        turns=len(row.steps),
        prompt_tokens=_count(usage.prompt_tokens),
        completion_tokens=_count(usage.completion_tokens),
        cost_usd=_clamp(usage.cost_usd),
        seconds=_clamp(row.timings.total_sec),
        words=flatten_words(_list_texts(row)),
    )


def extract_task(line: bytes) -> ItemFacts:
    """Raises UnusableLineError."""
    row = read_shape(line, TaskShape)
    skills = tuple(skill[:MAX_NAME] for skill in row.skills)
    return ItemFacts(
        id=_check_id(row.id),
        request_id=row.lineage.request_id[:MAX_ID],
        title=row.title[:MAX_TITLE],
        evidence="",
        domain=row.domain[:MAX_NAME],
        mode=row.lineage.mode[:MAX_NAME],
        difficulty=row.difficulty[:MAX_NAME],
        cause="",
        reason="",
        gate="",
        repairs=_count(row.lineage.repair_rounds, 65_535),
        skills=skills,
        author=row.lineage.author_model[:MAX_NAME],
        words=flatten_words([row.title, row.instruction, row.tests, *skills, *row.tags]),
    )


def extract_rejection(line: bytes) -> ItemFacts:
    """Raises UnusableLineError."""
    row = read_shape(line, RejectionShape)
    request_id = _check_id(row.id)
    return ItemFacts(
        id=request_id,
        request_id=request_id,
        title="",
        evidence=row.evidence[:MAX_TITLE],
        domain=row.domain[:MAX_NAME],
        mode=row.mode[:MAX_NAME],
        difficulty=row.difficulty[:MAX_NAME],
        cause=row.cause[:MAX_NAME] or "merit",
        reason=row.reason[:MAX_NAME],
        gate=row.refusals[-1].gate[:MAX_NAME] if row.refusals else "",
        repairs=_count(row.repair_rounds, 65_535),
        skills=(),
        author="",
        words=flatten_words([row.evidence, row.reason[:MAX_NAME]]),
    )


def extract_failure(line: bytes) -> FailureFacts:
    """Raises UnusableLineError."""
    row = read_shape(line, FailureShape)
    return FailureFacts(_check_id(row.id), row.task_id[:MAX_ID], row.cause[:MAX_NAME], row.reason[:MAX_NAME])


def extract_duplicate(line: bytes) -> DuplicateFacts:
    """Raises UnusableLineError."""
    row = read_shape(line, DuplicateShape)
    return DuplicateFacts(_check_id(row.task_id), row.evidence[:MAX_TITLE])


def extract_ruling(line: bytes) -> RulingFacts:
    """Of a row of the corpus, kept or dropped. Raises UnusableLineError."""
    # The conversation comes first and is most of the line; quotes within it are escaped, so this can only be its end.
    at = line.rfind(_CORPUS_TAIL)
    row = read_shape(b"{" + line[at + 2 :] if at >= 0 else line, RulingShape)
    found = [finding.reason[:MAX_NAME] for finding in row.findings] + [flag[:MAX_NAME] for flag in row.flags]
    return RulingFacts(_check_id(row.id), row.drop_reason[:MAX_NAME] or "kept", tuple(dict.fromkeys(found)))


def _list_texts(row: TrajectoryShape) -> Iterator[str]:
    """What the teacher said; its commands stand in its replies."""
    for messages in (*row.earlier, row.messages):
        for message in messages:
            if message.role == "assistant":
                yield message.content
                if message.reasoning:
                    yield message.reasoning
    for test in row.verdict.tests:
        if test.status != "passed":
            yield test.name
            yield test.message


def _check_id(value: str) -> str:
    if not value or len(value) > MAX_ID:
        raise UnusableLineError(f"id: not a text of 1 to {MAX_ID} characters")
    return value


def _clamp(value: float, most: float = 1e12) -> float:
    return min(max(value, 0.0), most)


def _count(value: float, most: int = 2**53) -> int:
    return int(min(max(value, 0.0), most))
