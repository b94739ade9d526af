"""`ttg taxonomy`: look at the skills and axes that authors get, before any of it costs a teacher's call."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from terminal_task_gen.cli import options
from terminal_task_gen.config import Config, load_config
from terminal_task_gen.errors import UsageError
from terminal_task_gen.generate.coverage import PairCoverage, measure_coverage
from terminal_task_gen.generate.prompts import build_author_messages
from terminal_task_gen.generate.requests import enumerate_requests, list_distinct_skills
from terminal_task_gen.generate.sampling import deal_combinations, deal_independently, make_draw
from terminal_task_gen.images import get_dockerfile_text, list_images
from terminal_task_gen.resources import data_dir
from terminal_task_gen.task import Request
from terminal_task_gen.taxonomy import Domain, load_domains, select_domains
from terminal_task_gen.taxonomy_lint import MAX_LIKENESS, Alike, list_alike, list_remarks

app = typer.Typer(no_args_is_help=True, help="Check the domains' skills, sample them, measure their coverage.")

SHOWN_LIKENESS = 0.2
"""Pairs less alike than this are not worth a person's look."""
SHOWN_PAIRS = 5

CHECK_HELP = f"""Lint the taxonomy: counts, how alike its primitives are, and what each domain still lacks.

Two primitives with more than {MAX_LIKENESS:.0%} of their word stems in common, in one domain or two, are an error (exit
code 2); everything else is a remark.

[bold]Examples[/]

  ttg taxonomy check

  ttg taxonomy check --taxonomy my_taxonomy/
"""
SAMPLE_HELP = """Print what the first authors of a domain get: skills and axes as in any run with this seed.

Only the difficulty may fall otherwise in a run over several domains.

[bold]Examples[/]

  ttg taxonomy sample security -n 3

  ttg taxonomy sample security -n 1 --difficulty hard --prompt     # the whole prompt, word for word
"""
COVERAGE_HELP = """Measure how evenly n draws spread over the pairs of a domain's skills, against independent draws.

[bold]Examples[/]

  ttg taxonomy coverage

  ttg taxonomy coverage security -n 10000
"""

Seed = Annotated[int, typer.Option("--seed", help="The run's seed.", rich_help_panel=options.HOW)]


@app.command("check", help=CHECK_HELP)
def check(taxonomy: options.Taxonomy = None) -> None:
    """See CHECK_HELP."""
    domains = list(load_domains([data_dir("taxonomy"), *(taxonomy or [])]).values())
    alike = list_alike(domains, above=SHOWN_LIKENESS)
    console = Console()
    console.print(_tabulate_counts(domains, alike))
    console.print("axes: scenarios+artifacts+constraints+checks; within, across: greatest likeness", style="dim")
    if alike:
        console.print("\n[bold]most alike[/]")
    for pair in [pair for n, pair in enumerate(alike) if n < SHOWN_PAIRS or pair.likeness > MAX_LIKENESS]:
        console.print(Text(f"{pair.likeness:.2f}  {pair.first_domain}: {pair.first}"), soft_wrap=True)
        console.print(Text(f"      {pair.second_domain}: {pair.second}"), soft_wrap=True)
    remarks = [f"{domain.name}: {remark}" for domain in domains for remark in list_remarks(domain)]
    if remarks:
        console.print("\n[bold]remarks[/]")
    for remark in remarks:
        console.print(Text(remark), soft_wrap=True)
    excess = sum(pair.likeness > MAX_LIKENESS for pair in alike)
    if excess:
        raise UsageError(
            f"{excess} pairs of primitives are more alike than {MAX_LIKENESS}; reword or drop one of each pair above"
        )


@app.command("sample", help=SAMPLE_HELP)
def sample(
    domain: Annotated[str, typer.Argument(metavar="DOMAIN", help="Domain, e.g. security.", show_default=False)],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Requests.", rich_help_panel=options.WHAT)] = 5,
    seed: Seed = 0,
    difficulty: Annotated[
        str | None, typer.Option(help="easy, medium, hard or mixed (default: mixed).", rich_help_panel=options.WHAT)
    ] = None,
    prompt: Annotated[
        bool, typer.Option("--prompt", help="Print the whole prompt.", rich_help_panel=options.HOW)
    ] = False,
    taxonomy: options.Taxonomy = None,
    images: options.Images = None,
    override: options.Override = None,
) -> None:
    """See SAMPLE_HELP."""
    flags = options.make_tree(
        seed=seed,
        taxonomy_dirs=taxonomy,
        image_dirs=images,
        generate__domains=[domain],
        generate__count=count,
        generate__difficulty=difficulty,
    )
    config = load_config(None, override or [], flags)
    chosen = _load_chosen(config, [domain])
    requests = enumerate_requests(config.generate, run_seed=config.seed, mode="skill", domains=chosen, seeds={})
    for request in requests:
        shown = _write_prompt(request, chosen[domain], config) if prompt else _describe(request, chosen[domain])
        typer.echo(shown)


@app.command("coverage", help=COVERAGE_HELP)
def coverage(
    domain: Annotated[list[str] | None, typer.Argument(metavar="[DOMAIN]...", help="Domains (default: all).")] = None,
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, help="Draws per domain.", rich_help_panel=options.WHAT)
    ] = 1000,
    seed: Seed = 0,
    taxonomy: options.Taxonomy = None,
) -> None:
    """See COVERAGE_HELP."""
    config = load_config(None, [], options.make_tree(seed=seed, taxonomy_dirs=taxonomy))
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("domain", "draws"):
        table.add_column(heading)
    for heading in ("pairs", "covered", "least", "mean", "most"):
        table.add_column(heading, justify="right")
    least, most = sorted(config.generate.skills_per_task)
    for name, chosen in _load_chosen(config, domain or []).items():
        skills = list_distinct_skills(chosen)
        for label, deal in (("balanced", deal_combinations), ("independent", deal_independently)):
            draws = deal(skills, least=least, most=most, draw=make_draw(seed, f"combinations {name}"))
            shown = name if label == "balanced" else ""
            table.add_row(shown, label, *_format_coverage(measure_coverage(islice(draws, count), skills)))
    typer.echo(f"{count:,} draws of {least} to {most} skills per domain; how often a pair came up:\n")
    Console().print(table)


def _load_chosen(config: Config, names: Sequence[str]) -> dict[str, Domain]:
    return select_domains(load_domains([data_dir("taxonomy"), *config.taxonomy_dirs]), names)


def _format_coverage(found: PairCoverage) -> tuple[str, ...]:
    figures = (f"{found.least:,}", f"{found.mean:,.2f}", f"{found.most:,}")
    return (f"{found.pairs:,}", f"{found.share:.1%}", *figures)


def _tabulate_counts(domains: Sequence[Domain], alike: Sequence[Alike]) -> Table:
    """The last two columns: likeness of the most alike pair of primitives, in the domain and with another's."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("domain")
    for heading in ("types", "skills", "axes", "pitfalls", "within", "across"):
        table.add_column(heading, justify="right", no_wrap=True)
    for domain in domains:
        own = [pair for pair in alike if domain.name in (pair.first_domain, pair.second_domain)]
        axes = (domain.scenarios, domain.artifacts, domain.constraints, domain.checks)
        table.add_row(
            domain.name,
            str(len(domain.skills)),
            str(len(domain.list_skills())),
            "+".join(str(len(axis)) for axis in axes),
            str(len(domain.verification)),
            _find_worst(own, is_within=True),
            _find_worst(own, is_within=False),
        )
    return table


def _find_worst(pairs: Sequence[Alike], *, is_within: bool) -> str:
    worst = max((pair.likeness for pair in pairs if pair.is_within == is_within), default=0.0)
    return f"{worst:.2f}" if worst else f"<{SHOWN_LIKENESS:.2f}"


def _describe(request: Request, domain: Domain) -> str:
    types = {skill.text: skill.type for skill in domain.list_skills()}
    lines = [f"{request.domain}, commission {request.ordinal}, {request.difficulty}"]
    lines += [f"  {'skill':<12}{text}   [{types[text]}]" for text in request.skills]
    lines += [f"  {axis:<12}{phrase}" for axis, phrase in request.axes.model_dump().items() if phrase]
    return "\n".join(lines) + "\n"


def _write_prompt(request: Request, domain: Domain, config: Config) -> str:
    folders = list_images([data_dir("images"), *config.image_dirs])
    messages = build_author_messages(
        request,
        domain=domain,
        seed=None,
        image_text=get_dockerfile_text(folders, domain.image),
        config=config.generate,
    )
    return "\n".join(f"----- {message.role} -----\n{message.content}" for message in messages)
