"""`ttg contamination`: benchmarks as index files of hashes, to be built, looked at and given to others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from terminal_task_gen import pipeline
from terminal_task_gen.cli import options
from terminal_task_gen.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="Build and look at benchmark indexes: hashes of n-grams, no text.")

INDEX_HELP = """Write the index of a benchmark: what `ttg filter --benchmark` needs of it, without its text.

From JSONL files (field `instruction` or `prompt`) or folders of Harbor tasks; several make one benchmark.

[bold]Examples[/]

  ttg contamination index my-benchmark/tasks --name my-benchmark-1.0 --output my-benchmark-1.0.idx

  ttg contamination index part-1.jsonl part-2.jsonl --ngram 10 --mask-numbers --output both.idx
"""
SHOW_HELP = """Tell what index files hold; without any, those shipped with the package.

[bold]Examples[/]

  ttg contamination show

  ttg contamination show my-benchmark-1.0.idx --entries
"""


@app.command("index", help=INDEX_HELP)
def index(
    benchmark: Annotated[list[Path], typer.Argument(help="JSONL files or folders of Harbor tasks.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, *.idx.")],
    name: Annotated[str | None, typer.Option(help="Name of the benchmark (default: the file's).")] = None,
    ngram: Annotated[int, typer.Option(min=2, help="Words in a row that make an overlap.")] = 14,
    mask_numbers: Annotated[bool, typer.Option("--mask-numbers", help="Take all numbers for equal.")] = False,
) -> None:
    """See INDEX_HELP."""
    if output.suffix != pipeline.INDEX_SUFFIX:
        raise UsageError(f"--output {output}: call it *{pipeline.INDEX_SUFFIX}; ttg filter knows an index by that")
    facts = pipeline.write_benchmark_index(
        benchmark, output, name=name or output.stem, ngram=ngram, mask_numbers=mask_numbers
    )
    typer.echo(f"{output}: {facts.prompts} prompts, {facts.hashes} hashes of {facts.ngram} words")
    typer.echo(f"use:  ttg filter RUN --benchmark {output}")


@app.command("show", help=SHOW_HELP)
def show(
    index: Annotated[list[Path] | None, typer.Argument(help="Index files.")] = None,
    entries: Annotated[
        bool, typer.Option("--entries", help="List the entries, too.", rich_help_panel=options.WHAT)
    ] = False,
) -> None:
    """See SHOW_HELP."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("benchmark", "prompts", "words", "numbers", "hashes", "shorter prompts"):
        table.add_column(heading)
    names: list[str] = []
    for facts in pipeline.read_benchmark_indexes(index or []):
        numbers = "masked" if facts.mask_numbers else "as they are"
        counts = (str(facts.hashes), str(facts.wholes))
        table.add_row(facts.benchmark, str(facts.prompts), str(facts.ngram), numbers, *counts)
        names += [f"{facts.benchmark}: {entry}" for entry in facts.entries]
    Console().print(table)
    if entries:
        typer.echo("\n".join(names))
