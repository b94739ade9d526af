"""Unified diffs, read, reversed and applied exactly: a hunk fits where its old lines stand, or not at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class Hunk(NamedTuple):
    """Lines from `old_start` (from 1) on, and what stands there afterwards."""

    old_start: int
    old: tuple[str, ...]
    new_start: int
    new: tuple[str, ...]


class FileDiff(NamedTuple):
    """What happens to one file; an empty path stands for /dev/null."""

    old_path: str
    new_path: str
    hunks: tuple[Hunk, ...]

    def reverse(self) -> FileDiff:
        hunks = tuple(Hunk(h.new_start, h.new, h.old_start, h.old) for h in self.hunks)
        return FileDiff(self.new_path, self.old_path, hunks)


def parse_diff(text: str) -> list[FileDiff]:
    """The files of a unified diff, git's or plain; empty when it is none. Raises ValueError for a torn hunk."""
    lines = text.replace("\r\n", "\n").split("\n")
    found: list[FileDiff] = []
    position = 0
    while position + 1 < len(lines):
        if not (lines[position].startswith("--- ") and lines[position + 1].startswith("+++ ")):
            position += 1
            continue
        paths = [_read_path(lines[position + side][4:]) for side in (0, 1)]
        position += 2
        hunks: list[Hunk] = []
        while position < len(lines) and (head := _HUNK.match(lines[position])):
            hunk, position = _read_hunk(lines, position + 1, head)
            hunks.append(hunk)
        found.append(FileDiff(paths[0], paths[1], tuple(hunks)))
    return found


def apply_diff(content: str, hunks: Sequence[Hunk]) -> str | None:
    """The content afterwards, None where a hunk fits nowhere. Hunks may have moved, but keep their order."""
    lines = content.split("\n")
    made: list[str] = []
    done = shift = 0
    for hunk in hunks:
        place = _find(lines, hunk.old, max(0, hunk.old_start - 1 + shift), least=done)
        if place is None:
            return None
        shift = place - (hunk.old_start - 1)
        made += lines[done:place] + list(hunk.new)
        done = place + len(hunk.old)
    return "\n".join(made + lines[done:])


def _find(lines: Sequence[str], old: Sequence[str], near: int, *, least: int) -> int | None:
    places = [p for p in range(least, len(lines) - len(old) + 1) if tuple(lines[p : p + len(old)]) == tuple(old)]
    return min(places, key=lambda place: abs(place - near), default=None)


def _read_path(raw: str) -> str:
    path = raw.split("\t")[0].strip().strip('"')
    if path == "/dev/null":
        return ""
    return path[2:] if path.startswith(("a/", "b/")) else path


def _read_hunk(lines: Sequence[str], position: int, head: re.Match[str]) -> tuple[Hunk, int]:
    owed = [int(head[2] or 1), int(head[4] or 1)]
    old: list[str] = []
    new: list[str] = []
    while owed[0] > len(old) or owed[1] > len(new):
        if position >= len(lines):
            raise ValueError(f"the hunk {head[0]} breaks off")
        mark, line = lines[position][:1] or " ", lines[position][1:]
        if mark not in " +-\\":
            raise ValueError(f"the hunk {head[0]} holds a line that is none of a diff's: {lines[position][:60]!r}")
        if mark in " -":
            old.append(line)
        if mark in " +":
            new.append(line)
        position += 1
    while position < len(lines) and lines[position].startswith("\\"):
        position += 1
    return Hunk(int(head[1]), tuple(old), int(head[3]), tuple(new)), position
