"""From a line of a shard to what the index holds of it. Called in worker processes; knows no SQLite.

Lines are parsed but not validated: an index of what is there must not depend on this version's records. What is missing
counts as nothing; a line that is no object with an id is damage. Numbers are forced into their columns' ranges.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from terminal_task_gen.errors import POLICY, Cause
from terminal_task_gen.viewer.words import collect_words

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


class UnusableLineError(ValueError):
    """Why a line is damage."""


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


class RulingFacts(NamedTuple):
    id: str
    drop: str
    """`kept`, or the reason of the first rule that dropped it."""
    found: tuple[str, ...] = ()
    """Reasons of all objections, flags included."""


def extract_trajectory(line: bytes) -> TrajectoryFacts:
    """Raises UnusableLineError."""
    row = _parse(line)
    verdict, usage, timings = _get_dict(row, "verdict"), _get_dict(row, "usage"), _get_dict(row, "timings")
    flags = PASSED * (verdict.get("passed") is True) + JUDGED * (verdict.get("judged", True) is True)
    return TrajectoryFacts(
        id=_get_id(row, "id"),
        task_id=_get_text(row, "task_id", MAX_ID),
        domain=_get_text(row, "domain"),
        model=_get_text(row, "model"),
        stop=_get_text(row, "stop_reason"),
        attempt=_get_count(row, "attempt", 2**31),
        reward=min(1.0, _get_number(verdict, "reward")),
        flags=flags + TAMPERED * (verdict.get("tampered") is True),
        turns=len(_get_list(row, "steps")),
        prompt_tokens=_get_count(usage, "prompt_tokens"),
        completion_tokens=_get_count(usage, "completion_tokens"),
        cost_usd=_get_number(usage, "cost_usd"),
        seconds=_get_number(timings, "total_sec"),
        words=collect_words(_list_trajectory_texts(row, verdict)),
    )


def extract_task(line: bytes) -> ItemFacts:
    """Raises UnusableLineError."""
    row = _parse(line)
    lineage = _get_dict(row, "lineage")
    skills = tuple(skill[:MAX_NAME] for skill in _get_list(row, "skills") if isinstance(skill, str))
    tags = [tag for tag in _get_list(row, "tags") if isinstance(tag, str)]
    texts = [_get_text(row, name, -1) for name in ("title", "instruction", "tests")]
    return ItemFacts(
        id=_get_id(row, "id"),
        request_id=_get_text(lineage, "request_id", MAX_ID),
        title=_get_text(row, "title", MAX_TITLE),
        evidence="",
        domain=_get_text(row, "domain"),
        mode=_get_text(lineage, "mode"),
        difficulty=_get_text(row, "difficulty"),
        cause="",
        reason="",
        gate="",
        repairs=_get_count(lineage, "repair_rounds", 65_535),
        skills=skills,
        author=_get_text(lineage, "author_model"),
        words=collect_words([*texts, *skills, *tags]),
    )


def extract_rejection(line: bytes) -> ItemFacts:
    """Raises UnusableLineError."""
    row = _parse(line)
    refusals = [refusal for refusal in _get_list(row, "refusals") if isinstance(refusal, dict)]
    evidence = _get_text(row, "evidence", -1)
    request_id = _get_id(row, "id")
    return ItemFacts(
        id=request_id,
        request_id=request_id,
        title="",
        evidence=evidence[:MAX_TITLE],
        domain=_get_text(row, "domain"),
        mode=_get_text(row, "mode"),
        difficulty=_get_text(row, "difficulty"),
        cause=_get_text(row, "cause") or "merit",
        reason=_get_text(row, "reason"),
        gate=_get_text(refusals[-1], "gate") if refusals else "",
        repairs=_get_count(row, "repair_rounds", 65_535),
        skills=(),
        author="",
        words=collect_words([evidence, _get_text(row, "reason")]),
    )


def extract_failure(line: bytes) -> FailureFacts:
    """Raises UnusableLineError."""
    row = _parse(line)
    return FailureFacts(
        id=_get_id(row, "id"),
        task_id=_get_text(row, "task_id", MAX_ID),
        cause=_get_text(row, "cause"),
        reason=_get_text(row, "reason"),
    )


def extract_ruling(line: bytes) -> RulingFacts:
    """Of a row of the corpus, kept or dropped. Raises UnusableLineError."""
    # The conversation comes first and is most of the line; quotes within it are escaped, so this can only be its end.
    at = line.rfind(_CORPUS_TAIL)
    row = _parse(b"{" + line[at + 2 :] if at >= 0 else line)
    findings = [finding for finding in _get_list(row, "findings") if isinstance(finding, dict)]
    found = [_get_text(finding, "reason") for finding in findings]
    found += [flag[:MAX_NAME] for flag in _get_list(row, "flags") if isinstance(flag, str)]
    drop = _get_text(row, "drop_reason") or "kept"
    return RulingFacts(_get_id(row, "id"), drop, tuple(dict.fromkeys(found)))


def _list_trajectory_texts(row: dict[str, Any], verdict: dict[str, Any]) -> Iterator[str]:
    """What the teacher said; its commands stand in its replies."""
    for messages in (*_get_list(row, "earlier"), _get_list(row, "messages")):
        for message in messages if isinstance(messages, list) else ():
            if isinstance(message, dict) and message.get("role") == "assistant":
                yield _get_text(message, "content", -1)
                if message.get("reasoning"):
                    yield _get_text(message, "reasoning", -1)
    for test in _get_list(verdict, "tests"):
        if isinstance(test, dict) and test.get("status") != "passed":
            yield _get_text(test, "name", -1)
            yield _get_text(test, "message", -1)


def _parse(line: bytes) -> dict[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UnusableLineError(f"not valid JSON ({error})") from error
    if not isinstance(row, dict):
        raise UnusableLineError("not a JSON object")
    return row


def _get_id(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value or len(value) > MAX_ID:
        raise UnusableLineError(f"{name}: not a text of 1 to {MAX_ID} characters")
    return value


def _get_text(row: dict[str, Any], name: str, most: int = MAX_NAME) -> str:
    value = row.get(name)
    return (value if most < 0 else value[:most]) if isinstance(value, str) else ""


def _get_list(row: dict[str, Any], name: str) -> list[Any]:
    value = row.get(name)
    return value if isinstance(value, list) else []


def _get_dict(row: dict[str, Any], name: str) -> dict[str, Any]:
    value = row.get(name)
    return value if isinstance(value, dict) else {}


def _get_number(row: dict[str, Any], name: str) -> float:
    value = row.get(name)
    return min(max(float(value), 0.0), 1e12) if isinstance(value, int | float) else 0.0


def _get_count(row: dict[str, Any], name: str, most: int = 2**53) -> int:
    return int(min(_get_number(row, name), most))
