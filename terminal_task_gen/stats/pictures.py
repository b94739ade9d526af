"""The pictures of `ttg stats`: several runs in one where they can share it, else one a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from terminal_task_gen.stats.published import PAPER, PUBLISHED
from terminal_task_gen.stats.survey import (
    TOKENS_BIN,
    TOKENS_END,
    TURNS_BIN,
    TURNS_END,
    Cell,
    Distribution,
    SkillUse,
    Survey,
)
from terminal_task_gen.svg import (
    BLUE,
    GREEN,
    ORANGE,
    Bar,
    Mark,
    Series,
    Tile,
    TileRow,
    draw_bars,
    draw_grid,
    draw_series,
)

DIFFICULTIES = ("easy", "medium", "hard")


def draw_all(surveys: Sequence[Survey]) -> dict[str, str]:
    """File name → SVG."""
    pictures = {
        "turns.svg": draw_histogram(surveys, "turns", TURNS_BIN, TURNS_END),
        "tokens.svg": draw_histogram(surveys, "tokens", TOKENS_BIN, TOKENS_END),
    }
    for number, survey in enumerate(surveys, start=1):
        suffix = f"-{number}" if len(surveys) > 1 else ""
        of_run = f": {survey.run}" if len(surveys) > 1 else ""
        pictures[f"funnel{suffix}.svg"] = draw_funnel(survey, f"Funnel{of_run}")
        pictures[f"solve-rate{suffix}.svg"] = draw_solve_rates(survey, f"Solve rate{of_run}")
        pictures[f"skills{suffix}.svg"] = draw_skills(survey, f"Skill coverage{of_run}")
    return pictures


def draw_histogram(surveys: Sequence[Survey], quantity: str, width: int, end: int) -> str:
    """Of all trajectories, in the bins of the paper's figures, with its synthetic stream's mean and median."""
    starts = range(0, end + 1, width)
    labels = [_label_bin(start, width, last=start == end) for start in starts]
    series = []
    for survey in surveys:
        stream = survey.streams[0]
        spread: Distribution = getattr(stream, quantity)
        total = sum(spread.bins.values()) or 1
        name = f"{survey.run}: mean {spread.mean:,.1f}, median {spread.median:,g}, {stream.trajectories:,} trajectories"
        series.append(Series(name, [spread.bins.get(start, 0) / total for start in starts]))
    paper = PUBLISHED[0]
    mean, median = getattr(paper, f"{quantity}_mean"), getattr(paper, f"{quantity}_median")
    marks = [
        Mark(f"{PAPER}, {paper.name}: mean {mean:,}", mean / width),
        Mark(f"{PAPER}, {paper.name}: median {median:,}", median / width),
    ]
    title, axis = {
        "turns": ("Turns of a trajectory", "turns; share of each run's trajectories"),
        "tokens": ("Tokens of a trajectory", "tokens (estimated); share of each run's trajectories"),
    }[quantity]
    return draw_series(title, labels, series, marks, axis)


def draw_funnel(survey: Survey, title: str) -> str:
    funnel = survey.funnel
    bars = [
        Bar("requests", funnel.tasks + funnel.rejected),
        Bar("tasks", funnel.tasks),
        Bar("attempts", funnel.trajectories + funnel.failed),
        Bar("trajectories", funnel.trajectories),
        Bar("passed all tests", funnel.passed),
    ]
    if funnel.kept is not None:
        bars.append(Bar("kept", funnel.kept))
    return draw_bars(title, bars, colour=BLUE)


def draw_solve_rates(survey: Survey, title: str) -> str:
    """Domain × difficulty."""
    difficulties = list_difficulties(survey.cells)
    rows = []
    for domain, cells in groupby(survey.cells, lambda cell: cell.domain):
        by_difficulty = {cell.difficulty: cell for cell in cells}
        tiles = [_make_rate_tile(by_difficulty.get(name), domain, name) for name in difficulties]
        attempts = sum(cell.attempts for cell in by_difficulty.values())
        passed = sum(cell.passed for cell in by_difficulty.values())
        rows.append(TileRow(domain, tiles, f"{passed / attempts:.0%} of {attempts:,}" if attempts else "no attempts"))
    caption = f"columns: {', '.join(difficulties)}; the stronger, the more attempts passed all tests; grey: none judged"
    return draw_grid(title, rows, caption=caption, colour=GREEN)


def draw_skills(survey: Survey, title: str) -> str:
    """Each primitive of a domain is a square; the stronger, the more tasks use it; grey: none."""
    rows = []
    for domain, skills in _group_known(survey.skills):
        most = max((skill.tasks for skill in skills), default=0) or 1
        tiles = [
            Tile(skill.tasks / most if skill.tasks else -1, f"{skill.type}: {skill.text} ({skill.tasks:,} tasks)")
            for skill in skills
        ]
        rows.append(TileRow(domain, tiles, f"{sum(s.tasks > 0 for s in skills)} of {len(skills)}"))
    caption = "a square a primitive, in the taxonomy's order; the stronger, the more tasks use it; grey: none"
    return draw_grid(title, rows, caption=caption, colour=ORANGE)


def list_difficulties(cells: Sequence[Cell]) -> list[str]:
    """Those that occur, easy ones first."""
    found = {cell.difficulty for cell in cells}
    return [*(name for name in DIFFICULTIES if name in found), *sorted(found - set(DIFFICULTIES))]


def _group_known(skills: Sequence[SkillUse]) -> Iterator[tuple[str, list[SkillUse]]]:
    known = sorted((skill for skill in skills if skill.type), key=lambda skill: skill.domain)
    for domain, group in groupby(known, lambda skill: skill.domain):
        yield domain, list(group)


def _make_rate_tile(cell: Cell | None, domain: str, difficulty: str) -> Tile:
    if cell is None or cell.solve_rate is None:
        return Tile(-1, f"{domain}, {difficulty}: no judged attempts")
    return Tile(
        cell.solve_rate, f"{domain}, {difficulty}: {cell.passed:,} of {cell.attempts:,} ({cell.solve_rate:.1%})"
    )


def _label_bin(start: int, width: int, *, last: bool) -> str:
    if width >= 1000:
        return f"{start // 1000}k+" if last else f"{start // 1000}–{(start + width) // 1000}k"
    return f"{start}+" if last else f"{start}–{start + width - 1}"
