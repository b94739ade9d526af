"""`ttg generate`: requests → tasks."""

from __future__ import annotations

import typer

from terminal_task_gen import pipeline
from terminal_task_gen.cli import options
from terminal_task_gen.cli.drive import Where, drive, finish
from terminal_task_gen.cli.preview import preview as show_preview

HELP = """Write tasks with the author teacher and prove them at the gates.

[bold]Examples[/]

  ttg generate --mode skill --domain security -n 100 --base-url http://127.0.0.1:8000/v1 --model my-model

  ttg generate --mode seed --seeds my_seeds/ --name from-seeds -c my.yaml

  ttg generate --mode seed --seed-kind command --domain debugging -n 50 -c my.yaml

  ttg generate --partition 0/8 -n 100000 -c my.yaml       # an eighth; see configs/slurm.sbatch, configs/kubernetes.yaml

  ttg generate --mode adapt --adapter openmathreasoning --rows data/cot/ --name math     # no teacher; all rows

  ttg generate --mode skill --domain security -c my.yaml --preview 3      # look at three tasks first

Run the same command again to go on where it stopped; a larger -n extends the run.
"""


def generate(
    mode: options.Modes = None,
    domain: options.Domains = None,
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
    preview: options.Preview = None,
    no_cache: options.NoCache = False,
    sandbox: options.Sandbox = None,
    parallel: options.Parallel = None,
    partition: options.PartitionOption = None,
    engine: options.EngineOption = "local",
    address: options.Address = None,
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
    if preview is not None:
        finish(show_preview(resolved, preview))
        return
    code = drive(resolved, [pipeline.generate], where=Where(options.read_partition(partition), engine, address))
    typer.echo(f"tasks: {resolved.run_place}/tasks   yield: ttg report {resolved.run_place}")
    typer.echo(f"next: ttg rollout {resolved.run_place}")
    finish(code)


generate.__doc__ = HELP
