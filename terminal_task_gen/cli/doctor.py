"""`ttg doctor`: what this machine has for `ttg`, and whether a run directory is sound."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from terminal_task_gen import pipeline
from terminal_task_gen.cli import options
from terminal_task_gen.cli.drive import drive, finish
from terminal_task_gen.config import Config
from terminal_task_gen.errors import UsageError
from terminal_task_gen.events import StageFinished
from terminal_task_gen.pipeline import SANDBOXES
from terminal_task_gen.pipeline.places import fetch_run, find_url
from terminal_task_gen.store import DUPLICATES, FAILED, REJECTED, TASKS, TRAJECTORIES, Damage, RunDirectory
from terminal_task_gen.task import Rejection, Task
from terminal_task_gen.trajectory import Trajectory

HELP = """Check this machine (programs, Docker, images), or, given a run, its files.

[bold]Examples[/]

  ttg doctor

  ttg doctor runs/first --repair     # moves damaged lines to runs/first/logs/damaged-lines.txt; their items are owed
"""

KINDS = ((TASKS, Task), (REJECTED, Rejection), (DUPLICATES, Rejection), (TRAJECTORIES, Trajectory), (FAILED, Rejection))


class Check(NamedTuple):
    what: str
    fine: bool
    said: str


def doctor(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="Run to check.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Move damaged lines out of the run's shards.")] = False,
    override: options.Override = None,
) -> None:
    """See HELP."""
    if run is not None:
        _check_run(run, override or [], repair=repair)
        return
    checks = asyncio.run(_check_machine())
    table = Table("", "part", "finding", box=None, header_style="dim")
    for check in checks:
        table.add_row("[green]ok[/]" if check.fine else "[red]no[/]", check.what, check.said)
    Console().print(table)
    sandboxes = [check for check in checks if check.what.startswith("sandbox")]
    if not any(check.fine for check in sandboxes):
        raise UsageError("no sandbox works here; mend one of the two above")


doctor.__doc__ = HELP


async def _check_machine() -> list[Check]:
    config = Config()
    domains = pipeline.load_taxonomy(config)
    images = sorted({domain.image for domain in domains.values()})
    checks = [Check("python", True, sys.version.split()[0]), Check("domains", True, ", ".join(domains))]
    for driver in SANDBOXES:
        factory = pipeline.make_factory(config, driver)
        try:
            await factory.check(images)
            checks.append(Check(f"sandbox {driver}", True, "ready"))
        except UsageError as error:
            checks.append(Check(f"sandbox {driver}", False, str(error)))
        finally:
            await factory.close()
    return checks


def _check_run(place: str, overrides: list[str], *, repair: bool) -> None:
    url = find_url(place)
    path = fetch_run(place, overrides, options.tell)
    run = RunDirectory(path)
    if not path.is_dir() or not run.identity_path.exists():
        raise UsageError(f"{place} is not a run directory (no run.json)")
    damages = _find_damage(run)
    for damage in damages:
        typer.echo(str(damage))
    if not damages:
        typer.echo(f"{place}: every line can be used")
    elif not repair:
        raise UsageError(f"{len(damages)} damaged lines; move them out with: ttg doctor {place} --repair")
    elif url is None:
        run.lock()
        _move_out(run, damages, f"{run.config_path}")
        run.unlock()
    else:
        _repair_at_url(place, overrides)


def _repair_at_url(place: str, overrides: list[str]) -> None:
    """As a step on the open run, which uploads what was mended."""

    async def step(run: pipeline.OpenRun) -> StageFinished:
        _move_out(run.directory, _find_damage(run.directory), f"{place}/config.yaml")
        return StageFinished("doctor", 0, 0, 0, 0.0)

    finish(drive(options.load_run_config(place, {}, overrides), [step]))


def _find_damage(run: RunDirectory) -> list[Damage]:
    return [damage for kind, model in KINDS for damage in run.find_damage(kind, model)]


def _move_out(run: RunDirectory, damages: list[Damage], config: str) -> None:
    moved_to = run.move_out(damages)
    typer.echo(f"moved {len(damages)} lines to {moved_to}; their items are owed: ttg run {config}")
