"""Pictures as SVG text, drawn by hand: bars, columns and grids are all they need, and no library has to be installed.

Colours hold on light and dark pages alike: each picture brings its own background, and `adopt_page_colours` hands ink
and paper over to the page that it stands in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from terminal_task_gen.harmless import make_harmless

INK, MUTED, GRID, PAPER = "#1f2933", "#6b7785", "#e4e8ec", "#ffffff"
BLUE, GREEN, ORANGE, VIOLET = "#2f6fb3", "#2e8b6f", "#c96f2b", "#7b5ea7"
SERIES_COLOURS = (BLUE, ORANGE, GREEN, VIOLET)
_FONT = "font-family='Helvetica,Arial,sans-serif'"
_WIDTH = 640


class Bar(NamedTuple):
    label: str
    rows: int


class Series(NamedTuple):
    """Shares of one run over bins that all series of a picture have in common."""

    name: str
    shares: Sequence[float]
    """0 to 1, one a bin."""


class Mark(NamedTuple):
    """A line across the columns, at a place counted in bins from the left edge of the first."""

    name: str
    place: float


class Tile(NamedTuple):
    """One square of a grid."""

    heat: float
    """0 to 1; below 0: empty, shown as an outline."""
    hint: str
    """Shown when the pointer rests on it."""


class TileRow(NamedTuple):
    """A labelled line of a grid, and what stands behind it."""

    label: str
    tiles: Sequence[Tile]
    note: str = ""


def draw_columns(title: str, columns: Sequence[Bar], *, axis: str, colour: str) -> str:
    """A histogram: columns side by side, the count above each."""
    height, left, right, top, bottom = 260, 24, 24, 52, 50
    most = max((column.rows for column in columns), default=0) or 1
    step = (_WIDTH - left - right) / max(1, len(columns))
    floor = height - bottom
    shapes = [f"<line x1='{left}' y1='{floor}' x2='{_WIDTH - right}' y2='{floor}' stroke='{MUTED}'/>"]
    for place, column in enumerate(columns):
        tall = (floor - top) * column.rows / most
        x, middle = left + place * step + step * 0.12, left + (place + 0.5) * step
        shapes.append(_rect(x, floor - tall, step * 0.76, tall, colour))
        if column.rows:
            shapes.append(
                _text(middle, floor - tall - 5, _abbreviate(column.rows), size=10, colour=MUTED, anchor="middle")
            )
        shapes.append(_text(middle, floor + 15, column.label, size=10, colour=INK, anchor="middle"))
    shapes.append(_text(_WIDTH / 2, height - 12, axis, size=11, colour=MUTED, anchor="middle"))
    return _frame(title, height, shapes)


def draw_bars(title: str, bars: Sequence[Bar], *, colour: str) -> str:
    """Bars one below the other, label before and count behind each."""
    left, right, top, pitch = 190, 70, 52, 26
    height = top + pitch * max(1, len(bars)) + 16
    most = max((bar.rows for bar in bars), default=0) or 1
    shapes = []
    for place, bar in enumerate(bars):
        y, wide = top + place * pitch, (_WIDTH - left - right) * bar.rows / most
        shapes.append(_text(left - 10, y + 13, bar.label, size=12, colour=INK, anchor="end"))
        shapes.append(f"<rect x='{left}' y='{y}' width='{_WIDTH - left - right}' height='18' fill='{GRID}' rx='2'/>")
        shapes.append(_rect(left, y, wide, 18, colour))
        shapes.append(_text(_WIDTH - right + 10, y + 13, f"{bar.rows:,}", size=12, colour=INK))
    return _frame(title, height, shapes)


def draw_series(title: str, labels: Sequence[str], series: Sequence[Series], marks: Sequence[Mark], axis: str) -> str:
    """Histograms of several runs side by side in each bin, as shares of each run's own total."""
    legend_pitch, left, right, bottom = 18, 44, 24, 50
    top = 62 + legend_pitch * (len(series) + len(marks))
    height = top + 190 + bottom
    floor, step = height - bottom, (_WIDTH - left - right) / max(1, len(labels))
    most = max((share for one in series for share in one.shares), default=0) or 1
    shapes = [f"<line x1='{left}' y1='{floor}' x2='{_WIDTH - right}' y2='{floor}' stroke='{MUTED}'/>"]
    for place, label in enumerate(labels):
        shapes.append(_text(left + (place + 0.5) * step, floor + 15, label, size=10, colour=INK, anchor="middle"))
    for number, one in enumerate(series):
        colour = SERIES_COLOURS[number % len(SERIES_COLOURS)]
        wide = step * 0.8 / len(series)
        shapes.append(_rect(24, 40 + number * legend_pitch, 12, 12, colour))
        shapes.append(_text(42, 50 + number * legend_pitch, one.name, size=11, colour=INK))
        for place, share in enumerate(one.shares):
            tall = 190 * share / most
            x = left + place * step + step * 0.1 + number * wide
            shapes.append(_rect(x, floor - tall, wide, tall, colour))
            if share and len(series) == 1:
                shapes.append(
                    _text(x + wide / 2, floor - tall - 4, f"{share:.0%}", size=9, colour=MUTED, anchor="middle")
                )
    for number, mark in enumerate(marks):
        x, y = left + mark.place * step, 46 + (len(series) + number) * legend_pitch
        dash = ("6 4", "2 3")[number % 2]
        line = f"stroke='{INK}' stroke-dasharray='{dash}'"
        shapes.append(f"<line x1='{x:.1f}' y1='{top}' x2='{x:.1f}' y2='{floor}' {line}/>")
        shapes.append(f"<line x1='24' y1='{y}' x2='36' y2='{y}' {line}/>")
        shapes.append(_text(42, y + 4, mark.name, size=11, colour=INK))
    shapes.append(_text(_WIDTH / 2, height - 12, axis, size=11, colour=MUTED, anchor="middle"))
    return _frame(title, height, shapes)


def draw_grid(title: str, rows: Sequence[TileRow], *, caption: str, colour: str) -> str:
    """A heat map: a line of small squares for each row, stronger where there is more."""
    left, right, top, pitch = 150, 76, 48, 22
    longest = max((len(row.tiles) for row in rows), default=1) or 1
    step = min(44.0, (_WIDTH - left - right) / longest)
    height = top + pitch * max(1, len(rows)) + 30
    shapes = []
    for number, row in enumerate(rows):
        y = top + number * pitch
        shapes.append(_text(left - 10, y + 12, row.label, size=11, colour=INK, anchor="end"))
        for place, tile in enumerate(row.tiles):
            x = left + place * step
            box = f"x='{x:.1f}' y='{y}' width='{max(1.0, step - 1):.1f}' height='16' rx='1'"
            look = f"fill='{colour}' fill-opacity='{0.2 + 0.8 * min(1.0, tile.heat):.2f}'"
            look = look if tile.heat >= 0 else f"fill='{GRID}'"
            shapes.append(f"<rect {box} {look}><title>{_write(tile.hint)}</title></rect>")
        shapes.append(_text(left + longest * step + 8, y + 12, row.note, size=10, colour=MUTED))
    shapes.append(_text(left, height - 10, caption, size=10, colour=MUTED))
    return _frame(title, height, shapes)


def adopt_page_colours(svg: str) -> str:
    """The picture for a page that sets --ink, --muted, --grid and --paper."""
    names: Mapping[str, str] = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper"}
    for colour, name in names.items():
        svg = svg.replace(f"'{colour}'", f"'var(--{name})'")
    return svg


def _write(text: str) -> str:
    """Markup is escaped, and control characters, which XML does not allow, are shown."""
    return escape(make_harmless(text))


def _abbreviate(rows: int) -> str:
    return f"{rows:,}" if rows < 10_000 else f"{rows / 1000:.3g}k" if rows < 1_000_000 else f"{rows / 1_000_000:.3g}M"


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f"<rect x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}' fill='{colour}' rx='2'/>"


def _text(x: float, y: float, text: str, *, size: int, colour: str, anchor: str = "start") -> str:
    place = f"x='{x:.1f}' y='{y:.1f}' font-size='{size}' fill='{colour}' text-anchor='{anchor}'"
    return f"<text {place} {_FONT}>{_write(text)}</text>"


def _frame(title: str, height: int, shapes: Sequence[str]) -> str:
    opening = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height}' width='{_WIDTH}' height='{height}'>"
    )
    paper = f"<rect width='{_WIDTH}' height='{height}' fill='{PAPER}' rx='6'/>"
    heading = f"<text x='24' y='30' font-size='15' font-weight='bold' fill='{INK}' {_FONT}>{_write(title)}</text>"
    return "\n".join([opening, paper, heading, *shapes, "</svg>"]) + "\n"
