"""The `ttg` program: the list of commands, and two kinds of exit (a line for what a user can mend, else a traceback).

Starting it imports neither docker nor openai, and of the commands only the one that is asked for.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from terminal_task_gen import __version__
from terminal_task_gen.errors import UsageError

EPILOG = "Start with: [bold]ttg demo[/] (no key, no Docker). Then: [bold]ttg run configs/quickstart.yaml[/]"

# name → (module and function, panel), in the order of `ttg --help`
COMMANDS = {
    "demo": ("demo:demo", "Start here"),
    "doctor": ("doctor:doctor", "Start here"),
    "estimate": ("estimate:estimate", "Start here"),
    "view": ("view:view", "Look"),
    "run": ("run:run", "Pipeline"),
    "generate": ("generate:generate", "Pipeline"),
    "report": ("report:report", "Look"),
    "rollout": ("rollout:rollout", "Pipeline"),
    "filter": ("corpus:filter_run", "Pipeline"),
    "mix": ("mix:mix", "Pipeline"),
    "export": ("export:export", "Pipeline"),
    "stats": ("stats:stats", "Look"),
    "show": ("show:show", "Look"),
    "replay": ("replay:replay", "Look"),
}
GROUPS = {
    "import": ("imports:app", "Pipeline"),
    "domains": ("domains:app", "Parts"),
    "taxonomy": ("taxonomy:app", "Parts"),
    "images": ("images:app", "Parts"),
    "seeds": ("seeds:app", "Parts"),
    "contamination": ("contamination:app", "Parts"),
    "cache": ("cache:app", "Parts"),
    "teacher": ("teacher:app", "Parts"),
}
NAMES = (*COMMANDS, *GROUPS)


def make_app(names: Iterable[str]) -> typer.Typer:
    """The program with these of its commands."""
    made = typer.Typer(
        name="ttg",
        help="Make training data for terminal agents: tasks, rollouts in real terminals, verdicts, a filtered corpus.",
        epilog=EPILOG,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(root)
    for name in names:
        place, panel = COMMANDS.get(name) or GROUPS[name]
        module, _, attribute = place.partition(":")
        part = getattr(importlib.import_module(f"terminal_task_gen.cli.{module}"), attribute)
        if name in COMMANDS:
            made.command(name, rich_help_panel=panel)(part)
        else:
            made.add_typer(part, name=name, rich_help_panel=panel)
    return made


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ttg {__version__}")
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Options of all commands."""


def __getattr__(name: str) -> Any:
    """`app`: the program with all its commands."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return make_app(NAMES)


def main() -> None:
    """Entry point. UsageError: one line on stderr, exit 2. A closed pipe (`ttg … | head`) is no error."""
    asked = [name for name in sys.argv[1:2] if name in NAMES]
    try:
        make_app(asked or NAMES)()
    except UsageError as error:
        typer.echo(f"ttg: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
