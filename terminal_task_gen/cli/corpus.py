"""`ttg filter`: trajectories → corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from terminal_task_gen import pipeline
from terminal_task_gen.cli import options
from terminal_task_gen.cli.drive import drive, finish

HELP = """Decide which trajectories are kept, and write RUN/corpus: shards, dropped rows, report, dataset card.

A corpus is a view: it is written anew each time from what is on disk, so try as many rules as you like.

[bold]Examples[/]

  ttg filter runs/first --benchmark terminal-bench-2.jsonl

  ttg filter runs/first --set filter.completed_only=true
"""


def filter_run(
    run: options.RunArgument,
    benchmark: Annotated[
        list[Path] | None,
        typer.Option(help="Benchmark to decontaminate against: JSONL or Harbor folder.", rich_help_panel=options.WHAT),
    ] = None,
    override: options.Override = None,
) -> None:
    """See HELP."""
    config = options.load_run_config(run, options.make_tree(filter__benchmarks=benchmark), override)
    code = drive(config, [pipeline.filter_corpus])
    finish(code, summary_of=config.run_dir)


filter_run.__doc__ = HELP
