"""The `ttg` program: the list of commands, and two kinds of exit (a line for what a user can mend, else a traceback).

Starting it imports neither docker nor openai.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from terminal_task_gen import __version__
from terminal_task_gen.cli import (
    cache,
    contamination,
    corpus,
    demo,
    doctor,
    domains,
    estimate,
    export,
    generate,
    images,
    imports,
    mix,
    replay,
    report,
    rollout,
    run,
    seeds,
    show,
    stats,
    taxonomy,
    teacher,
    view,
)
from terminal_task_gen.errors import UsageError

EPILOG = "Start with: [bold]ttg demo[/] (no key, no Docker). Then: [bold]ttg run configs/quickstart.yaml[/]"

app = typer.Typer(
    name="ttg",
    help="Make training data for terminal agents: tasks, rollouts in real terminals, verdicts, a filtered corpus.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo", rich_help_panel="Start here")(demo.demo)
app.command("doctor", rich_help_panel="Start here")(doctor.doctor)
app.command("estimate", rich_help_panel="Start here")(estimate.estimate)
app.command("view", rich_help_panel="Look")(view.view)
app.command("run", rich_help_panel="Pipeline")(run.run)
app.command("generate", rich_help_panel="Pipeline")(generate.generate)
app.command("report", rich_help_panel="Pipeline")(report.report)
app.command("rollout", rich_help_panel="Pipeline")(rollout.rollout)
app.command("filter", rich_help_panel="Pipeline")(corpus.filter_run)
app.command("mix", rich_help_panel="Pipeline")(mix.mix)
app.command("export", rich_help_panel="Pipeline")(export.export)
app.command("stats", rich_help_panel="Look")(stats.stats)
app.command("show", rich_help_panel="Look")(show.show)
app.command("replay", rich_help_panel="Look")(replay.replay)
app.add_typer(imports.app, name="import", rich_help_panel="Pipeline")
app.add_typer(domains.app, name="domains", rich_help_panel="Parts")
app.add_typer(taxonomy.app, name="taxonomy", rich_help_panel="Parts")
app.add_typer(images.app, name="images", rich_help_panel="Parts")
app.add_typer(seeds.app, name="seeds", rich_help_panel="Parts")
app.add_typer(contamination.app, name="contamination", rich_help_panel="Parts")
app.add_typer(cache.app, name="cache", rich_help_panel="Parts")
app.add_typer(teacher.app, name="teacher", rich_help_panel="Parts")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ttg {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Options of all commands."""


def main() -> None:
    """Entry point. UsageError: one line on stderr, exit 2. A closed pipe (`ttg … | head`) is no error."""
    try:
        app()
    except UsageError as error:
        typer.echo(f"ttg: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
