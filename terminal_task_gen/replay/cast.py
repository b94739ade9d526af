"""Reads a recording (asciicast v2) and squeezes its pauses."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import orjson

from terminal_task_gen.errors import UsageError


class Piece(NamedTuple):
    """Output, and when it is shown, in seconds of the playing time."""

    at_sec: float
    text: str


class Cast(NamedTuple):
    columns: int
    rows: int
    pieces: list[Piece]

    @property
    def length_sec(self) -> float:
        return self.pieces[-1].at_sec if self.pieces else 0.0


def read_cast(path: Path, *, idle_limit_sec: float) -> Cast:
    """Pauses beyond the limit are cut to it. Lines that cannot be read (a torn last one) are passed over.

    Raises UsageError when the file is no recording.
    """
    try:
        lines = path.read_bytes().split(b"\n")
        header = orjson.loads(lines[0])
        columns, rows = int(header["width"]), int(header["height"])
        if header["version"] != 2 or not (0 < columns < 10_000 and 0 < rows < 10_000):
            raise ValueError("not version 2")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is not an asciicast v2 recording ({error})") from error
    pieces: list[Piece] = []
    recorded = shown = 0.0
    for line in lines[1:]:
        try:
            at, kind, text = orjson.loads(line)
            at = float(at)
        except (ValueError, TypeError):
            continue
        shown += min(max(0.0, at - recorded), idle_limit_sec)
        recorded = max(recorded, at)
        if kind == "o" and isinstance(text, str):
            pieces.append(Piece(shown, text))
    return Cast(columns, rows, pieces)
