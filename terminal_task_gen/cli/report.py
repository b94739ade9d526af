"""`ttg report`: what a run's generation came to, by whatever one may want to change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from terminal_task_gen import pipeline
from terminal_task_gen.cli import options
from terminal_task_gen.cli.drive import MEND
from terminal_task_gen.generate.yield_records import Reason, Slice, YieldReport
from terminal_task_gen.generate.yields import list_least
from terminal_task_gen.pipeline.places import fetch_run
from terminal_task_gen.records import Usage
from terminal_task_gen.store import Damage

HELP = """Show what generation came to: yield, tokens, money and time by domain, mode, difficulty and skill; what each
repair round and each gate did; and the most frequent reasons for refusal, with an example each.

The same numbers lie in RUN/tasks/report.json, written at the end of generation. It may be asked of a run under way.

[bold]Examples[/]

  ttg report runs/first

  ttg report runs/first --skills 20          # the twenty skills with the lowest yield

  ttg report runs/first --json | jq .total
"""
LEAST_REQUESTS = 3
"""A skill that was given less often says nothing yet."""


def report(
    run: options.RunArgument,
    skills: Annotated[
        int, typer.Option(min=0, help="How many of the skills with the lowest yield to show.", rich_help_panel="What")
    ] = 5,
    as_json: Annotated[
        bool, typer.Option("--json", help="All numbers as JSON, all skills included.", rich_help_panel="What")
    ] = False,
) -> None:
    """See HELP."""
    damages: list[Damage] = []
    found = pipeline.read_yield(fetch_run(run, [], options.tell), damages.append)
    if as_json:
        typer.echo(found.model_dump_json(indent=1))
    else:
        _print(found, run, skills)
    for damage in damages:
        typer.echo(f"damaged line passed over: {damage} (ttg doctor {run} --repair)", err=True)
    if damages:
        raise typer.Exit(MEND)


report.__doc__ = HELP


def _print(found: YieldReport, run: str, skills: int) -> None:
    console = Console()
    if not found.total.requested:
        console.print(f"no request of {run} has ended yet", highlight=False)
        return
    slices = [found.total, *found.domains, *found.modes, *found.difficulties]
    console.print(_draw_slices("generation", slices, starts={id(found.total), *_first(found)}))
    least = list_least(found.skills, least_requests=LEAST_REQUESTS, count=skills)
    if least:
        console.print(_draw_slices(f"skills with the lowest yield, given {LEAST_REQUESTS} times or more", least))
    console.print(_draw_rounds(found))
    if found.gates:
        console.print(_draw_gates(found))
    if found.reasons:
        console.print(_draw_reasons(found.reasons, console.width))
    if found.replayed.calls:
        console.print(f"{_tell_usage(found.replayed)} came from the replay cache", highlight=False)
    console.print(Text(f"all numbers: {run}/tasks/report.json", style="dim"))


def _first(found: YieldReport) -> set[int]:
    return {id(slices[0]) for slices in (found.domains, found.modes, found.difficulties) if slices}


def _draw_slices(title: str, slices: list[Slice], starts: Iterable[int] = ()) -> Table:
    """A row a slice. What nobody has (owed requests, prices) has no column."""
    table = _make_table(title, "", "requests", "drafts", "tasks", "yield", "repaired")
    table.columns[0].overflow = "ellipsis"
    extras = [
        ("owed", [f"{one.owed:,}" if one.owed else "" for one in slices]),
        ("tokens", [_shorten(one.usage.prompt_tokens + one.usage.completion_tokens) for one in slices]),
        ("cost", [f"${one.usage.cost_usd:,.2f}" if one.usage.cost_usd else "" for one in slices]),
        ("s each", [f"{one.seconds / one.requested:.1f}" if one.seconds else "" for one in slices]),
    ]
    extras = [(heading, cells) for heading, cells in extras if any(cells)]
    for heading, _ in extras:
        table.add_column(heading, justify="right", no_wrap=True)
    for number, one in enumerate(slices):
        if id(one) in starts and table.row_count:
            table.add_row()
        ended = one.requested - one.owed
        counts = (one.requested, one.authored, one.passed)
        table.add_row(
            Text(one.name),
            *(f"{count:,}" for count in counts),
            f"{100 * one.passed / ended:.0f} %" if ended else "",
            f"{one.repaired:,}",
            *(cells[number] for _, cells in extras),
        )
    return table


def _shorten(tokens: int) -> str:
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if tokens >= 10 * size:
            return f"{tokens / size:,.0f}{unit}"
    return str(tokens)


def _draw_rounds(found: YieldReport) -> Table:
    table = _make_table("replies", "", "examined", "passed", "yield")
    for one in found.rounds:
        name = "first replies" if one.number == 0 else f"repair round {one.number}"
        table.add_row(name, f"{one.examined:,}", f"{one.passed:,}", f"{100 * one.passed / one.examined:.0f} %")
    return table


def _draw_gates(found: YieldReport) -> Table:
    table = _make_table("gates", "", "examined", "refused", "s in all", "s each")
    for one in found.gates:
        each = one.seconds / one.examined
        table.add_row(one.gate, f"{one.examined:,}", f"{one.refused:,}", f"{one.seconds:,.1f}", f"{each:.3f}")
    return table


def _draw_reasons(reasons: tuple[Reason, ...], width: int) -> Table:
    others = max(len(one.reason) + len(one.example_id) for one in reasons) + len("  replies  ended    ")
    table = _make_table("reasons for refusal", "", "replies", "ended")
    table.add_column("for example", no_wrap=True)
    table.add_column("", no_wrap=True, overflow="ellipsis", max_width=max(width - others, 12))
    for one in reasons[:15]:
        example = Text(one.evidence or "mended by a repair", style="" if one.evidence else "dim")
        table.add_row(one.reason, f"{one.replies:,}", f"{one.ended:,}", Text(one.example_id, style="dim"), example)
    if len(reasons) > 15:
        table.caption = f"{len(reasons) - 15} more in report.json"
    return table


def _make_table(title: str, *headings: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.title, table.title_justify, table.title_style = f"\n{title}", "left", "bold"
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number == 0 else "right", no_wrap=True)
    return table


def _tell_usage(usage: Usage) -> str:
    tokens = f"{usage.calls:,} replies, {usage.prompt_tokens + usage.completion_tokens:,} tokens"
    return tokens + (f", ${usage.cost_usd:.2f}" if usage.cost_usd else "")
