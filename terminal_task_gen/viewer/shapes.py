"""What the index takes from a line, as structs: the decoder passes over everything else without making objects of it.

An index of what is there must not depend on this version's records, so a line that does not fit is read once more,
forgivingly: what is of another type counts as missing, whatever is missing as its default.
"""

from __future__ import annotations

from functools import cache
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
import orjson


class UnusableLineError(ValueError):
    """Why a line is damage."""


class Shape(msgspec.Struct, gc=False):
    """Nothing refers back, so the garbage collector need not look. Numbers are floats: exact as far as JSON's are."""


class Message(Shape):
    role: str = ""
    content: str = ""
    reasoning: str | None = None


class TestResult(Shape):
    __test__ = False  # pytest: a shape, not a test class

    name: str = ""
    status: str = ""
    message: str = ""


class Verdict(Shape):
    reward: float = 0.0
    passed: bool = False
    judged: bool = True
    tampered: bool = False
    tests: tuple[TestResult, ...] = ()


class Usage(Shape):
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    cost_usd: float = 0.0


class Timings(Shape):
    total_sec: float = 0.0


class TrajectoryShape(Shape):
    id: str = ""
    task_id: str = ""
    domain: str = ""
    model: str = ""
    stop_reason: str = ""
    attempt: float = 0.0
    messages: tuple[Message, ...] = ()
    earlier: tuple[tuple[Message, ...], ...] = ()
    steps: tuple[Shape, ...] = ()
    verdict: Verdict = msgspec.field(default_factory=Verdict)
    usage: Usage = msgspec.field(default_factory=Usage)
    timings: Timings = msgspec.field(default_factory=Timings)


class Lineage(Shape):
    request_id: str = ""
    mode: str = ""
    repair_rounds: float = 0.0
    author_model: str = ""


class TaskShape(Shape):
    id: str = ""
    title: str = ""
    instruction: str = ""
    tests: str = ""
    domain: str = ""
    difficulty: str = ""
    skills: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    lineage: Lineage = msgspec.field(default_factory=Lineage)


class Refusal(Shape):
    gate: str = ""


class RejectionShape(Shape):
    id: str = ""
    evidence: str = ""
    domain: str = ""
    mode: str = ""
    difficulty: str = ""
    cause: str = ""
    reason: str = ""
    repair_rounds: float = 0.0
    refusals: tuple[Refusal, ...] = ()


class FailureShape(Shape):
    id: str = ""
    task_id: str = ""
    cause: str = ""
    reason: str = ""


class DuplicateShape(Shape):
    task_id: str = ""
    evidence: str = ""


class Finding(Shape):
    reason: str = ""


class RulingShape(Shape):
    id: str = ""
    drop_reason: str = ""
    flags: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


ShapeT = TypeVar("ShapeT", bound=Shape)
_MISSING = object()


def read_shape(line: bytes, shape: type[ShapeT]) -> ShapeT:
    """Raises UnusableLineError where the line is no JSON object."""
    try:
        if not line.isascii():
            line.decode()  # the decoder does not look at what it passes over
        found: ShapeT = _make_decoder(shape).decode(line)
        return found
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _forgive_line(line, shape)


@cache
def _make_decoder(shape: type[Shape]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape)


def _forgive_line(line: bytes, shape: type[ShapeT]) -> ShapeT:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UnusableLineError(f"not valid JSON ({error})") from error
    if not isinstance(row, dict):
        raise UnusableLineError("not a JSON object")
    found: ShapeT = _forgive(row, shape)
    return found


def _forgive(value: Any, kind: Any) -> Any:
    """The value as this kind, or _MISSING."""
    if get_origin(kind) is tuple:
        items = [_forgive(item, get_args(kind)[0]) for item in value] if isinstance(value, list) else _MISSING
        return tuple(item for item in items if item is not _MISSING) if isinstance(items, list) else _MISSING
    if isinstance(kind, UnionType):
        return _forgive(value, get_args(kind)[0])
    if kind is float:
        return float(value) if isinstance(value, int | float) else _MISSING
    if issubclass(kind, Shape):
        if not isinstance(value, dict):
            return _MISSING
        found = {name: _forgive(value[name], hint) for name, hint in _get_hints(kind).items() if name in value}
        return kind(**{name: item for name, item in found.items() if item is not _MISSING})
    return value if isinstance(value, kind) else _MISSING


@cache
def _get_hints(shape: type[Shape]) -> dict[str, Any]:
    return {name: hint for name, hint in get_type_hints(shape).items() if name in shape.__struct_fields__}
