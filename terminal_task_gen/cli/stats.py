"""`ttg stats`: what runs hold in numbers, in the terminal, as pictures, as a page."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from terminal_task_gen import pipeline
from terminal_task_gen.cli import options
from terminal_task_gen.errors import PrerequisiteError, UsageError
from terminal_task_gen.stats.page import render_page
from terminal_task_gen.stats.pictures import draw_all
from terminal_task_gen.stats.tables import TableText, list_tables
from terminal_task_gen.store import explain_os_error

HELP = """Show what runs hold: funnel, turns and tokens, solve rate, skills, cost, the paper's figures beside them.

Counted from the shards, kept rows or not; a run may still be growing. Several runs stand side by side.

[bold]Examples[/]

  ttg stats runs/demo

  ttg stats runs/first runs/second --html compare.html      # one file, no scripts, nothing loaded

  ttg stats runs/first --plots plots --png                  # pictures; PNG needs the extra: png

  ttg stats runs/first --json | jq '.[0].streams[0].turns.mean'

What generation yielded by domain, mode and skill, and what each gate cost: ttg report.
"""


def stats(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="Run directories.", show_default=False)],
    plots: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write pictures there, as SVG.", rich_help_panel=options.WHERE)
    ] = None,
    png: Annotated[
        bool, typer.Option("--png", help="With --plots: as PNG too.", rich_help_panel=options.WHERE)
    ] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page.", rich_help_panel=options.WHERE)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the numbers instead: a list, one entry a run.")] = False,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that read; 0: one a core.", rich_help_panel=options.HOW)
    ] = 0,
) -> None:
    """See HELP."""
    if png and plots is None:
        raise UsageError("--png goes with --plots DIR, where the pictures are written")
    render_png = _load_renderer() if png else None
    surveys = [asyncio.run(pipeline.survey_run(run, workers=workers)) for run in runs]
    tables = list_tables(surveys)
    if json:
        typer.echo(orjson.dumps([s.model_dump(mode="json") for s in surveys], option=orjson.OPT_INDENT_2))
    else:
        _print_tables(tables)
    written: list[Path] = []
    if plots is not None or html is not None:
        pictures = draw_all(surveys)
        if plots is not None:
            files: dict[str, bytes] = {name: svg.encode() for name, svg in pictures.items()}
            if render_png is not None:
                files |= {
                    name.replace(".svg", ".png"): render_png(svg_string=svg, zoom=2) for name, svg in pictures.items()
                }
            written += _write(plots, files)
        if html is not None:
            written += _write(html.parent, {html.name: render_page(surveys, tables, pictures).encode()})
    for path in written:
        typer.echo(f"written: {path}", err=True)


stats.__doc__ = HELP


def _load_renderer() -> Callable[..., bytes]:
    try:
        renderer: Callable[..., bytes] = importlib.import_module("resvg_py").svg_to_bytes
    except ImportError as error:
        raise PrerequisiteError("PNG pictures need: pip install 'terminal-task-gen[png]'") from error
    return renderer


def _write(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise explain_os_error(error, folder) from error
    return [folder / name for name in files]


def _print_tables(tables: list[TableText]) -> None:
    console = Console()
    for text in tables:
        table = Table(box=None, header_style="dim", pad_edge=False)
        for place, column in enumerate(text.columns):
            words = place < text.labels
            table.add_column(Text(column), justify="left" if words or text.padded else "right", overflow="fold")
        above = ""
        for row in text.rows:
            table.add_row(
                *(
                    Text("" if place == 0 and text.labels > 1 and cell == above else cell)
                    for place, cell in enumerate(row)
                )
            )
            above = row[0]
        console.print(Text(text.title, style="bold"))
        if text.note:
            console.print(Text(text.note, style="dim"))
        console.print(table)
        console.print()
