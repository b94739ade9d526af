"""Plots of the dataset card: what the rows alone tell, and the trunk of the funnel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from terminal_task_gen.export.report import FunnelLine
from terminal_task_gen.export.statistics import REWARD_BINS, TOKEN_BIN, Statistics
from terminal_task_gen.svg import BLUE, GREEN, ORANGE, Bar, draw_bars, draw_columns

_MAX_COLUMNS = 24
_MAX_BARS = 16


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
        "turns.svg": draw_columns("Assistant turns", turns, axis="turns", colour=BLUE),
        "tokens.svg": draw_columns("Length (estimated)", tokens, axis="tokens", colour=BLUE),
        "reward.svg": draw_columns("Reward", rewards, axis="weight of the tests passed, in tenths", colour=GREEN),
        "domains.svg": draw_bars("Domains", domains, colour=ORANGE),
    }


def draw_funnel(lines: Sequence[FunnelLine]) -> str:
    """The trunk of the funnel as bars of one scale."""
    wanted = ("requests", "tasks", "attempts", "trajectories", "kept")
    bars = [Bar(line.label, line.count) for line in lines if not line.part_of and line.label in wanted]
    return draw_bars("Funnel", bars, colour=BLUE)


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
