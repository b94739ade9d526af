"""`ttg run`: the whole pipeline from one configuration."""

from __future__ import annotations

from typing import Annotated

import typer

from terminal_task_gen import pipeline
from terminal_task_gen.cli import options
from terminal_task_gen.cli.drive import Where, drive, finish

HELP = """Generate, roll out and filter, as one configuration says. Stopped or killed, run it again: it goes on.

[bold]Examples[/]

  ttg run configs/quickstart.yaml --base-url http://127.0.0.1:8000/v1 --model my-model

  ttg run runs/first/config.yaml          # repeat or resume a run from its own folder

  ttg run configs/quickstart.yaml --output-dir s3://my-bucket/runs       # on an object store: docs/storage.md

  ttg run my.yaml --engine ray --sandbox docker     # on a cluster whose nodes share the folder
"""


def run(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="YAML configuration.", show_default=False)],
    base_url: options.BaseUrl = None,
    model: options.Model = None,
    api_key_env: options.ApiKeyEnv = None,
    no_cache: options.NoCache = False,
    sandbox: options.Sandbox = None,
    taxonomy: options.Taxonomy = None,
    images: options.Images = None,
    seeds: options.Seeds = None,
    name: options.Name = None,
    output_dir: options.OutputDir = None,
    engine: options.EngineOption = "local",
    address: options.Address = None,
    override: options.Override = None,
) -> None:
    """See HELP."""
    flags = options.make_tree(
        name=name,
        output_dir=output_dir,
        taxonomy_dirs=taxonomy,
        image_dirs=images,
        seed_dirs=seeds,
        teacher__author__base_url=base_url,
        teacher__author__model=model,
        teacher__author__api_key_env=api_key_env,
        teacher__cache=False if no_cache else None,
        sandbox__driver=sandbox,
    )
    resolved = options.load_new_config(options.fetch_config(config, override), flags, override)
    code = drive(
        resolved,
        [pipeline.generate, pipeline.rollout, pipeline.filter_corpus],
        where=Where(engine=engine, address=address),
    )
    finish(code, summary_of=resolved)


run.__doc__ = HELP
