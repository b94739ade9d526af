"""`ttg demo`: the whole pipeline on the scripted teacher, for real but for the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from terminal_task_gen import pipeline
from terminal_task_gen.cli import options
from terminal_task_gen.cli.drive import Step, Where, drive, finish
from terminal_task_gen.config import dump_config, load_config
from terminal_task_gen.errors import UsageError
from terminal_task_gen.events import StageFinished
from terminal_task_gen.pipeline import OpenRun
from terminal_task_gen.resources import data_dir
from terminal_task_gen.store import RunDirectory

HELP = """Make a small Terminal-Corpus here and now: no key, no Docker, no network.

Skills and seeds become tasks, gates prove them, a teacher solves them in real terminals, tests judge, rules filter.
Only the model is scripted: an OpenAI-compatible server on loopback that answers from recorded replies, some of them
bad. Everything else is the code that runs at scale. Run it twice: nothing is done again.

[bold]Examples[/]

  ttg demo

  ttg demo --sandbox docker --output-dir /tmp/runs     # the same from the domain images (ttg images build)

  ttg demo --domains all --sandbox docker              # every domain; their tools are in the images only

  ttg demo --rogues                                    # every gate, rule and protocol error at work
"""


def demo(
    domains: Annotated[
        str | None,
        typer.Option(help="all, or names (a,b); default: three that need only Python.", rich_help_panel=options.WHAT),
    ] = None,
    rogues: Annotated[
        bool,
        typer.Option("--rogues", help="Instead, one bad reply for each check there is.", rich_help_panel=options.WHAT),
    ] = False,
    sandbox: Annotated[
        str, typer.Option(help="bubblewrap, docker or auto.", rich_help_panel=options.HOW)
    ] = "bubblewrap",
    output_dir: Annotated[
        str, typer.Option(help="Folder of all runs, or a URL: s3://bucket/runs.", rich_help_panel=options.WHERE)
    ] = "runs",
    name: Annotated[str | None, typer.Option(help="Name of the run.", rich_help_panel=options.WHERE)] = None,
    engine: options.EngineOption = "local",
    address: options.Address = None,
    override: options.Override = None,
) -> None:
    """See HELP."""
    chosen = options.split_commas([domains or ""])
    if rogues and chosen:
        raise UsageError("--rogues brings its own tasks; leave out --domains, or run the two one after the other")
    show = _show_rogues() if rogues else _show_tasks(chosen)
    flags = options.make_tree(
        name=name or (show.name if sandbox == "bubblewrap" else f"{show.name}-{sandbox}"),
        output_dir=output_dir,
        seed_dirs=[show.seeds],
        filter__benchmarks=[show.benchmark],
        sandbox__driver=sandbox,
        generate=show.generate,
    )
    config = load_config(show.config, override or [], flags)
    code = drive(
        config,
        [_on_scripted_teacher(show)],
        resume="the same command again",
        where=Where(engine=engine, address=address),
    )
    finish(code, summary_of=config)


demo.__doc__ = HELP


@dataclass(frozen=True)
class _Show:
    """What a demo runs on."""

    name: str
    config: Path
    repertoire: Path
    seeds: Path
    benchmark: Path
    generate: dict[str, Any] | None = None
    """What it sets besides the configuration."""


def _show_tasks(chosen: list[str]) -> _Show:
    """The tasks of the chosen domains; of three that need nothing but Python when none is chosen."""
    assets = data_dir("configs") / "demo"
    return _Show(
        name="-".join(["demo", *chosen]),
        config=data_dir("configs") / "demo.yaml",
        repertoire=pipeline.REPERTOIRE,
        seeds=assets / "seeds",
        benchmark=assets / "benchmark.jsonl",
        generate=pipeline.plan_generation([] if chosen == ["all"] else chosen, assets / "seeds") if chosen else None,
    )


def _show_rogues() -> _Show:
    """The gallery of bad replies; it needs nothing but Python either."""
    known = pipeline.ROGUES / "known"
    return _Show(
        name="demo-rogues",
        config=data_dir("configs") / "rogues.yaml",
        repertoire=pipeline.ROGUES,
        seeds=pipeline.ROGUES / "seeds",
        benchmark=pipeline.ROGUES / "benchmarks" / "gallery.jsonl",
        generate={"gates": {"corpora": [known / "corpus.jsonl"], "benchmarks": [known / "benchmark.jsonl"]}},
    )


def _on_scripted_teacher(show: _Show) -> Step:
    """All steps as one, with the server up around them and the configuration pointed at it."""
    steps: list[Step] = [pipeline.generate, pipeline.rollout, pipeline.filter_corpus]

    async def run_all(run: OpenRun) -> StageFinished:
        if show.generate is not None:
            await pipeline.tell_missing_tools(run)
        async with pipeline.serve_demo_teacher(show.repertoire) as base_url:
            author = run.config.teacher.author.model_copy(update={"base_url": base_url})
            run.config = run.config.model_copy(
                update={"teacher": run.config.teacher.model_copy(update={"author": author})}
            )
            owed = 0
            try:
                for step in steps:
                    summary = await step(run)
                    owed += summary.owed
                    if run.engine.draining:
                        break
            finally:
                _forget_address(run.directory, base_url)
            return StageFinished("demo", accepted=0, rejected=0, owed=owed, seconds=0.0)

    return run_all


def _forget_address(directory: RunDirectory, base_url: str) -> None:
    """The server's address dies with it; a run that kept it would send people to a closed port."""
    if not directory.config_path.is_file():
        return
    saved = load_config(directory.config_path)
    if saved.teacher.author.base_url == base_url:
        author = saved.teacher.author.model_copy(update={"base_url": ""})
        teacher = saved.teacher.model_copy(update={"author": author})
        directory.write_file(directory.config_path, dump_config(saved.model_copy(update={"teacher": teacher})))
