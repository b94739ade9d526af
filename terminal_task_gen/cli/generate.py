"""`ttg generate`: requests → tasks."""

from __future__ import annotations

from typing import Annotated

import typer

from terminal_task_gen import pipeline
from terminal_task_gen.cli import options
from terminal_task_gen.cli.drive import drive, finish

HELP = """Write tasks with the author teacher and prove them at the gates.

[bold]Examples[/]

  ttg generate --mode skill --domain security -n 100 --base-url http://127.0.0.1:8000/v1 --model my-model

  ttg generate --mode seed --seeds my_seeds/ --name from-seeds -c my.yaml

  ttg generate --mode seed --seed-kind command --domain debugging -n 50 -c my.yaml

  ttg generate --partition 0/8 -n 100000 -c my.yaml       # an eighth; see configs/slurm.sbatch, configs/kubernetes.yaml

  ttg generate --mode adapt --adapter openmathreasoning --rows data/cot/ --name math     # no teacher; all rows

Run the same command again to go on where it stopped; a larger -n extends the run.
"""


def generate(
    mode: Annotated[
        list[str] | None, typer.Option(help="skill, seed (may be repeated) or adapt.", rich_help_panel=options.WHAT)
    ] = None,
    domain: Annotated[
        list[str] | None,
        typer.Option(help="Domains, with commas or repeated (default: all).", rich_help_panel=options.WHAT),
    ] = None,
    count: options.Count = None,
    difficulty: options.Difficulty = None,
    taxonomy: options.Taxonomy = None,
    images: options.Images = None,
    seeds: options.Seeds = None,
    seed_kind: options.SeedKind = None,
    adapter: options.Adapter = None,
    rows: options.Rows = None,
    base_url: options.BaseUrl = None,
    model: options.Model = None,
    api_key_env: options.ApiKeyEnv = None,
    no_cache: options.NoCache = False,
    sandbox: options.Sandbox = None,
    parallel: options.Parallel = None,
    partition: options.PartitionOption = None,
    override: options.Override = None,
    config: options.ConfigFile = None,
    name: options.Name = None,
    output_dir: options.OutputDir = None,
) -> None:
    """See HELP."""
    flags = options.make_tree(
        name=name,
        output_dir=output_dir,
        taxonomy_dirs=taxonomy,
        image_dirs=images,
        seed_dirs=seeds,
        generate__modes=options.split_commas(mode),
        generate__domains=options.split_commas(domain),
        generate__count=count,
        generate__adapt__adapter=adapter,
        generate__adapt__rows=rows.absolute() if rows else None,
        generate__adapt__max_rows=count if options.split_commas(mode) == ["adapt"] else None,
        generate__seed_kinds=options.split_commas(seed_kind),
        generate__difficulty=difficulty,
        generate__parallel=parallel,
        teacher__author__base_url=base_url,
        teacher__author__model=model,
        teacher__author__api_key_env=api_key_env,
        teacher__cache=False if no_cache else None,
        sandbox__driver=sandbox,
    )
    resolved = options.load_new_config(config, flags, override)
    code = drive(resolved, [pipeline.generate], partition=options.read_partition(partition))
    typer.echo(f"tasks: {resolved.run_place}/tasks   next: ttg rollout {resolved.run_place}")
    finish(code)


generate.__doc__ = HELP
