"""`ttg cache`: the replies that runs keep, so that asking again costs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from terminal_task_gen import pipeline
from terminal_task_gen.cli import options
from terminal_task_gen.config import load_config

app = typer.Typer(no_args_is_help=True, help="Replies of the teachers, kept on disk: a rerun costs nothing.")

CacheDir = Annotated[
    Path | None,
    typer.Option(help="The cache's folder (default: .cache/teacher in the runs' folder).", rich_help_panel="Where"),
]

SHOW_HELP = """How many replies are kept, how large the file is, and where it lies.

[bold]Examples[/]

  ttg cache show

  ttg cache show -c my.yaml
"""
CLEAR_HELP = """Remove all kept replies; the next run asks anew. Not while a run is under way.

[bold]Examples[/]

  ttg cache clear --output-dir runs
"""


@app.command("show", help=SHOW_HELP)
def show(config: options.ConfigFile = None, output_dir: options.OutputDir = None, cache_dir: CacheDir = None) -> None:
    """See SHOW_HELP."""
    folder = _find_folder(config, output_dir, cache_dir)
    size = pipeline.measure_store(folder)
    typer.echo(f"{folder}: {size.replies:,} replies, {size.size_bytes / 1e6:,.1f} MB")


@app.command("clear", help=CLEAR_HELP)
def clear(config: options.ConfigFile = None, output_dir: options.OutputDir = None, cache_dir: CacheDir = None) -> None:
    """See CLEAR_HELP."""
    folder = _find_folder(config, output_dir, cache_dir)
    files = pipeline.list_files(folder)
    freed_bytes = sum(path.stat().st_size for path in files)
    for path in files:
        path.unlink(missing_ok=True)
    typer.echo(f"{folder}: {freed_bytes / 1e6:,.1f} MB freed" if files else f"{folder}: nothing is kept there")


def _find_folder(file: Path | None, output_dir: str | None, cache_dir: Path | None) -> Path:
    flags = options.make_tree(output_dir=output_dir, teacher__cache_dir=cache_dir)
    return load_config(file, [], flags).reply_cache_dir
