"""`ttg view`: runs in a browser on this machine."""

from __future__ import annotations

import asyncio
import signal
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from terminal_task_gen.cli import options
from terminal_task_gen.pipeline.places import fetch_run

HELP = """Look at one run or several in a browser: funnel, tasks, trajectories turn by turn, recordings, diffs.

A server on 127.0.0.1 alone, with a random token in its address, until Ctrl-C. Also while the run is going, and for runs
on read-only disks. The first time it reads the whole run to make an index, which lies in .cache/view beside the run and
may be deleted at any time. Notes and labels go to RUN/notes.jsonl; nothing else of a run is ever changed.

From another machine: ssh -L 8890:127.0.0.1:8890 HOST, and ttg view RUN --port 8890 there.

[bold]Examples[/]

  ttg view runs/demo

  ttg view runs/first runs/second --no-open --port 8890
"""


def view(
    runs: Annotated[list[str], typer.Argument(metavar="RUN…", help="Runs, e.g. runs/demo.", show_default=False)],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any free one.", rich_help_panel="How")] = 0,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open a browser at the address.", rich_help_panel="How")
    ] = True,
    index_dir: Annotated[
        Path | None,
        typer.Option(help="Folder for indexes (default: .cache/view beside the run).", rich_help_panel="Where"),
    ] = None,
) -> None:
    """See HELP."""
    folders = [fetch_run(run, [], options.tell) for run in runs]
    asyncio.run(_serve(folders, port, open_browser=open_browser, index_dir=index_dir))


view.__doc__ = HELP


async def _serve(runs: list[Path], port: int, *, open_browser: bool, index_dir: Path | None) -> None:
    from terminal_task_gen.viewer.server import open_viewer

    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with open_viewer(runs, port=port, index_dir=index_dir) as viewer:
        typer.echo(f"{', '.join(viewer.runs)}: {viewer.entrance}")
        typer.echo("Ctrl-C ends it.", err=True)
        if open_browser:
            await asyncio.to_thread(webbrowser.open, viewer.entrance)
        await ended.wait()
