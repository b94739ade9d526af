"""`ttg mix`: corpora → a training set."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from terminal_task_gen.cli import options
from terminal_task_gen.config import MixRecipe, load_tree
from terminal_task_gen.errors import UsageError
from terminal_task_gen.export.mix.report import MixReport
from terminal_task_gen.places import read_url

HELP = """Build a training set from runs, corpora, mixes, released rows: weights, balance, caps, order, held-out tasks.

Give sources as arguments, PATH or PATH=WEIGHT, or in a YAML recipe; flags go on top of the recipe. Equal recipes and
sources give equal files. No row is taken twice and none is cut; what was left and why is in mix.json and on the card.

[bold]Examples[/]

  ttg mix runs/first --validation 0.05 --max-tokens 32768 --tokenizer Qwen3-8B/tokenizer.json

  ttg mix runs/math=1 runs/skills=3 --rows 10000 --balance skill --curriculum staged --name half

  ttg mix --recipe configs/mix.yaml --subsets 1,2,5,10,100

  ttg mix runs/first=1 Nemotron-Terminal-Corpus/skill_based=1     # JSONL or Parquet in the released columns

  ttg mix s3://my-bucket/runs/first -o s3://my-bucket/mixes/first     # docs/storage.md
"""


class Balance(StrEnum):
    NONE = "none"
    DOMAIN = "domain"
    SKILL = "skill"


class Curriculum(StrEnum):
    MIXED = "mixed"
    STAGED = "staged"
    EASY_FIRST = "easy-first"


class OverLength(StrEnum):
    DROP = "drop"
    KEEP = "keep"


ORDER, LENGTH = "Order and split", "Length"

Sources = Annotated[list[str] | None, typer.Argument(metavar="[SOURCE[=WEIGHT]]...", help="Runs, corpora or mixes.")]
Recipe = Annotated[
    Path | None, typer.Option("--recipe", "-c", help="YAML recipe; flags go on top.", rich_help_panel=options.WHAT)
]
Rows = Annotated[int | None, typer.Option(help="Rows in all.", rich_help_panel=options.WHAT)]
BalanceOver = Annotated[
    Balance | None, typer.Option(help="Draw evenly over domains or skills.", rich_help_panel=options.WHAT)
]
MaxPerTask = Annotated[int | None, typer.Option(help="Rows of one task at most.", rich_help_panel=options.WHAT)]
MaxTokens = Annotated[int | None, typer.Option(help="Length of a conversation at most.", rich_help_panel=LENGTH)]
LongerOnes = Annotated[
    OverLength | None, typer.Option(help="Longer ones: drop, or keep whole.", rich_help_panel=LENGTH)
]
Tokenizer = Annotated[
    Path | None, typer.Option(help="tokenizer.json to count with (else an estimate).", rich_help_panel=LENGTH)
]
OrderBy = Annotated[
    Curriculum | None, typer.Option(help="mixed, adapters first, or easy first.", rich_help_panel=ORDER)
]
Validation = Annotated[
    float | None, typer.Option(help="Share of task families to hold out, e.g. 0.05.", rich_help_panel=ORDER)
]
Subsets = Annotated[
    str | None, typer.Option(help="Nested random subsets in per cent, e.g. 1,2,5,10,100.", rich_help_panel=ORDER)
]
Seed = Annotated[int | None, typer.Option(help="Of all draws.", rich_help_panel=ORDER)]
Name = Annotated[str | None, typer.Option(help="Name of the mix.", rich_help_panel=options.WHERE)]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", help="Folder or URL (default: mixes/NAME).", rich_help_panel=options.WHERE),
]


def mix(
    sources: Sources = None,
    recipe: Recipe = None,
    rows: Rows = None,
    balance: BalanceOver = None,
    max_per_task: MaxPerTask = None,
    max_tokens: MaxTokens = None,
    over_length: LongerOnes = None,
    tokenizer: Tokenizer = None,
    curriculum: OrderBy = None,
    validation: Validation = None,
    subsets: Subsets = None,
    seed: Seed = None,
    name: Name = None,
    output: Output = None,
    override: options.Override = None,
) -> None:
    """See HELP."""
    from terminal_task_gen.export.mix.write import MIX_MARK, write_mix

    flags = options.make_tree(
        sources=[_parse_source(text) for text in sources or []],
        rows=rows,
        balance=balance,
        max_per_task=max_per_task,
        max_tokens=max_tokens,
        over_length=over_length,
        tokenizer=tokenizer,
        curriculum=curriculum,
        validation=validation,
        subsets=options.split_commas([subsets] if subsets else None),
        seed=seed,
        name=name,
    )
    own = [one for one in override or [] if not one.startswith("storage.")]
    storage = [one for one in override or [] if one.startswith("storage.")]
    resolved = load_tree(MixRecipe, recipe, own, flags)
    places = [options.fetch_source(str(source.path), storage, rows_only=True).folder for source in resolved.sources]
    target = options.open_target(output or f"mixes/{resolved.name}", MIX_MARK, storage)
    report = write_mix(target.folder, resolved, places=places)
    target.send()
    _tell(report, target)


mix.__doc__ = HELP


def _tell(report: MixReport, target: options.Target) -> None:
    for split, numbers in report.splits.items():
        typer.echo(f"{split}: {numbers.rows:,} rows, {numbers.tasks:,} tasks, {numbers.tokens:,} tokens")
    typer.echo(f"tokens by {report.tokens_by}")
    for source in report.sources:
        left = ", ".join(f"{reason} {count:,}" for reason, count in source.left_out.items())
        taken = f"{source.path}: {source.train + source.validation:,} of {source.rows:,} rows taken"
        short = f"; {source.shortfall:,} rows short of its share" if source.shortfall else ""
        typer.echo(taken + (f"; left out: {left}" if left else "") + short)
    typer.echo(f"mix:  {target.place}   card: README.md   what was taken and left: mix.json")
    typer.echo(f'load: datasets.load_dataset("{target.folder}")   or: ttg export {target.place} --format messages')


def _parse_source(text: str) -> dict[str, Any]:
    """`runs/first` or `runs/first=2`; a folder whose own name holds `=` is taken as it is."""
    path, equals, weight = text.rpartition("=")
    if not equals or (read_url(text) is None and Path(text).exists()):
        return {"path": text}
    try:
        return {"path": path, "weight": float(weight)}
    except ValueError as error:
        raise UsageError(f"source {text!r}: write it as PATH or PATH=WEIGHT, e.g. runs/first=2") from error
