"""`ttg images`: build, list and check the domain images."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from terminal_task_gen.cli import options
from terminal_task_gen.errors import UsageError
from terminal_task_gen.image_build import BuildOptions, ImageState, build_images, inspect_images
from terminal_task_gen.image_check import ImageCheck, check_image, list_promised_tools
from terminal_task_gen.images import ImageFolder, format_tag, list_images
from terminal_task_gen.resources import data_dir
from terminal_task_gen.taxonomy import load_domains

app = typer.Typer(no_args_is_help=True, help="Build, list and check the domain images.")

NAMES_HELP = "Image folders, e.g. security (default: all)."
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help=NAMES_HELP, show_default=False)]
Prefix = Annotated[str, typer.Option(help="Images are called PREFIX-NAME:TAG.", rich_help_panel=options.HOW)]
Tag = Annotated[str, typer.Option(help="Tag of the images.", rich_help_panel=options.HOW)]

BUILD_HELP = """Build the domain images; what is up to date is left alone.

[bold]Examples[/]

  ttg images build

  ttg images build security --apt-mirror http://mirror.example
"""
LIST_HELP = """List the image folders and how the engine's images stand to them.

[bold]Examples[/]

  ttg images list --images my_images/
"""
CHECK_HELP = """Probe inside each image that it holds every tool its domains promise.

[bold]Examples[/]

  ttg images check security
"""


@app.command("build", help=BUILD_HELP)
def build(
    names: Names = None,
    images: options.Images = None,
    base: Annotated[str, typer.Option(help="Base image instead of debian:trixie-slim.")] = "",
    apt_mirror: Annotated[str, typer.Option(help="Mirror of the Debian archive.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Build even what is up to date.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the engine's log.")] = False,
    prefix: Prefix = "ttg",
    tag: Tag = "latest",
) -> None:
    """See BUILD_HELP."""
    folders = _load_folders(images)
    build_options = BuildOptions(prefix=prefix, tag=tag, base=base, apt_mirror=apt_mirror, force=force)
    console = Console(stderr=True)

    def show(name: str, line: str) -> None:
        if verbose or line.startswith("Step "):
            console.print(f"{name}: {line}", highlight=False, markup=False, soft_wrap=True)

    states = asyncio.run(build_images(folders, names or [], build_options, show))
    _print_states(states)


@app.command("list", help=LIST_HELP)
def list_folders(images: options.Images = None, prefix: Prefix = "ttg", tag: Tag = "latest") -> None:
    """See LIST_HELP."""
    folders = _load_folders(images)
    try:
        _print_states(asyncio.run(inspect_images(folders, BuildOptions(prefix=prefix, tag=tag))))
    except UsageError as error:
        for folder in folders.values():
            typer.echo(f"{folder.name}  {folder.path}")
        typer.echo(f"states unknown: {error}", err=True)


@app.command("check", help=CHECK_HELP)
def check(
    names: Names = None,
    images: options.Images = None,
    taxonomy: options.Taxonomy = None,
    prefix: Prefix = "ttg",
    tag: Tag = "latest",
) -> None:
    """See CHECK_HELP."""
    domains = load_domains([data_dir("taxonomy"), *(taxonomy or [])])
    promised = sorted({domain.image for domain in domains.values()})
    wanted = names or promised
    for name in wanted:
        if name not in promised and name not in _load_folders(images):
            raise UsageError(f"unknown image {name!r}; known: {', '.join(promised)}")

    async def check_all() -> list[ImageCheck]:
        tags = {name: format_tag(name, prefix=prefix, tag=tag) for name in wanted}
        return [await check_image(tags[name], list_promised_tools(domains.values(), name)) for name in wanted]

    failed = False
    for result in asyncio.run(check_all()):
        failed |= bool(result.missing)
        verdict = f"lacks {', '.join(result.missing)}" if result.missing else "holds all of them"
        typer.echo(f"{result.tag}: {len(result.tools)} tools promised, {verdict}")
    if failed:
        raise UsageError("an image lacks promised tools; add them to its Dockerfile, or take them off the taxonomy")


def _load_folders(images: list[Path] | None) -> dict[str, ImageFolder]:
    return list_images([data_dir("images"), *(images or [])])


def _print_states(states: tuple[ImageState, ...]) -> None:
    table = Table("image", "state", "size", "time", box=None, header_style="dim", pad_edge=False)
    for state in states:
        size = f"{state.size_bytes / 1e6:,.0f} MB" if state.size_bytes else ""
        seconds = f"{state.seconds:.0f} s" if state.seconds else ""
        table.add_row(state.tag, state.status, size, seconds)
    Console().print(table)
