"""`ttg images`: build, list, check and move the domain images, and list what is in them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from terminal_task_gen import pipeline
from terminal_task_gen.cli import options
from terminal_task_gen.config import Config, SandboxConfig
from terminal_task_gen.errors import UsageError
from terminal_task_gen.image_build import BuildOptions, ImageState, build_images, inspect_images
from terminal_task_gen.image_check import ImageCheck, check_image, list_promised_tools
from terminal_task_gen.image_registry import Place, pull_images, push_images
from terminal_task_gen.images import ImageFolder, format_tag, get_image, list_images
from terminal_task_gen.manifest import ImageManifest, read_manifest
from terminal_task_gen.resources import data_dir
from terminal_task_gen.taxonomy import load_domains

app = typer.Typer(no_args_is_help=True, help="Build, list, check, push and pull the domain images.")

NAMES_HELP = "Image folders, e.g. security (default: all)."
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help=NAMES_HELP, show_default=False)]
Prefix = Annotated[str, typer.Option(help="Images are called PREFIX-NAME:TAG.", rich_help_panel=options.HOW)]
Tag = Annotated[str, typer.Option(help="Tag of the images.", rich_help_panel=options.HOW)]
Registry = Annotated[
    str, typer.Option(metavar="HOST[:PORT]/PREFIX", help="Where the images are kept.", show_default=False)
]

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
MANIFEST_HELP = """Print every package in an image with its version, a line each: what a run records of it.

[bold]Examples[/]

  ttg images manifest security

  diff <(ttg images manifest security) <(ttg images manifest security --tag old)
"""
PUSH_HELP = """Push the images to a registry as REGISTRY-NAME:TAG, with the engine's own login (docker login).

[bold]Examples[/]

  ttg images push --registry registry.example:5000/ttg

  ttg images push security base --registry registry.example/team/ttg --tag 2026-01
"""
PULL_HELP = """Pull the images from a registry and call them PREFIX-NAME:TAG, as sandboxes look for them.

[bold]Examples[/]

  ttg images pull --registry registry.example:5000/ttg
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


@app.command("manifest", help=MANIFEST_HELP)
def manifest(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An image, e.g. security.", show_default=False)],
    images: options.Images = None,
    prefix: Prefix = "ttg",
    tag: Tag = "latest",
) -> None:
    """See MANIFEST_HELP."""
    get_image(_load_folders(images), name)
    config = Config(sandbox=SandboxConfig(image_prefix=prefix, image_tag=tag))

    async def read() -> ImageManifest | None:
        factory = pipeline.make_factory(config, "docker")
        try:
            return await read_manifest(factory, name, run_id="manifest")
        finally:
            await factory.close()

    contents = asyncio.run(read())
    assert contents is not None
    typer.echo(f"# {format_tag(name, prefix=prefix, tag=tag)} {contents.image_digest} {contents.id}")
    for line in contents.format_lines():
        typer.echo(line)


@app.command("push", help=PUSH_HELP)
def push(
    registry: Registry,
    names: Names = None,
    images: options.Images = None,
    prefix: Prefix = "ttg",
    tag: Tag = "latest",
) -> None:
    """See PUSH_HELP."""
    place = Place(registry, prefix, tag)
    asyncio.run(push_images(_list_names(names, images), place, typer.echo))


@app.command("pull", help=PULL_HELP)
def pull(
    registry: Registry,
    names: Names = None,
    images: options.Images = None,
    prefix: Prefix = "ttg",
    tag: Tag = "latest",
) -> None:
    """See PULL_HELP."""
    place = Place(registry, prefix, tag)
    wanted = _list_names(names, images)
    asyncio.run(pull_images(wanted, place, typer.echo))
    states = asyncio.run(inspect_images(_load_folders(images), BuildOptions(prefix=prefix, tag=tag)))
    _print_states(tuple(state for state in states if state.name in wanted))


def _list_names(names: list[str] | None, images: list[Path] | None) -> list[str]:
    """The named images, all when none is named. Raises UsageError for one without a folder."""
    folders = _load_folders(images)
    return [get_image(folders, name).name for name in names or folders]


def _load_folders(images: list[Path] | None) -> dict[str, ImageFolder]:
    return list_images([data_dir("images"), *(images or [])])


def _print_states(states: tuple[ImageState, ...]) -> None:
    table = Table("image", "state", "size", "time", box=None, header_style="dim", pad_edge=False)
    for state in states:
        size = f"{state.size_bytes / 1e6:,.0f} MB" if state.size_bytes else ""
        seconds = f"{state.seconds:.0f} s" if state.seconds else ""
        table.add_row(state.tag, state.status, size, seconds)
    Console().print(table)
