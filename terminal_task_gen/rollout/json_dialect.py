"""Terminus-2's JSON dialect: a reply is one JSON object, read as leniently as the standard's own parser reads it.

Lenient means: text around the object, a missing closing brace, fields out of order, missing durations and the like
earn a warning and are executed all the same; anything else is an error and nothing is executed. Where this reader is
kinder than the standard's, it is in what would crash that one: numbers that are no durations, lone surrogates, nesting
without end.
Thinking that a model leaves in its content, `<think>…</think>`, is not text around the object and is never searched
for braces: what is drafted there is not carried out, closed or not. A reply that begins with its object has none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from terminal_task_gen.rollout.prompts import Template, get_own_template
from terminal_task_gen.rollout.protocol import DEFAULT_DURATION_SEC, Turn, bound_duration
from terminal_task_gen.trajectory import Command, find_thinking_end

_REQUIRED_FIELDS = ("analysis", "plan", "commands")
_BRACE_OR_QUOTE = re.compile(r'\\.|["{}]', re.DOTALL)
_SHALLOW_OBJECT = re.compile(r"\{(?:[^{}]++|\{[^{}]*+\})*+\}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_THINKING_BEGIN = re.compile(r"^[^\S\n]*<think(?:ing)?\s*>", re.IGNORECASE | re.MULTILINE)
_NO_JSON = "No valid JSON found in response"


class _UnreadableError(Exception):
    """The reply, or a part of it, cannot be used; the message is told to the teacher."""


class JsonDialect:
    """`{"analysis", "plan", "commands": [{"keystrokes", "duration"}], "task_complete"}`."""

    name = "json"
    reply_noun = "JSON response"
    completion_mark = '"task_complete": true in your JSON response'

    def __init__(self, template: Template | None = None) -> None:
        self._template = template or get_own_template(self.name)

    def render_first_message(self, *, instruction: str, terminal_state: str) -> str:
        return self._template.render(instruction=instruction, terminal_state=terminal_state)

    def parse(self, reply: str) -> Turn:
        text = _drop_thinking(reply)
        turn = _read(text)
        if turn.error is None:
            return turn
        for fix, mend in _FIXES:
            mended = mend(text, turn.error)
            second = _read(mended) if mended is not None else turn
            if second.error is None:
                note = f"AUTO-CORRECTED: {fix} - please fix this in future responses"
                return Turn(second.commands, second.task_complete, None, (note, *second.warnings))
        return turn


def _drop_thinking(reply: str) -> str:
    """What follows the thinking. What is left open on a line of its own never ended: only what precedes it counts."""
    if reply.lstrip().startswith(("{", "```")):
        return reply
    text = reply[find_thinking_end(reply) :]
    unclosed = _THINKING_BEGIN.search(text)
    return text if unclosed is None else text[: unclosed.start()]


def _read(text: str) -> Turn:
    warnings: list[str] = []
    try:
        data = _load(_find_object(text, warnings))
        _check_fields(data, warnings)
    except _UnreadableError as error:
        return Turn(error=str(error), warnings=tuple(warnings))
    complete = _read_completion(data)
    try:
        commands = _read_commands(data["commands"], warnings)
    except _UnreadableError as error:
        if not complete:
            return Turn(error=str(error), warnings=tuple(warnings))
        return Turn(task_complete=True, warnings=(*warnings, str(error)))
    return Turn(commands, complete, None, tuple(warnings))


def _find_object(text: str, warnings: list[str]) -> str:
    """The first balanced `{…}`; quotes are minded outside of it too, as the standard does."""
    start, depth, in_string = -1, 0, False
    for token in _BRACE_OR_QUOTE.finditer(text):
        kind = token.group()
        if kind == '"':
            in_string = not in_string
        elif in_string or kind[0] == "\\":
            continue
        elif kind == "{":
            start = token.start() if depth == 0 else start
            depth += 1
        else:
            depth -= 1
            if depth == 0 and start != -1:
                return _note_surroundings(text, start, token.end(), warnings)
    warnings.append("No valid JSON object found")
    raise _UnreadableError(_NO_JSON)


def _note_surroundings(text: str, start: int, end: int, warnings: list[str]) -> str:
    if text[:start].strip():
        warnings.append("Extra text detected before JSON object")
    if text[end:].strip():
        warnings.append("Extra text detected after JSON object")
    return text[start:end]


def _load(source: str) -> dict[str, object]:
    try:
        data = json.loads(source)
    except RecursionError:
        raise _UnreadableError("Invalid JSON: nested too deeply") from None
    except ValueError as error:
        content = f"Content: {source!r}" if len(source) < 200 else f"Content preview: {source[:100]!r}..."
        raise _UnreadableError(_mend_text(f"Invalid JSON: {error} | {content}")) from None
    if not isinstance(data, dict):
        raise _UnreadableError("Response must be a JSON object")
    return data


def _check_fields(data: dict[str, object], warnings: list[str]) -> None:
    missing = [field for field in _REQUIRED_FIELDS if field not in data]
    if missing:
        raise _UnreadableError(f"Missing required fields: {', '.join(missing)}")
    not_text = [field for field in ("analysis", "plan") if not isinstance(data[field], str)]
    warnings.extend(f"Field '{field}' should be a string" for field in not_text)
    if not isinstance(data["commands"], list):
        raise _UnreadableError("Field 'commands' must be an array")
    found = [field for field in data if field in _REQUIRED_FIELDS]
    if found != list(_REQUIRED_FIELDS):
        expected = " → ".join(_REQUIRED_FIELDS)
        warnings.append(f"Fields appear in wrong order. Found: {' → '.join(found)}, expected: {expected}")
    if not isinstance(data.get("task_complete"), bool | str | None):
        warnings.append("Field 'task_complete' should be a boolean or string")


def _read_completion(data: dict[str, object]) -> bool:
    value = data.get("task_complete", False)
    return value.lower() in ("true", "1", "yes") if isinstance(value, str) else bool(value)


def _read_commands(entries: object, warnings: list[str]) -> tuple[Command, ...]:
    assert isinstance(entries, list)
    commands = []
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            raise _UnreadableError(f"Command {number} must be an object")
        commands.append(_read_command(entry, f"Command {number}", warnings))
        keystrokes = commands[-1].keystrokes
        if number < len(entries) and keystrokes and not keystrokes.endswith("\n"):
            warnings.append(
                f"Command {number} should end with newline when followed by another command. "
                "Otherwise the two commands will be concatenated together on the same line."
            )
    return tuple(commands)


def _read_command(entry: dict[str, object], name: str, warnings: list[str]) -> Command:
    if "keystrokes" not in entry:
        raise _UnreadableError(f"{name} missing required 'keystrokes' field")
    keystrokes = entry["keystrokes"]
    if not isinstance(keystrokes, str):
        raise _UnreadableError(f"{name} 'keystrokes' must be a string")
    duration_sec = _read_duration(entry, name, warnings)
    unknown = [_mend_text(field) for field in entry if field not in ("keystrokes", "duration")]
    if unknown:
        warnings.append(f"{name}: Unknown fields: {', '.join(unknown)}")
    return Command(keystrokes=_mend_text(keystrokes), duration_sec=duration_sec)


def _read_duration(entry: dict[str, object], name: str, warnings: list[str]) -> float:
    if "duration" not in entry:
        warnings.append(f"{name}: Missing duration field, using default {DEFAULT_DURATION_SEC}")
        return DEFAULT_DURATION_SEC
    duration = entry["duration"]
    if not isinstance(duration, int | float) or duration != duration:  # NaN is not equal to itself
        warnings.append(f"{name}: Invalid duration value, using default {DEFAULT_DURATION_SEC}")
        return DEFAULT_DURATION_SEC
    return bound_duration(duration)


def _mend_text(text: str) -> str:
    """JSON can spell half a character (`\\ud83d`); no file, terminal or endpoint would take it."""
    return _SURROGATE.sub("\ufffd", text)


def _close_braces(text: str, error: str) -> str | None:
    missing = text.count("{") - text.count("}")
    syntax_is_at_fault = error == _NO_JSON or error.startswith("Invalid JSON")
    return text + "}" * missing if syntax_is_at_fault and missing > 0 else None


def _extract_object(text: str, error: str) -> str | None:
    for match in _SHALLOW_OBJECT.finditer(text):
        try:
            json.loads(match.group())
        except (ValueError, RecursionError):
            continue
        return match.group()
    return None


_FIXES: tuple[tuple[str, Callable[[str, str], str | None]], ...] = (
    ("Fixed incomplete JSON by adding missing closing brace", _close_braces),
    ("Extracted JSON from mixed content", _extract_object),
)
