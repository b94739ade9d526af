"""A recording's size and length, and at which second each turn's keys show in it.

The recording has no marks of turns, but the terminal echoes what is typed: the first line of a turn's keys is sought
in the output, in order. A turn whose keys leave no echo (a single control key) begins where the turn before it does;
one that types nothing has no time of its own and begins where the next one does.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

MAX_CAST_BYTES = 64_000_000
MAX_ECHO = 60
"""Characters of a line that are looked for: longer ones are wrapped by the shell."""
_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[()][A-Za-z0-9]|.)|[\x00-\x08\x0b-\x1f\x7f]"
)


class Recording(NamedTuple):
    path: Path
    size_bytes: int
    seconds: float
    columns: int
    rows: int
    cut: bool
    """It ended at the recorder's limit."""
    text: str
    """All output without escapes."""
    starts: list[int]
    """Where in `text` each event begins, and when that was."""
    times: list[float]


def find_recording(folder: Path, trajectory_id: str) -> Path | None:
    """None where there is none; ids that are no plain names have none."""
    if not re.fullmatch(r"[\w.-]{1,200}", trajectory_id, re.ASCII) or trajectory_id.startswith("."):
        return None
    path = folder / f"{trajectory_id}.cast"
    return path if path.is_file() and not path.is_symlink() else None


def read_recording(path: Path) -> Recording | None:
    """None where it cannot be read or is no asciicast; lines that are no events are passed over."""
    try:
        size_bytes = path.stat().st_size
        with path.open("rb") as stream:
            header, *lines = stream.read(MAX_CAST_BYTES).splitlines() or [b""]
    except OSError:
        return None
    head = _parse(header)
    if not isinstance(head, dict):
        return None
    pieces: list[str] = []
    starts: list[int] = []
    times: list[float] = []
    length, seconds, cut = 0, 0.0, False
    for line in lines:
        event = _read_event(line)
        if event is None:
            continue
        at, kind, data = event
        seconds = max(seconds, at)
        cut = cut or (kind == "m" and data.startswith("recording cut"))
        if kind == "o":
            piece = _ESCAPE.sub("", data)
            pieces.append(piece)
            starts.append(length)
            times.append(at)
            length += len(piece)
    columns, rows = (value if isinstance(value := head.get(name), int) else 0 for name in ("width", "height"))
    return Recording(path, size_bytes, seconds, columns, rows, cut, "".join(pieces), starts, times)


def find_turn_starts(recording: Recording, turns: Sequence[Sequence[str]]) -> list[float | None]:
    """For each turn's keystrokes, the second at which the first of them shows. Never decreasing; None before the first
    one that was found, so that nothing is claimed that is not known."""
    starts: list[float | None] = []
    at = 0
    last: float | None = None
    for keys in turns:
        for echo in list_echoes(keys):
            place = recording.text.find(echo, at)
            if place >= 0:
                at = place + len(echo)
                last = recording.times[bisect_right(recording.starts, place) - 1]
                break
        starts.append(last)
        at = _pass_over(recording.text, keys, at)
    if last is None:
        return starts
    following = max(recording.seconds, last)
    for place in reversed(range(len(starts))):
        if not any(turns[place]):
            starts[place] = following
        start = starts[place]
        following = following if start is None else start
    return starts


def list_echoes(keys: Sequence[str]) -> list[str]:
    """The lines that a turn types, as they show, cut."""
    lines = [_ESCAPE.sub("", line).strip()[:MAX_ECHO].rstrip() for typed in keys for line in typed.splitlines()]
    return [line for line in lines if len(line) >= 2][:8]


def _pass_over(text: str, keys: Sequence[str], at: int) -> int:
    """Behind the echoes of the turn's other commands, so that the next turn is not found in this one."""
    for typed in keys[1:]:
        for echo in list_echoes([typed])[:1]:
            place = text.find(echo, at)
            # Far off it is another turn's, or something printed.
            if 0 <= place < at + 200_000:
                at = place + len(echo)
    return at


def _parse(line: bytes) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _read_event(line: bytes) -> tuple[float, str, str] | None:
    event = _parse(line)
    if not isinstance(event, list) or len(event) != 3:
        return None
    at, kind, data = event
    if not isinstance(at, int | float) or not isinstance(kind, str) or not isinstance(data, str):
        return None
    return float(at), kind, data
