"""`ttg export`: a corpus as its consumers load it, tasks as Harbor runs them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from terminal_task_gen.cli import options
from terminal_task_gen.errors import UsageError
from terminal_task_gen.export.folder import EXPORT_MARK

HELP = """Write a corpus as a trainer loads it, or tasks and trajectories as Harbor keeps them.

Rows of trainers' formats come with the paper's training recipe as a ready configuration.

terminal-corpus: the released columns and ours. messages: TRL, axolotl, NeMo-RL. conversations: LLaMA-Factory.
verl: Parquet for veRL. atif: trajectories with tool calls. harbor: task directories to run, for RL or evaluation.

[bold]Examples[/]

  ttg export runs/first --format messages

  ttg export mixes/half --format verl -o /data/sft

  ttg export runs/first --format terminal-corpus --file-type parquet --push-to-hub me/terminal-corpus

  ttg export runs/first --format harbor --base dockerfile

  ttg export s3://my-bucket/runs/first --format messages -o /data/sft     # docs/storage.md
"""


class Format(StrEnum):
    """Every format there is; the first four are of rows."""

    TERMINAL_CORPUS = "terminal-corpus"
    MESSAGES = "messages"
    CONVERSATIONS = "conversations"
    VERL = "verl"
    ATIF = "atif"
    HARBOR = "harbor"


class FileTypeName(StrEnum):
    JSONL = "jsonl"
    PARQUET = "parquet"


class ThinkingName(StrEnum):
    INLINE = "inline"
    APART = "apart"
    NONE = "none"


class BaseName(StrEnum):
    IMAGE = "image"
    DOCKERFILE = "dockerfile"


ROWS, HARBOR = "Formats of rows", "Format harbor"


def export(
    source: Annotated[
        str, typer.Argument(metavar="RUN_OR_CORPUS", help="Run, corpus or mix; a folder or a URL.", show_default=False)
    ],
    form: Annotated[Format, typer.Option("--format", "-f", help="What to write.", rich_help_panel=options.WHAT)],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder or URL (default: RUN/exports/FORMAT).",
            rich_help_panel="Where",
        ),
    ] = None,
    push_to_hub: Annotated[
        str | None, typer.Option(metavar="REPO", help="Push to owner/name, with HF_TOKEN.", rich_help_panel="Where")
    ] = None,
    part: Annotated[
        str, typer.Option(help="Part of the corpus: seed_based, skill_based_easy, …", rich_help_panel=options.WHAT)
    ] = "default",
    file_type: Annotated[
        FileTypeName, typer.Option(help="verl is always Parquet.", rich_help_panel=ROWS)
    ] = FileTypeName.JSONL,
    thinking: Annotated[
        ThinkingName,
        typer.Option(help="Reasoning in <think>, apart in reasoning_content, or none.", rich_help_panel=ROWS),
    ] = ThinkingName.INLINE,
    base: Annotated[
        BaseName, typer.Option(help="Dockerfiles on our images, or from nothing.", rich_help_panel=HARBOR)
    ] = BaseName.IMAGE,
    organisation: Annotated[str, typer.Option(help="Tasks are called ORG/id.", rich_help_panel=HARBOR)] = "ttg",
    enforce_network: Annotated[
        bool,
        typer.Option("--enforce-network", help="Cut off tasks that need no network.", rich_help_panel=HARBOR),
    ] = False,
    override: options.Override = None,
) -> None:
    """See HELP."""
    rows_only = form not in (Format.HARBOR, Format.ATIF)
    place = options.fetch_source(source, override, rows_only=rows_only)
    target = options.open_target(output or _choose_target(place, form), EXPORT_MARK, override, place.folder)
    if push_to_hub is not None:
        from terminal_task_gen.export.hub import check_hub

        check_hub(push_to_hub)
    if form is Format.HARBOR:
        flags = {"base": base, "organisation": organisation, "enforce_network": enforce_network}
        _export_harbor(place.folder, target, override, flags)
    elif form is Format.ATIF:
        _export_atif(place.folder, target, part, override)
    else:
        _export_rows(place.folder, target, form=form, file_type=file_type, thinking=thinking, part=part)
    target.send()
    if push_to_hub is not None:
        from terminal_task_gen.export.hub import push_folder

        typer.echo(f"pushed: {push_folder(target.folder, push_to_hub)}")


export.__doc__ = HELP


def _choose_target(source: options.Source, form: Format) -> str:
    is_run = (source.folder / "config.yaml").is_file()
    place = source.url or str(source.folder if is_run else source.folder.resolve())
    return f"{place}/exports/{form}" if is_run else f"{place}-{form}"


def _export_rows(source: Path, target: options.Target, **choices: str) -> None:
    from terminal_task_gen.export.source import RowSource
    from terminal_task_gen.export.trainers.write import RowOptions, export_rows

    report = export_rows(RowSource(source), target.folder, RowOptions.model_validate(choices))
    splits = ", ".join(f"{split} {sum(f.rows for f in files):,}" for split, files in report.files.items())
    typer.echo(f"{report.format}: {report.rows:,} rows ({splits}) in {target.place}")
    _tell_left_out(report.left_out)


def _export_atif(source: Path, target: options.Target, part: str, override: list[str] | None) -> None:
    from terminal_task_gen.pipeline.exporting import export_atif

    config = _load_run(source, override)
    report = export_atif(config, target.folder, part=part, on_damage=_tell_damage)
    typer.echo(f"atif: {report.trajectories:,} trajectories in {target.place}")
    _tell_left_out(report.left_out)


def _export_harbor(source: Path, target: options.Target, override: list[str] | None, flags: dict[str, Any]) -> None:
    from terminal_task_gen.export.harbor.environment import Base
    from terminal_task_gen.pipeline.exporting import export_harbor_tasks

    config = _load_run(source, override)
    flags["base"] = Base(flags["base"])
    report = export_harbor_tasks(config, target.folder, on_damage=_tell_damage, **flags)
    typer.echo(f"harbor: {report.tasks:,} tasks, {report.with_solution:,} with a solution, in {target.place}")
    _tell_left_out(report.left_out)
    typer.echo(f"run:    harbor run -p {target.folder} -a oracle")


def _load_run(source: Path, override: list[str] | None) -> Any:
    if not (source / "config.yaml").is_file() and (source / "manifest.json").is_file():
        raise UsageError(f"{source} holds rows alone; tasks and trajectories are in the run: give the run's folder")
    return options.load_run_config(source, {}, override)


def _tell_left_out(left_out: dict[str, int]) -> None:
    for reason, count in left_out.items():
        typer.echo(f"left out: {count:,} ({reason})")


def _tell_damage(damage: object) -> None:
    typer.echo(f"damaged line passed over: {damage} (ttg doctor RUN --repair)", err=True)
