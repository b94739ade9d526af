"""Two trajectories side by side: turns aligned by what was typed, and the lines in which two turns differ."""

from __future__ import annotations

import time
from collections.abc import Sequence
from difflib import SequenceMatcher

from terminal_task_gen.viewer.cuts import Json, get_dict, get_dicts, get_text
from terminal_task_gen.viewer.turns import list_keys

MAX_TURNS = 400
MAX_LINES = 400
"""Of one text of one turn; the rest is cut."""
LINES_SEC = 2.0
"""Spent on comparing lines; turns that come later are aligned only."""
MAX_CHARACTERS = 100_000
MAX_LINE_CHARACTERS = 2_000


def compare_rows(left: Json, right: Json) -> Json:
    """`turns`, `tests` and `truncated` of the answer."""
    keys = [["\n".join(typed).strip() for typed in list_keys(row)] for row in (left, right)]
    steps = [get_dicts(row, "steps") for row in (left, right)]
    aligned = align(keys[0][:MAX_TURNS], keys[1][:MAX_TURNS])
    turns = []
    until = time.monotonic() + LINES_SEC
    for here, there in aligned:
        own = steps[0][here] if here is not None else {}
        other = steps[1][there] if there is not None else {}
        turn = _compare_steps(own, other, lines=time.monotonic() < until)
        if here is None or there is None:
            turn["op"] = "left" if there is None else "right"
        turns.append(
            {"left": None if here is None else here + 1, "right": None if there is None else there + 1, **turn}
        )
    truncated = time.monotonic() >= until or any(len(side) > MAX_TURNS for side in keys)
    return {"turns": turns, "tests": _compare_tests(left, right), "truncated": truncated}


def align(left: Sequence[str], right: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Pairs of turns in order; None on the side that has none."""
    pairs: list[tuple[int | None, int | None]] = []
    for op, l_begin, l_end, r_begin, r_end in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        span = max(l_end - l_begin, r_end - r_begin) if op in ("equal", "replace") else 0
        pairs += [
            (l_begin + n if l_begin + n < l_end else None, r_begin + n if r_begin + n < r_end else None)
            for n in range(span)
        ]
        pairs += [(n, None) for n in range(l_begin, l_end)] if op == "delete" else []
        pairs += [(None, n) for n in range(r_begin, r_end)] if op == "insert" else []
    return pairs


def _compare_steps(left: Json, right: Json, *, lines: bool) -> Json:
    typed = [
        "\n".join(get_text(command, "keystrokes", MAX_CHARACTERS) or "" for command in get_dicts(step, "commands"))
        for step in (left, right)
    ]
    seen = [get_text(step, "observation", MAX_CHARACTERS) or "" for step in (left, right)]
    if typed[0] == typed[1] and seen[0] == seen[1]:
        return {"op": "equal", "commands": [], "screen": [], "lines_cut": 0}
    if not lines:
        return {"op": "changed", "commands": [], "screen": [], "lines_cut": 0}
    commands, commands_cut = compare_lines(typed[0], typed[1])
    screen, screen_cut = compare_lines(seen[0], seen[1])
    return {"op": "changed", "commands": commands, "screen": screen, "lines_cut": commands_cut + screen_cut}


def compare_lines(left: str, right: str) -> tuple[list[tuple[str, str]], int]:
    """Lines with ' ', '-' or '+' in front, and how many were left off."""
    sides = [text.split("\n") if text else [] for text in (left, right)]
    cut = sum(max(0, len(side) - MAX_LINES) for side in sides)
    sides = [[line[:MAX_LINE_CHARACTERS] for line in side[:MAX_LINES]] for side in sides]
    lines: list[tuple[str, str]] = []
    for op, l_begin, l_end, r_begin, r_end in SequenceMatcher(None, sides[0], sides[1], autojunk=False).get_opcodes():
        if op == "equal":
            lines += [(" ", line) for line in sides[0][l_begin:l_end]]
            continue
        lines += [("-", line) for line in sides[0][l_begin:l_end]]
        lines += [("+", line) for line in sides[1][r_begin:r_end]]
    return lines, cut


def _compare_tests(left: Json, right: Json) -> list[Json]:
    statuses = [
        {
            str(test.get("name"))[:500]: get_text(test, "status")
            for test in get_dicts(get_dict(row, "verdict"), "tests")[:500]
        }
        for row in (left, right)
    ]
    names = dict.fromkeys([*statuses[0], *statuses[1]])
    return [{"name": name, "left": statuses[0].get(name), "right": statuses[1].get(name)} for name in names]
