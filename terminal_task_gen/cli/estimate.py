"""`ttg estimate`: a few real calls now, to know what the whole run will take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from terminal_task_gen import pipeline
from terminal_task_gen.cli import options
from terminal_task_gen.cli.drive import INTERRUPTED, drive, finish
from terminal_task_gen.config import Config
from terminal_task_gen.errors import UsageError

if TYPE_CHECKING:
    from terminal_task_gen.pipeline import Estimate

HELP = """Estimate tokens, money, hours and disk of a whole run from a few of its requests and rollouts.

The sample is the run's own first requests, made for real in a temporary folder; their replies are kept, so the run
itself does not pay for them again. It costs what it says at the end.

[bold]Examples[/]

  ttg estimate configs/quickstart.yaml --base-url http://127.0.0.1:8000/v1 --model my-model

  ttg estimate my.yaml --samples 20 --no-rollout      # generation only, and a narrower range

  ttg estimate runs/first/config.yaml --set generate.count=10000
"""


def estimate(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML configuration.", show_default=False)],
    samples: Annotated[int, typer.Option(min=1, help="Requests of each mode to try.", rich_help_panel=options.HOW)] = 8,
    with_rollouts: Annotated[
        bool, typer.Option("--rollout/--no-rollout", help="Try the sampled tasks as well.", rich_help_panel=options.HOW)
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Numbers as JSON.", rich_help_panel=options.WHAT)] = False,
    base_url: options.BaseUrl = None,
    model: options.Model = None,
    api_key_env: options.ApiKeyEnv = None,
    sandbox: options.Sandbox = None,
    override: options.Override = None,
) -> None:
    """See HELP."""
    flags = options.make_tree(
        teacher__author__base_url=base_url,
        teacher__author__model=model,
        teacher__author__api_key_env=api_key_env,
        sandbox__driver=sandbox,
    )
    resolved = options.load_new_config(config, flags, override)
    if resolved.generate.modes == ("adapt",):
        raise UsageError("mode adapt asks no author, so there is nothing to estimate; try -n 100 and look at the time")
    steps = [pipeline.generate, pipeline.rollout] if with_rollouts else [pipeline.generate]
    with pipeline.rehearse(resolved, count=min(samples, resolved.generate.count)) as trial:
        code = drive(trial, steps, resume="the same command again")
        found = pipeline.estimate(resolved, trial.run_dir) if code != INTERRUPTED else None
    if found is not None and not found.sampled_requests:
        raise UsageError("no sampled request came to an end, so nothing can be said; see the lines above")
    if found is not None and as_json:
        typer.echo(found.model_dump_json(indent=1))
    elif found is not None:
        _print(found, resolved)
    finish(code)


estimate.__doc__ = HELP


def _print(found: Estimate, config: Config) -> None:
    console = Console()
    console.print(
        f"\n{found.requests:,} requests, attempts at each task: {found.attempts}; sampled: {found.sampled_requests} "
        f"requests → {found.sampled_tasks} tasks, {found.sampled_rollouts} rollouts",
        highlight=False,
    )
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("")
    for heading in ("estimate", "from", "to"):
        table.add_column(heading, justify="right")
    for name, one, form in (
        ("tasks", found.tasks, "{:,.0f}"),
        ("rollouts", found.rollouts, "{:,.0f}"),
        ("author tokens", found.author_tokens, "{:,.0f}"),
        ("actor tokens", found.actor_tokens, "{:,.0f}"),
        ("money", found.usd, "${:,.2f}"),
        ("hours, generate", found.generate_hours, "{:,.2f}"),
        ("hours, rollout", found.rollout_hours, "{:,.2f}"),
        ("disk, MB", found.disk_mb, "{:,.1f}"),
    ):
        if one.mid or one.high:
            table.add_row(name, *("?" if end is None else form.format(end) for end in (one.mid, one.low, one.high)))
    console.print(table)
    for line in _list_notes(found, config):
        console.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)


def _list_notes(found: Estimate, config: Config) -> list[str]:
    usage, rollouts = found.sample_usage, config.rollout.parallel
    lines = [
        "ranges: 95 %, from the sample's own spread; where tasks decide the number, low meets low and high meets high",
        f"hours: {config.generate.parallel} requests and {rollouts} rollouts at once, each as fast as in the sample",
    ]
    if not found.usd.mid:
        lines.append("money: no prices are set (teacher.author.prompt_usd_per_mtok and completion_usd_per_mtok)")
    if not found.generate_hours.mid:
        lines.append(
            "hours of generation: not measured, all sampled replies came from the replay cache (ttg cache clear)"
        )
    fresh = usage.calls - found.replayed.calls
    cost = f", ${usage.cost_usd - found.replayed.cost_usd:.2f}" if usage.cost_usd else ""
    kept = "; the run will not ask for them again" if config.teacher.cache else ""
    lines.append(f"this sample: {fresh} new replies of {usage.calls}{cost}{kept}")
    return lines
