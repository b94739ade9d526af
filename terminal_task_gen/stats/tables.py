"""The statistics as plain tables of text: the terminal and the page show the same ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

from terminal_task_gen.harmless import make_harmless
from terminal_task_gen.stats.pictures import list_difficulties
from terminal_task_gen.stats.published import PAPER, PUBLISHED, compare, name_bin, show_share
from terminal_task_gen.stats.survey import (
    TOKENS_BIN,
    TOKENS_END,
    TURNS_BIN,
    TURNS_END,
    Counts,
    Distribution,
    Survey,
    share,
)

MOST_REASONS = 12
BAR_CELLS = 16


class TableText(NamedTuple):
    """A heading, column names and rows; the first `labels` columns are words, the others numbers."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    labels: int = 1
    note: str = ""
    padded: bool = False
    """The cells are of one width as they stand, for letters of one width."""


def list_tables(surveys: Sequence[Survey]) -> list[TableText]:
    """Those that have something to tell."""
    tables = [
        _tabulate_funnel(surveys),
        _tabulate_reasons(surveys),
        _tabulate_spread(surveys, "turns", TURNS_BIN, TURNS_END),
        _tabulate_spread(surveys, "tokens", TOKENS_BIN, TOKENS_END),
        _tabulate_solving(surveys),
        _tabulate_skills(surveys),
        _tabulate_costs(surveys),
        _tabulate_comparison(surveys),
    ]
    return [_clean(table) for table in tables if table.rows]


def _clean(table: TableText) -> TableText:
    """Names of domains, skills, models and runs are not ours."""
    columns = tuple(map(make_harmless, table.columns))
    return table._replace(columns=columns, rows=[tuple(map(make_harmless, row)) for row in table.rows])


def _tabulate_funnel(surveys: Sequence[Survey]) -> TableText:
    lines: list[tuple[str, Callable[[Survey], int | None]]] = [
        ("requests", lambda s: s.funnel.tasks + s.funnel.rejected),
        ("tasks", lambda s: s.funnel.tasks),
        ("attempts", lambda s: s.funnel.trajectories + s.funnel.failed),
        ("trajectories", lambda s: s.funnel.trajectories),
        ("passed all tests", lambda s: s.funnel.passed),
        ("kept by the filter", lambda s: s.funnel.kept),
    ]
    rows = [(label, *(_show_count(count(s)) for s in surveys)) for label, count in lines]
    if any(s.damaged_lines for s in surveys):
        rows.append(("unreadable lines", *(f"{s.damaged_lines:,}" for s in surveys)))
    unfiltered = [s.run for s in surveys if s.funnel.kept is None]
    note = f"not filtered yet: {', '.join(unfiltered)}" if unfiltered else ""
    return TableText("Funnel", ("", *_names(surveys)), rows, note=note)


def _tabulate_reasons(surveys: Sequence[Survey]) -> TableText:
    parts: list[tuple[str, Callable[[Survey], Counts]]] = [
        ("rejected", lambda s: s.funnel.rejected_reasons),
        ("failed", lambda s: s.funnel.failed_reasons),
        ("stopped", lambda s: s.funnel.stop_reasons),
        ("dropped", lambda s: s.funnel.drop_reasons),
    ]
    rows: list[tuple[str, ...]] = []
    for word, pick in parts:
        together: dict[str, int] = {}
        for survey in surveys:
            for reason, n in pick(survey).items():
                together[reason] = together.get(reason, 0) + n
        ranked = sorted(together, key=lambda reason: (-together[reason], reason))
        rows += [(word, reason, *(f"{pick(s).get(reason, 0):,}" for s in surveys)) for reason in ranked[:MOST_REASONS]]
        if rest := ranked[MOST_REASONS:]:
            sums = (f"{sum(pick(s).get(reason, 0) for reason in rest):,}" for s in surveys)
            rows.append((word, f"({len(rest)} other reasons)", *sums))
    return TableText("Why items ended", ("", "reason", *_names(surveys)), rows, labels=2)


def _tabulate_spread(surveys: Sequence[Survey], quantity: str, width: int, end: int) -> TableText:
    spreads = [getattr(survey.streams[0], quantity) for survey in surveys]
    last = max((start for spread in spreads for start in spread.bins), default=-1)
    parts = [_share_out(spread, range(0, last + 1, width)) for spread in spreads]
    most = max((value for part in parts for value in part.values()), default=0.0)
    rows: list[tuple[str, ...]] = []
    for start in range(0, last + 1, width):
        label = f"{start // 1000}k+" if start == end and width >= 1000 else name_bin(start, width)
        label = f"{start}+" if start == end and width < 1000 else label
        rows.append((label, *(_draw_bar(part[start], most) for part in parts)))
    if rows:
        for word in ("mean", "median", "p90", "largest"):
            rows.append((word, *(_pad(f"{getattr(s, word):,.1f}".removesuffix(".0")) for s in spreads)))
    note = "estimated from the text" if quantity == "tokens" else ""
    title = f"{quantity.capitalize()} of a trajectory"
    return TableText(title, (quantity, *_names(surveys)), rows, note=note, padded=True)


def _tabulate_solving(surveys: Sequence[Survey]) -> TableText:
    """One run: a column a difficulty; several: a column a run, over all difficulties and then by each."""
    cells = [cell for survey in surveys for cell in survey.cells]
    difficulties = list_difficulties(cells)
    places = sorted({cell.domain for cell in cells})
    if len(surveys) == 1:
        rows = [(domain, *(_show_rate(surveys[0], domain, name) for name in (*difficulties, ""))) for domain in places]
        rows.append(("all", *(_show_rate(surveys[0], "", name) for name in (*difficulties, ""))))
        return TableText("Solve rate", ("domain", *difficulties, "all"), rows if places else [], note=_RATE_NOTE)
    rows = [("all", name or "all", *(_show_rate(s, "", name) for s in surveys)) for name in (*difficulties, "")]
    rows += [(domain, "all", *(_show_rate(s, domain, "") for s in surveys)) for domain in places]
    title = "Solve rate"
    return TableText(title, ("domain", "difficulty", *_names(surveys)), rows if places else [], 2, _RATE_NOTE)


_RATE_NOTE = "judged attempts that passed all tests, of how many"


def _show_rate(survey: Survey, domain: str, difficulty: str) -> str:
    """Of one domain and difficulty; empty: of all."""
    chosen = [c for c in survey.cells if domain in ("", c.domain) and difficulty in ("", c.difficulty)]
    attempts = sum(cell.attempts for cell in chosen)
    rate = share(sum(cell.passed for cell in chosen), attempts)
    return "–" if rate is None else f"{rate:.0%} of {attempts:,}"


def _tabulate_skills(surveys: Sequence[Survey]) -> TableText:
    rows: list[tuple[str, ...]] = []
    for survey in surveys:
        run = (survey.run,) if len(surveys) > 1 else ()
        ordered = sorted((skill for skill in survey.skills if skill.type), key=lambda skill: skill.domain)
        for domain, group in groupby(ordered, lambda skill: skill.domain):
            skills = list(group)
            uses = sorted(skill.tasks for skill in skills)
            used = sum(n > 0 for n in uses)
            rate = share(sum(skill.passed for skill in skills), sum(skill.attempts for skill in skills))
            rows.append(
                (
                    *run,
                    domain,
                    f"{used} of {len(uses)}",
                    f"{used / len(uses):.0%}",
                    f"{uses[0]:,}",
                    f"{uses[len(uses) // 2]:,}",
                    f"{uses[-1]:,}",
                    show_share(rate),
                )
            )
    columns = ("domain", "used", "share", "least", "median", "most", "solved")
    run_column = ("run",) if len(surveys) > 1 else ()
    note = "primitives of the taxonomy that some task of the domain uses; least, median, most: tasks a primitive has"
    return TableText("Skill coverage", (*run_column, *columns), rows, labels=len(run_column) + 1, note=note)


def _tabulate_costs(surveys: Sequence[Survey]) -> TableText:
    def per(whole: Callable[[Survey], float], part: Callable[[Survey], float | None], shown: str) -> list[str]:
        values = [share(whole(s), part(s) or 0) for s in surveys]
        return ["–" if value is None else shown.format(value) for value in values]

    def tokens(survey: Survey) -> float:
        return survey.usage.prompt_tokens + survey.usage.completion_tokens

    parts: list[tuple[str, Callable[[Survey], float | None]]] = [
        ("a trajectory", lambda s: s.funnel.trajectories),
        ("a passed trajectory", lambda s: s.funnel.passed),
        ("a kept trajectory", lambda s: s.funnel.kept),
    ]
    rows = [
        ("teacher calls", *(f"{s.usage.calls:,}" for s in surveys)),
        ("prompt tokens", *(f"{s.usage.prompt_tokens:,}" for s in surveys)),
        ("of them cached", *(f"{s.usage.cached_tokens:,}" for s in surveys)),
        ("completion tokens", *(f"{s.usage.completion_tokens:,}" for s in surveys)),
        *((f"tokens for {word}", *per(tokens, part, "{:,.0f}")) for word, part in parts),
    ]
    priced = any(s.usage.cost_usd for s in surveys)
    if priced:
        rows.append(("USD for tasks", *(f"{s.generated.cost_usd:,.2f}" for s in surveys)))
        rows.append(("USD for rollouts", *(f"{s.rolled_out.cost_usd:,.2f}" for s in surveys)))
        rows += [(f"USD for {word}", *per(lambda s: s.usage.cost_usd, part, "{:,.4f}")) for word, part in parts]
    note = "" if priced else "no prices: set teacher.author.prompt_usd_per_mtok and completion_usd_per_mtok"
    return TableText("Cost", ("", *_names(surveys)), rows, note=note)


def _tabulate_comparison(surveys: Sequence[Survey]) -> TableText:
    streams = [tuple(survey.get_stream(published.name) for published in PUBLISHED) for survey in surveys]
    rows = [(line.stream, line.quantity, line.paper, *line.runs) for line in compare(streams)]
    note = (
        f"{PAPER}, v1: turns and tokens from its appendix, rates derived from its filter ablation. Its teacher, tasks "
        "and tokenizer are others, so nearness is no aim in itself"
    )
    return TableText("Beside the paper", ("stream", "", PAPER, *_names(surveys)), rows, labels=2, note=note)


def _names(surveys: Sequence[Survey]) -> tuple[str, ...]:
    return tuple(survey.run for survey in surveys)


def _show_count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _share_out(spread: Distribution, starts: range) -> dict[int, float]:
    total = sum(spread.bins.values()) or 1
    return {start: spread.bins.get(start, 0) / total for start in starts}


def _draw_bar(part: float, most: float) -> str:
    """A share and its bar, full for the greatest share of the table."""
    return _pad(f"{part:.1%}", "█" * round(BAR_CELLS * part / (most or 1)))


def _pad(number: str, bar: str = "") -> str:
    return f"{number:>8} {bar:<{BAR_CELLS}}"
