"""`ttg domains`: make a domain of your own, which is two files and no Python."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from terminal_task_gen.cli import options
from terminal_task_gen.errors import UsageError
from terminal_task_gen.resources import data_dir
from terminal_task_gen.taxonomy import load_domains

app = typer.Typer(no_args_is_help=True, help="List the domains, scaffold a new one.")

SCAFFOLD = Path(__file__).parent / "scaffold"

NEW_HELP = """Scaffold a domain: NAME.yaml in a taxonomy folder and NAME/Dockerfile in an image folder.

Both work as they stand and explain themselves; put your own skills, axes and tools in place of the examples.

[bold]Examples[/]

  ttg domains new networking

  ttg domains new networking --taxonomy my_taxonomy/ --images my_images/
"""
LIST_HELP = """List the domains with the number of their skills and the image they run in.

[bold]Examples[/]

  ttg domains list --taxonomy my_taxonomy/
"""


@app.command("new", help=NEW_HELP)
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits and _.", show_default=False)],
    taxonomy: Annotated[
        Path, typer.Option(help="Folder for NAME.yaml.", rich_help_panel=options.WHERE, show_default=True)
    ] = Path("taxonomy"),
    images: Annotated[
        Path, typer.Option(help="Folder for NAME/Dockerfile.", rich_help_panel=options.WHERE, show_default=True)
    ] = Path("images"),
) -> None:
    """See NEW_HELP."""
    _check_name(name)
    domain_file, dockerfile = taxonomy / f"{name}.yaml", images / name / "Dockerfile"
    for path in (domain_file, dockerfile):
        if path.exists():
            raise UsageError(f"{path} is there already; nothing was written")
    _write(domain_file, _fill("domain.yaml", name))
    _write(dockerfile, _fill("Dockerfile", name))
    where = "" if _is_shipped(taxonomy) else f" --taxonomy {taxonomy}"
    builds = "" if _is_shipped(images) else f" --images {images}"
    typer.echo(f"wrote {domain_file} and {dockerfile}; next:")
    typer.echo(f"  ttg taxonomy check{where}")
    typer.echo(f"  ttg taxonomy sample {name}{where}")
    typer.echo(f"  ttg images build {name}{builds}")
    typer.echo(f"  ttg generate --mode skill --domain {name}{where}{builds} -n 10 --base-url URL --model MODEL")


@app.command("list", help=LIST_HELP)
def list_domains(taxonomy: options.Taxonomy = None) -> None:
    """See LIST_HELP."""
    for domain in load_domains([data_dir("taxonomy"), *(taxonomy or [])]).values():
        typer.echo(f"{domain.name:<24}{len(domain.list_skills()):>4} skills   image {domain.image:<24}{domain.title}")


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UsageError(f"domain name {name!r}: use lower-case letters, digits and _, a letter first")
    if (data_dir("taxonomy") / f"{name}.yaml").is_file() or (data_dir("images") / name).is_dir():
        raise UsageError(f"{name} is shipped; take another name, or copy its files to a folder of yours and edit them")


def _fill(template: str, name: str) -> str:
    spoken = name.replace("_", " ")
    text = (SCAFFOLD / template).read_text(encoding="utf-8")
    return Template(text).substitute(name=name, spoken=spoken, title=spoken.title())


def _is_shipped(folder: Path) -> bool:
    return folder.resolve() in (data_dir("taxonomy").resolve(), data_dir("images").resolve())


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; choose another folder") from error
