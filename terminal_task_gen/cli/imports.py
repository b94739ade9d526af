"""`ttg import`: tasks made elsewhere, to roll out on."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from terminal_task_gen import pipeline
from terminal_task_gen.cli import options
from terminal_task_gen.cli.drive import drive, finish

app = typer.Typer(no_args_is_help=True, help="Bring in tasks made elsewhere.")

HARBOR_HELP = """Bring Harbor task directories into a run: their images are built, their own tests judge.

[bold]Examples[/]

  ttg import harbor tasks/ --name terminal-bench

  ttg import harbor tasks/hello-world --name hello --no-prove

Each is proved first: an untouched machine must not get the whole reward, the task's own solution must. What cannot be
kept faithfully (several steps or containers, an allow-list of hosts) is refused with its reason. Then: ttg rollout.
"""


@app.command("harbor", help=HARBOR_HELP)
def import_harbor(
    directories: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Task directories, or folders of them.", show_default=False)
    ],
    prove: Annotated[bool, typer.Option(help="Run untouched machine and solution first.")] = True,
    override: options.Override = None,
    config: options.ConfigFile = None,
    name: options.Name = None,
    output_dir: options.OutputDir = None,
) -> None:
    """See HARBOR_HELP."""
    flags = options.make_tree(name=name, output_dir=output_dir, sandbox__driver="docker")
    resolved = options.load_new_config(config, flags, override)
    code = drive(
        resolved, [partial(pipeline.import_harbor, roots=directories, proved=prove)], resume="the same command again"
    )
    typer.echo(f"tasks: {resolved.run_place}/tasks   next: ttg rollout {resolved.run_place}")
    finish(code)
