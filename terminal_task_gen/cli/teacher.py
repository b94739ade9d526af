"""`ttg teacher serve`: the scripted teacher as a server of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from terminal_task_gen import pipeline
from terminal_task_gen.cli import options

app = typer.Typer(no_args_is_help=True, help="The scripted teacher: an OpenAI-compatible endpoint for rehearsals.")

SERVE_HELP = """Serve recorded replies as an OpenAI-compatible endpoint, with faults if you like.

[bold]Examples[/]

  ttg teacher serve --port 8000

  ttg teacher serve --faults rate_limit=0.1,server_error=0.05,hang=0.01,malformed=0.05 --latency-sec 0.2

  ttg teacher serve --mailbox letters/     # answer by hand: read NNNN-….request.md, write NNNN-….reply.md

Then: ttg run configs/quickstart.yaml --base-url http://127.0.0.1:8000/v1 --model scripted --api-key-env ''
"""


@app.command("serve", help=SERVE_HELP)
def serve(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on loopback; 0 picks a free one.", rich_help_panel=options.WHERE)
    ] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.", rich_help_panel=options.WHERE)] = "127.0.0.1",
    repertoire: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of scripts (default: the shipped ones).", rich_help_panel=options.WHAT),
    ] = None,
    faults: Annotated[
        str,
        typer.Option(
            help="Fault probabilities, e.g. rate_limit=0.1,hang=0.02; all=0.2 spreads evenly. Also "
            "requests_per_window=600,window_sec=60 and dies_after=1000.",
            rich_help_panel=options.WHAT,
        ),
    ] = "",
    latency_sec: Annotated[float, typer.Option(help="Wait before each answer.", rich_help_panel=options.WHAT)] = 0.0,
    mailbox: Annotated[
        Path | None,
        typer.Option(
            help="Folder: calls become files, replies are files put beside them.", rich_help_panel=options.WHAT
        ),
    ] = None,
    mailbox_timeout_sec: Annotated[
        float, typer.Option(help="How long a call waits for its reply file.", rich_help_panel=options.WHAT)
    ] = 3600.0,
) -> None:
    """See SERVE_HELP."""
    how = pipeline.ServeOptions(host, port, faults, latency_sec, mailbox, mailbox_timeout_sec)
    try:
        asyncio.run(pipeline.serve_teacher(repertoire or [], how, typer.echo))
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
