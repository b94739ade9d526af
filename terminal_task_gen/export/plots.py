"""Plots of the dataset card as SVG text, drawn by hand: bars are all they need, and no library has to be installed.

Colours hold on light and dark pages alike: each picture brings its own background.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from terminal_task_gen.export.report import FunnelLine
from terminal_task_gen.export.statistics import REWARD_BINS, TOKEN_BIN, Statistics

_INK, _MUTED, _GRID, _PAPER = "#1f2933", "#6b7785", "#e4e8ec", "#ffffff"
_BLUE, _GREEN, _ORANGE = "#2f6fb3", "#2e8b6f", "#c96f2b"
_FONT = "font-family='Helvetica,Arial,sans-serif'"
_WIDTH = 640
_MAX_COLUMNS = 24
_MAX_BARS = 16


class Bar(NamedTuple):
    label: str
    rows: int


def draw_statistics(statistics: Statistics) -> dict[str, str]:
    """File name → SVG, of what the rows alone tell."""
    turns = _bin_numbers(statistics.turns, 1)
    tokens = _bin_numbers(statistics.token_bins, TOKEN_BIN)
    rewards = [
        Bar("1" if tenth == REWARD_BINS else f"{tenth / REWARD_BINS:g}", statistics.reward_bins[tenth])
        for tenth in range(REWARD_BINS + 1)
    ]
    ranked = sorted(statistics.domains.items(), key=lambda item: (-item[1], item[0]))
    domains = [Bar(name, rows) for name, rows in ranked[:_MAX_BARS]]
    return {
        "turns.svg": draw_columns("Assistant turns", turns, axis="turns", colour=_BLUE),
        "tokens.svg": draw_columns("Length (estimated)", tokens, axis="tokens", colour=_BLUE),
        "reward.svg": draw_columns("Reward", rewards, axis="weight of the tests passed, in tenths", colour=_GREEN),
        "domains.svg": draw_bars("Domains", domains, colour=_ORANGE),
    }


def draw_funnel(lines: Sequence[FunnelLine]) -> str:
    """The trunk of the funnel as bars of one scale."""
    wanted = ("requests", "tasks", "attempts", "trajectories", "kept")
    bars = [Bar(line.label, line.count) for line in lines if not line.part_of and line.label in wanted]
    return draw_bars("Funnel", bars, colour=_BLUE)


def draw_columns(title: str, columns: Sequence[Bar], *, axis: str, colour: str) -> str:
    """A histogram: columns side by side, the count above each."""
    height, left, right, top, bottom = 260, 24, 24, 52, 50
    most = max((column.rows for column in columns), default=0) or 1
    step = (_WIDTH - left - right) / max(1, len(columns))
    floor = height - bottom
    shapes = [f"<line x1='{left}' y1='{floor}' x2='{_WIDTH - right}' y2='{floor}' stroke='{_MUTED}'/>"]
    for place, column in enumerate(columns):
        tall = (floor - top) * column.rows / most
        x, middle = left + place * step + step * 0.12, left + (place + 0.5) * step
        shapes.append(_rect(x, floor - tall, step * 0.76, tall, colour))
        if column.rows:
            shapes.append(
                _text(middle, floor - tall - 5, _abbreviate(column.rows), size=10, colour=_MUTED, anchor="middle")
            )
        shapes.append(_text(middle, floor + 15, column.label, size=10, colour=_INK, anchor="middle"))
    shapes.append(_text(_WIDTH / 2, height - 12, axis, size=11, colour=_MUTED, anchor="middle"))
    return _frame(title, height, shapes)


def draw_bars(title: str, bars: Sequence[Bar], *, colour: str) -> str:
    """Bars one below the other, label before and count behind each."""
    left, right, top, pitch = 190, 70, 52, 26
    height = top + pitch * max(1, len(bars)) + 16
    most = max((bar.rows for bar in bars), default=0) or 1
    shapes = []
    for place, bar in enumerate(bars):
        y, wide = top + place * pitch, (_WIDTH - left - right) * bar.rows / most
        shapes.append(_text(left - 10, y + 13, bar.label, size=12, colour=_INK, anchor="end"))
        shapes.append(f"<rect x='{left}' y='{y}' width='{_WIDTH - left - right}' height='18' fill='{_GRID}' rx='2'/>")
        shapes.append(_rect(left, y, wide, 18, colour))
        shapes.append(_text(_WIDTH - right + 10, y + 13, f"{bar.rows:,}", size=12, colour=_INK))
    return _frame(title, height, shapes)


def _bin_numbers(counts: Counter[int], unit: int) -> list[Bar]:
    """At most `_MAX_COLUMNS` columns of equal width; the last also takes the longest hundredth of the rows."""
    if not counts:
        return []
    end = _find_end(counts)
    width = -(-(end + 1) // _MAX_COLUMNS)
    bins: Counter[int] = Counter()
    for value, rows in counts.items():
        bins[min(value, end) // width] += rows
    last = max(bins)
    labels = {place: _name_bin(place * width, width, unit) for place in range(last + 1)}
    if max(counts) > end:
        labels[last] = f"≥{labels[last]}"
    first = min(bins)
    return [Bar(labels[place], bins[place]) for place in range(first, last + 1)]


def _find_end(counts: Mapping[int, int]) -> int:
    rest = sum(counts.values()) / 100
    for value in sorted(counts, reverse=True):
        rest -= counts[value]
        if rest < 0:
            return value
    return max(counts)


def _name_bin(start: int, width: int, unit: int) -> str:
    if unit == 1:
        return str(start)
    kilo = start * unit / 1024
    return f"{kilo:g}k" if width * unit >= 1024 else str(start * unit)


def _abbreviate(rows: int) -> str:
    return f"{rows:,}" if rows < 10_000 else f"{rows / 1000:.3g}k" if rows < 1_000_000 else f"{rows / 1_000_000:.3g}M"


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f"<rect x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}' fill='{colour}' rx='2'/>"


def _text(x: float, y: float, text: str, *, size: int, colour: str, anchor: str = "start") -> str:
    place = f"x='{x:.1f}' y='{y:.1f}' font-size='{size}' fill='{colour}' text-anchor='{anchor}'"
    return f"<text {place} {_FONT}>{escape(text)}</text>"


def _frame(title: str, height: int, shapes: Sequence[str]) -> str:
    opening = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height}' width='{_WIDTH}' height='{height}'>"
    )
    paper = f"<rect width='{_WIDTH}' height='{height}' fill='{_PAPER}' rx='6'/>"
    heading = f"<text x='24' y='30' font-size='15' font-weight='bold' fill='{_INK}' {_FONT}>{escape(title)}</text>"
    return "\n".join([opening, paper, heading, *shapes, "</svg>"]) + "\n"
