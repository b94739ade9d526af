"""`ttg seeds`: bring seeds in, check them, list them."""

from __future__ import annotations

import ast
import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer

from terminal_task_gen.cli import options
from terminal_task_gen.config import load_config
from terminal_task_gen.errors import UsageError
from terminal_task_gen.resources import data_dir
from terminal_task_gen.seed_lint import MAX_LIKENESS, find_syntax_error, list_alike_seeds
from terminal_task_gen.seeds import Seed, load_seeds
from terminal_task_gen.taxonomy import Domain, load_domains

app = typer.Typer(no_args_is_help=True, help="Bring in, check and list seeds: problems and commands.")

SHOWN_SKIPPED = 10
IMPORT_HELP = """Make seeds of a data set's rows: JSON lines, Parquet, or a folder that `datasets` saved.

[bold]Examples[/]

  ttg seeds import physics.jsonl --map problem=question,solution=answer --domain scientific_computing

  ttg seeds import train.parquet --map problem=messages.0.content,id=uid --domain security -o my_seeds/chat.jsonl

Fields of a seed: id, problem, label, domain, solution, command. A dot goes into a nested value. Rows that make no seed
are told with their place and passed over. Then: ttg seeds check my_seeds/
"""
CHECK_HELP = f"""Check folders of seeds: form, ids, domains, syntax of commands, and seeds that are alike.

Two seeds with more than {MAX_LIKENESS:.0%} of their word stems in common count as one. With --run, every solution in
Python is run in a sandbox of its domain, and what its last line states (`# prints: 42`) must be what it prints. Exit
code 2 if anything was found.

[bold]Examples[/]

  ttg seeds check my_seeds/

  ttg seeds check my_seeds/ --run --sandbox docker
"""
LIST_HELP = """Count seeds by domain, kind and label, or print them.

[bold]Examples[/]

  ttg seeds list

  ttg seeds list my_seeds/ --domain debugging --kind command --show
"""


@app.command("import", help=IMPORT_HELP)
def import_file(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="File or folder of rows.", show_default=False)],
    mapping: Annotated[str, typer.Option("--map", help="field=column, with commas.", rich_help_panel=options.WHAT)],
    domain: Annotated[str | None, typer.Option(help="Domain of all of them.", rich_help_panel=options.WHAT)] = None,
    label: Annotated[str | None, typer.Option(help="Label of all of them.", rich_help_panel=options.WHAT)] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="File to write (default: my_seeds/FILE.jsonl).", rich_help_panel=options.WHERE
        ),
    ] = None,
    taxonomy: options.Taxonomy = None,
) -> None:
    """See IMPORT_HELP."""
    from terminal_task_gen.seed_import import Skipped, import_seeds, parse_mapping

    domains = load_domains([data_dir("taxonomy"), *(taxonomy or [])])
    constants = {key: value for key, value in (("domain", domain), ("label", label)) if value}
    if domain is not None:
        _find_domain(domain, domains, "--domain")
    target = output or Path("my_seeds") / f"{source.name.partition('.')[0]}.jsonl"
    if target.exists():
        raise UsageError(f"{target} is there already; name another --output")
    seeds: list[Seed] = []
    skipped: list[Skipped] = []
    for made in import_seeds(source, parse_mapping(mapping), constants):
        if isinstance(made, Skipped):
            skipped.append(made)
        elif made.domain not in domains:
            skipped.append(Skipped(made.id, f"unknown domain {made.domain!r}"))
        else:
            seeds.append(made)
    for one in skipped[:SHOWN_SKIPPED]:
        typer.echo(f"passed over {one.place}: {one.why}", err=True)
    if not seeds:
        raise UsageError(f"{source}: none of {len(skipped)} rows makes a seed; nothing was written")
    _write_seeds(target, seeds)
    typer.echo(
        f"{len(seeds)} seeds in {target}, {len(skipped)} rows passed over   next: ttg seeds check {target.parent}"
    )


@app.command("check", help=CHECK_HELP)
def check(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of seeds.", show_default=False)],
    run: Annotated[bool, typer.Option("--run", help="Run the solutions, too.", rich_help_panel=options.HOW)] = False,
    timeout_sec: Annotated[
        float, typer.Option("--timeout", min=1, help="Seconds for a solution.", rich_help_panel=options.HOW)
    ] = 60.0,
    sandbox: options.Sandbox = None,
    taxonomy: options.Taxonomy = None,
    override: options.Override = None,
) -> None:
    """See CHECK_HELP."""
    domains = load_domains([data_dir("taxonomy"), *(taxonomy or [])])
    seeds = list(load_seeds(folders).values())
    if not seeds:
        raise UsageError(f"{', '.join(map(str, folders))}: no seeds (*.jsonl)")
    faults = [fault for seed in seeds for fault in _list_faults(seed, domains)]
    faults += [
        f"{pair.second.id}: {pair.likeness:.0%} like {pair.first.id}: {_shorten(pair.second.problem)}"
        for pair in list_alike_seeds(seeds)
    ]
    if run:
        from terminal_task_gen.pipeline.seed_runs import run_solutions

        config = load_config(None, override or [], options.make_tree(sandbox__driver=sandbox))
        runnable = [seed for seed in seeds if seed.domain in domains and _is_python(seed.solution)]
        failed = asyncio.run(run_solutions(config, runnable, domains, timeout_sec=timeout_sec))
        faults += [f"{one.seed.id}: {one.why}" for one in failed]
        typer.echo(f"ran {len(runnable)} solutions, {len(failed)} failed")
    for fault in faults:
        typer.echo(fault)
    kinds = Counter(seed.kind for seed in seeds)
    typer.echo(f"{len(seeds)} seeds ({', '.join(f'{n} {kind}s' for kind, n in sorted(kinds.items()))})")
    if faults:
        raise UsageError(f"{len(faults)} faults in the seeds above; mend or drop them")


@app.command("list", help=LIST_HELP)
def list_seeds(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="[DIR]...", help="Folders (default: shipped).")
    ] = None,
    domain: Annotated[list[str] | None, typer.Option(help="Of these domains.", rich_help_panel=options.WHAT)] = None,
    kind: Annotated[str | None, typer.Option(help="problem or command.", rich_help_panel=options.WHAT)] = None,
    show: Annotated[bool, typer.Option("--show", help="Print them.", rich_help_panel=options.HOW)] = False,
) -> None:
    """See LIST_HELP."""
    wanted = options.split_commas(domain)
    seeds = [
        seed
        for seed in load_seeds(folders or [data_dir("seeds")]).values()
        if (not wanted or seed.domain in wanted) and kind in (None, seed.kind)
    ]
    if show:
        for seed in seeds:
            typer.echo(f"{seed.id}: {seed.command or _shorten(seed.problem)}")
        return
    counts = Counter((seed.domain, seed.kind, seed.label or "") for seed in seeds)
    for (name, of_kind, label), number in sorted(counts.items()):
        typer.echo(f"{name:<24}{of_kind:<9}{number:>5}  {label}".rstrip())
    typer.echo(f"{len(seeds)} seeds")


def _find_domain(name: str, domains: dict[str, Domain], where: str) -> Domain:
    if name not in domains:
        raise UsageError(f"{where}: unknown domain {name!r}; known: {', '.join(domains)}")
    return domains[name]


def _list_faults(seed: Seed, domains: dict[str, Domain]) -> Sequence[str]:
    faults = []
    if seed.domain not in domains:
        faults.append(f"{seed.id}: unknown domain {seed.domain!r}; known: {', '.join(domains)}")
    if seed.command is not None and (error := find_syntax_error(seed.command)):
        faults.append(f"{seed.id}: the command is no bash: {error}")
    return faults


def _is_python(solution: str | None) -> bool:
    """Prose is a fine solution, too, but cannot be run; a word alone parses, and is none either."""
    try:
        body = ast.parse(solution or "").body
    except (SyntaxError, ValueError):
        return False
    return any(not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call) for node in body)


def _shorten(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 100 else f"{flat[:99]}…"


def _write_seeds(target: Path, seeds: Sequence[Seed]) -> None:
    lines = (orjson.dumps(seed.model_dump(mode="json", exclude_none=True)) + b"\n" for seed in seeds)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"".join(lines))
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}; name another --output") from error
