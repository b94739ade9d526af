"""`ttg show`: one task, refused request or trajectory, for a person to read."""

from __future__ import annotations

import os
import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from terminal_task_gen.cli import options
from terminal_task_gen.cli.show_parts import Page
from terminal_task_gen.cli.show_task import show_refusal, show_task
from terminal_task_gen.cli.show_trajectory import show_trajectory
from terminal_task_gen.lookup import find_attempts, find_corpus_row, find_row, find_task, list_runs

HELP = """Show a task, a refused request, a trajectory or a failed attempt.

A task: instruction, files, tests with weights, gates, attempts. A trajectory: every turn with reasoning, commands and
screen, the verdict with failures, what the filter said. Control characters are made visible, never sent.

[bold]Examples[/]

  ttg show traj-174e                    # the beginning of an id is enough

  ttg show security-84a1 --run runs/first --solution

  ttg show traj-174e --json | jq .verdict

On a terminal it opens in a pager (less); --no-pager prints.
"""


def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="Id, or its beginning.", show_default=False)],
    run: options.RunOption = None,
    full: Annotated[
        bool, typer.Option("--full", help="Long texts whole, not cut.", rich_help_panel=options.HOW)
    ] = False,
    solution: Annotated[
        bool, typer.Option("--solution", help="A task's private solution too.", rich_help_panel=options.WHAT)
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the row as it is on disk instead.", rich_help_panel=options.HOW)
    ] = False,
    pager: Annotated[
        bool, typer.Option("--pager/--no-pager", help="Page on a terminal.", rich_help_panel=options.HOW)
    ] = True,
) -> None:
    """See HELP."""
    found = find_row(options.choose_runs(run, list_runs(Path("runs"))), id)
    if json:
        typer.echo(orjson.dumps(found.row))
        return
    console = Console(highlight=False)
    with _open_pager(console) if pager else nullcontext():
        page = Page(console, full=full)
        if found.kind == "trajectory":
            task = find_task(found.run, str(found.row.get("task_id", "")))
            show_trajectory(page, found, task=task, judged=find_corpus_row(found.run, found.id))
        elif found.kind == "task":
            attempts = find_attempts(found.run, found.id)
            show_task(page, found.row, run=found.run, attempts=attempts, with_solution=solution)
        else:
            show_refusal(page, found.row, kind=found.kind, run=found.run)


show.__doc__ = HELP


def _open_pager(console: Console) -> AbstractContextManager[object]:
    """Less, told to pass colours and nothing else; plain printing where there is no terminal, or no less."""
    if not console.is_terminal or shutil.which("less") is None:
        return nullcontext()
    os.environ["PAGER"] = "less"
    os.environ["LESS"] = "-RFX"
    return console.pager(styles=True)
