"""`ttg rollout`: tasks → trajectories."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from terminal_task_gen import pipeline
from terminal_task_gen.cli import options
from terminal_task_gen.cli.drive import Where, drive, finish
from terminal_task_gen.errors import UsageError

HELP = """Let the actor teacher solve a run's tasks in real terminals, and judge each with the task's tests.

[bold]Examples[/]

  ttg rollout runs/first

  ttg rollout runs/first --attempts 4 --parallel 8 --set rollout.max_turns=30

  ttg rollout runs/first --attempts 8 --until success     # a task is done at its first success

  ttg rollout runs/first --partition 0/8                  # an eighth; see configs/slurm.sbatch, configs/kubernetes.yaml

  ttg rollout runs/first --task security-1f --watch       # one task, its turns shown as they come

The actor is the author's endpoint; --base-url, --model and --api-key-env (or teacher.actor) change what differs.
"""


def rollout(
    run: options.RunArgument,
    attempts: Annotated[
        int | None, typer.Option(help="Rollouts per task (default: 1).", rich_help_panel=options.HOW)
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(help="attempts (all, the default), success or both outcomes.", rich_help_panel=options.HOW),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="Only this task (id or its beginning); may be repeated.", rich_help_panel=options.WHAT),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show every turn live; one rollout at a time.", rich_help_panel=options.HOW)
    ] = False,
    parallel: Annotated[
        str | None, typer.Option(help="Rollouts at once, or auto.", rich_help_panel=options.HOW)
    ] = None,
    partition: options.PartitionOption = None,
    engine: options.EngineOption = "local",
    address: options.Address = None,
    no_cache: options.NoCache = False,
    sandbox: options.Sandbox = None,
    base_url: options.BaseUrl = None,
    model: options.Model = None,
    api_key_env: options.ApiKeyEnv = None,
    override: options.Override = None,
) -> None:
    """See HELP."""
    flags = options.make_tree(
        rollout__attempts=attempts,
        rollout__until=until,
        rollout__parallel=1 if watch else options.read_parallel(parallel),
        sandbox__driver=sandbox,
    )
    actor = options.make_tree(base_url=base_url, model=model, api_key_env=api_key_env)
    if actor:
        saved = options.load_run_config(run, {}, None).teacher
        flags["teacher"] = {"actor": {**saved.get_actor().model_dump(mode="json"), **actor}}
    if no_cache:
        flags.setdefault("teacher", {})["cache"] = False
    config = options.load_run_config(run, flags, override)
    if watch and engine != "local":
        raise UsageError("--watch shows what happens on this machine; leave out --engine")
    where = Where(options.read_partition(partition), engine, address)
    code = drive(config, [partial(pipeline.rollout, only=task or ())], watch=watch, where=where)
    typer.echo(f"trajectories: {config.run_place}/trajectories   next: ttg filter {config.run_place}")
    finish(code)


rollout.__doc__ = HELP
