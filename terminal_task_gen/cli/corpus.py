"""`ttg filter`: trajectories → corpus, or what every rule says of one trajectory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from terminal_task_gen import pipeline
from terminal_task_gen.cli import options
from terminal_task_gen.cli.drive import Where, drive, finish
from terminal_task_gen.config import Config, load_rules
from terminal_task_gen.events import StageFinished
from terminal_task_gen.finding import Action, FilterFacts, RuleName, Ruling
from terminal_task_gen.pipeline import OpenRun

HELP = """Decide which trajectories are kept, and write RUN/corpus: shards, dropped rows, report, dataset card.

A corpus is a view: it is written anew each time from what is on disk, so try as many rules as you like. Presets: paper
(the default), strict, labels-only. Each rule may be set to drop, flag or off, and has parameters: docs/filters.md.

There is no --partition here: near-duplicates and solve rates are known of the whole run only. All cores work on
it; with --engine ray those of a cluster.

[bold]Examples[/]

  ttg filter runs/first --preset strict

  ttg filter runs/first --benchmark my-benchmark.jsonl --set filter.rules.completed=drop

  ttg filter runs/first --rules my-rules.yaml          # the mapping under filter.rules, in a file

  ttg filter runs/first --explain traj-0123456789abcdef
"""


def filter_run(
    run: options.RunArgument,
    preset: Annotated[
        str | None, typer.Option(help="paper, strict or labels-only.", rich_help_panel=options.WHAT)
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="YAML file: rule → drop|flag|off or parameters.", rich_help_panel=options.WHAT)
    ] = None,
    benchmark: Annotated[
        list[Path] | None,
        typer.Option(
            help="Benchmark to decontaminate against: JSONL, Harbor folder or .idx.", rich_help_panel=options.WHAT
        ),
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Write nothing; tell what each rule says of it.", rich_help_panel=options.WHAT),
    ] = None,
    engine: options.EngineOption = "local",
    address: options.Address = None,
    override: options.Override = None,
) -> None:
    """See HELP."""
    given = load_rules(rules) if rules is not None else None
    flags = options.make_tree(filter__preset=preset, filter__benchmarks=benchmark, filter__rules=given)
    config = options.load_run_config(run, flags, override)
    if explain is not None:
        finish(_explain(config, explain))
        return
    code = drive(config, [pipeline.filter_corpus], where=Where(engine=engine, address=address))
    finish(code, summary_of=config)


filter_run.__doc__ = HELP


def _explain(config: Config, trajectory_id: str) -> int:
    rulings: list[tuple[FilterFacts, Ruling]] = []

    async def step(run: OpenRun) -> StageFinished:
        rulings.append(await pipeline.explain_trajectory(run, trajectory_id))
        return StageFinished("filter", 0, 0, 0, 0.0)

    code = drive(config, [step])
    for facts, ruling in rulings:
        _print_ruling(facts, ruling)
    return code


def _print_ruling(facts: FilterFacts, ruling: Ruling) -> None:
    console = Console()
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("rule", "does", "says", "where", "evidence"):
        table.add_column(heading, overflow="fold")
    found = {finding.rule: finding for finding in (*ruling.findings, *ruling.flags)}
    for rule in RuleName:
        action, finding = facts.actions[rule], found.get(rule)
        if finding is None:
            table.add_row(rule, action, "not asked" if action is Action.OFF else "–", style="dim")
            continue
        source = f" [{finding.benchmark}: {finding.entry}]" if finding.benchmark else ""
        table.add_row(rule, action, finding.reason, finding.where, Text(finding.evidence + source))
    console.print(table)
    verdict = "kept" if ruling.kept else f"dropped: {ruling.findings[0].reason}"
    console.print(Text(f"{ruling.trajectory_id} (preset {facts.preset}): {verdict}"))
