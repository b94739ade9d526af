"""The figures of arXiv 2602.21193 (v1, 24 February 2026) that a run can be set beside.

Turns and tokens are those of its appendix's figures. Rates are derived from its filter ablation: rows that its
`complete-only` and `success-only` filters leave, of all rows. Its tokens are counted, ours are estimated.
"""

from __future__ import annotations

from typing import NamedTuple

from terminal_task_gen.stats.survey import TOKENS_BIN, TURNS_BIN, Stream, share

PAPER = "arXiv 2602.21193"


class PublishedStream(NamedTuple):
    """What the paper tells of its trajectories of one stream."""

    name: str
    trajectories: int
    turns_mean: float
    turns_median: float
    turns_peak: int
    """Lower end of the fullest bin, of TURNS_BIN."""
    tokens_mean: float
    tokens_median: float
    tokens_peak: int
    """Lower end of the fullest bin, of TOKENS_BIN."""
    completed: float
    """Share of trajectories."""
    passed: float | None
    """Share of trajectories; None: its tasks have no tests."""


PUBLISHED = (
    PublishedStream(
        name="synthetic",
        trajectories=264_207,
        turns_mean=16.3,
        turns_median=16,
        turns_peak=10,
        tokens_mean=17_363,
        tokens_median=17_836,
        tokens_peak=15_000,
        completed=104_603 / 264_207,
        passed=83_448 / 264_207,
    ),
    PublishedStream(
        name="adapters",
        trajectories=226_313,
        turns_mean=17.5,
        turns_median=16,
        turns_peak=10,
        tokens_mean=17_507,
        tokens_median=13_861,
        tokens_peak=5_000,
        completed=196_940 / 226_313,
        passed=None,
    ),
)


class Comparison(NamedTuple):
    """One quantity: the paper's figure and each run's, as people read them."""

    stream: str
    quantity: str
    paper: str
    runs: tuple[str, ...]


def compare(runs: list[tuple[Stream | None, ...]]) -> list[Comparison]:
    """Lines for those published streams that a run has; `runs[i]` are the i-th run's streams in PUBLISHED's order."""
    lines: list[Comparison] = []
    for place, published in enumerate(PUBLISHED):
        ours = [streams[place] for streams in runs]
        if not any(ours):
            continue
        described = [_describe(stream) for stream in ours]
        lines += [
            Comparison(published.name, quantity, figure, tuple(column[number] for column in described))
            for number, (quantity, figure) in enumerate(_describe_published(published).items())
        ]
    return lines


def _describe_published(stream: PublishedStream) -> dict[str, str]:
    return {
        "trajectories": f"{stream.trajectories:,}",
        "turns, mean": f"{stream.turns_mean:.1f}",
        "turns, median": f"{stream.turns_median:.0f}",
        "turns, fullest bin": name_bin(stream.turns_peak, TURNS_BIN),
        "tokens, mean": f"{stream.tokens_mean:,.0f}",
        "tokens, median": f"{stream.tokens_median:,.0f}",
        "tokens, fullest bin": name_bin(stream.tokens_peak, TOKENS_BIN),
        "completed": f"{stream.completed:.1%}",
        "passed all tests": show_share(stream.passed),
    }


def _describe(stream: Stream | None) -> list[str]:
    if stream is None:
        return ["–"] * 9
    turns, tokens = stream.turns, stream.tokens
    return [
        f"{stream.trajectories:,}",
        f"{turns.mean:.1f}",
        f"{turns.median:g}",
        "–" if turns.peak is None else name_bin(turns.peak, TURNS_BIN),
        f"{tokens.mean:,.0f}",
        f"{tokens.median:,.0f}",
        "–" if tokens.peak is None else name_bin(tokens.peak, TOKENS_BIN),
        show_share(share(stream.completed, stream.trajectories)),
        show_share(share(stream.passed, stream.judged)),
    ]


def show_share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def name_bin(start: int, width: int) -> str:
    """`10–14` turns, `15–20k` tokens."""
    if width >= 1000:
        return f"{start // 1000}–{(start + width) // 1000}k"
    return f"{start}–{start + width - 1}"
