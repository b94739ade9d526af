"""Options that several commands share, and how they become a configuration: file < flags < --set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from terminal_task_gen.config import Config, load_config
from terminal_task_gen.errors import UsageError
from terminal_task_gen.partition import WHOLE, Partition
from terminal_task_gen.pipeline.places import (
    check_target,
    fetch_identity,
    fetch_rows,
    fetch_run,
    find_url,
    send_folder,
)
from terminal_task_gen.places import get_staging_folder, read_folder, read_url, split_url
from terminal_task_gen.store import RunDirectory

WHERE = "Where"
TEACHER = "Teacher"
WHAT = "What"
HOW = "How"

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="YAML configuration; flags go on top.", rich_help_panel=WHERE)
]
Name = Annotated[
    str | None, typer.Option(help="Name of the run; its folder is OUTPUT_DIR/NAME.", rich_help_panel=WHERE)
]
OutputDir = Annotated[
    str | None,
    typer.Option(help="Folder of all runs (default: runs), or a URL: s3://bucket/runs.", rich_help_panel=WHERE),
]
BaseUrl = Annotated[
    str | None, typer.Option(help="OpenAI-compatible endpoint, e.g. http://host:8000/v1.", rich_help_panel=TEACHER)
]
Model = Annotated[str | None, typer.Option(help="Model to ask for.", rich_help_panel=TEACHER)]
ApiKeyEnv = Annotated[
    str | None,
    typer.Option(help="Variable that holds the key (default: OPENAI_API_KEY); '' for none.", rich_help_panel=TEACHER),
]
NoCache = Annotated[
    bool,
    typer.Option("--no-cache", help="Ask for every reply, and keep none (ttg cache).", rich_help_panel=TEACHER),
]
Sandbox = Annotated[
    str | None,
    typer.Option(help="auto, docker or bubblewrap (auto, the default: Docker if it answers).", rich_help_panel=HOW),
]
Parallel = Annotated[int | None, typer.Option(help="Items worked on at once.", rich_help_panel=HOW)]
Modes = Annotated[
    list[str] | None, typer.Option("--mode", help="skill, seed (may be repeated) or adapt.", rich_help_panel=WHAT)
]
Domains = Annotated[
    list[str] | None,
    typer.Option("--domain", help="Domains, with commas or repeated (default: all).", rich_help_panel=WHAT),
]
Count = Annotated[
    int | None,
    typer.Option("--count", "-n", help="Requests per mode (default: 10; adapt: all rows).", rich_help_panel=WHAT),
]
Difficulty = Annotated[
    str | None, typer.Option(help="easy, medium, hard or mixed (default: mixed).", rich_help_panel=WHAT)
]
Preview = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Make and show the first N tasks of each mode; no run is written.", rich_help_panel=HOW
    ),
]
Taxonomy = Annotated[
    list[Path] | None, typer.Option(help="Folder of your own domains; may be repeated.", rich_help_panel=WHAT)
]
Images = Annotated[
    list[Path] | None, typer.Option(help="Folder of your own images; may be repeated.", rich_help_panel=WHAT)
]
Seeds = Annotated[list[Path] | None, typer.Option(help="Folder of your own seeds (*.jsonl).", rich_help_panel=WHAT)]
SeedKind = Annotated[
    list[str] | None, typer.Option(help="problem or command (default: both, in turn).", rich_help_panel=WHAT)
]
Adapter = Annotated[
    str | None,
    typer.Option(help="Adapt: what the columns mean, a shipped adapter or a YAML file.", rich_help_panel=WHAT),
]
Rows = Annotated[
    Path | None, typer.Option(help="Adapt: rows, as JSON lines, Parquet or a saved data set.", rich_help_panel=WHAT)
]
Override = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Any field, e.g. rollout.max_turns=30.", rich_help_panel=HOW),
]
EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        help="local, or ray: a worker on each node of a cluster that shares the run's folder; --parallel is a node's.",
        rich_help_panel=HOW,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="Of the Ray cluster (default: RAY_ADDRESS, or this machine's).",
        rich_help_panel=HOW,
    ),
]
PartitionOption = Annotated[
    str | None,
    typer.Option(
        "--partition",
        metavar="I/N",
        help="Do only this part, from 0/N on: N processes, on any machines that share the folder or URL, do all.",
        rich_help_panel=HOW,
    ),
]
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="Run, e.g. runs/first or s3://bucket/runs/first.", show_default=False)
]
RunOption = Annotated[
    str | None,
    typer.Option(
        "--run", metavar="RUN", help="Run, a folder or a URL (default: all under runs/).", rich_help_panel=WHERE
    ),
]


def read_partition(text: str | None) -> Partition:
    """The whole where none is named."""
    return WHOLE if text is None else Partition.parse(text)


def make_tree(**fields: Any) -> dict[str, Any]:
    """Nested tree of the given `a__b__c=value` fields; None and empty lists are left out (not given)."""
    tree: dict[str, Any] = {}
    for field, value in fields.items():
        if value is None or value == []:
            continue
        *parents, last = field.split("__")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    return tree


def read_parallel(text: str | None) -> int | str | None:
    """A number as one, `auto` as it is; the configuration refuses anything else."""
    return int(text) if text is not None and text.isdigit() else text


def split_commas(values: list[str] | None) -> list[str]:
    """`--domain a,b --domain c` → [a, b, c]."""
    return [part.strip() for value in values or [] for part in value.split(",") if part.strip()]


def load_new_config(file: Path | None, flags: dict[str, Any], overrides: list[str] | None) -> Config:
    """Configuration of `generate` and `run`: a run that is there already goes on with its own, flags on top.

    A run's own config.yaml means that run, wherever it lies now, unless another name or place is given.
    """
    elsewhere = "name" in flags or "output_dir" in flags
    if file is not None and file.name == "config.yaml" and (file.parent / "run.json").is_file() and not elsewhere:
        return load_run_config(file.parent, flags, overrides)
    config = load_config(file, overrides or [], flags)
    if file is None and _has_run(config, overrides):
        return load_run_config(config.run_place, flags, overrides)
    return _make_absolute(config)


def load_run_config(run: str | Path, flags: dict[str, Any], overrides: list[str] | None) -> Config:
    """Configuration of an existing run, found where it lies now. Raises UsageError when there is none."""
    url = find_url(str(run))
    path = read_folder(str(run)) if url is None else fetch_identity(url, overrides or [], tell)
    saved = RunDirectory(path).config_path
    if not saved.is_file():
        raise UsageError(
            f"{run} is not a run directory (no config.yaml); make one with: ttg generate --name {path.name}"
        )
    if url is not None:
        above, name = split_url(url)
    else:
        name = path.resolve().name
        above = str(path.parent if path.name == name else path.resolve().parent)
    return _make_absolute(load_config(saved, overrides or [], {**flags, "output_dir": above, "name": name}))


def fetch_config(file: str, overrides: list[str] | None) -> Path:
    """The file of a configuration; at a URL, that of the run's staging folder. Raises UsageError."""
    url = read_url(file)
    if url is None:
        return read_folder(file)
    above, name = split_url(url)
    if name != "config.yaml":
        raise UsageError(f"{url}: only a run's own config.yaml is read from a URL; give a file of this machine")
    return fetch_identity(above, overrides or [], tell) / name


class Source(NamedTuple):
    """A run, corpus or mix, where it can be read."""

    folder: Path
    url: str | None


class Target(NamedTuple):
    """Where a folder is written to; one at a URL is written here and sent."""

    folder: Path
    place: str
    send: Callable[[], None]


def fetch_source(place: str, overrides: list[str] | None, *, rows_only: bool) -> Source:
    """Of a run at a URL, the corpus is brought here; without `rows_only` tasks and trajectories, too."""
    folder = fetch_rows(place, overrides or [], tell)
    if not rows_only and find_url(place) is not None:
        fetch_run(place, overrides or [], tell)
    return Source(folder, find_url(place))


def open_target(place: str, mark: str, overrides: list[str] | None, source: Path | None = None) -> Target:
    """Raises UsageError, before any work, for a URL that cannot be reached or holds something else."""
    url = read_url(place)
    if url is None:
        return Target(read_folder(place), place, lambda: None)
    check_target(url, mark, overrides or [], source)
    folder = get_staging_folder(url)
    return Target(folder, url, lambda: send_folder(folder, url, mark, overrides or [], source))


def tell(text: str) -> None:
    """A line beside a command's output."""
    typer.echo(text, err=True)


def _has_run(config: Config, overrides: list[str] | None) -> bool:
    folder = fetch_identity(config.run_url, overrides or [], tell) if config.run_url else config.run_dir
    return RunDirectory(folder).config_path.is_file()


def choose_runs(given: str | None, present: Sequence[Path]) -> list[Path]:
    """The given run, or all that are there. Raises UsageError when that is none."""
    if given is None:
        if not present:
            raise UsageError("there are no runs under ./runs; name one with --run RUN")
        return list(present)
    folder = fetch_run(given, [], tell)
    if not RunDirectory(folder).config_path.is_file():
        raise UsageError(f"{given} is not a run directory (no config.yaml)")
    return [folder]


def _make_absolute(config: Config) -> Config:
    """Folders and files it names are found again when the run is resumed from another directory."""
    return config.model_copy(
        update={
            "taxonomy_dirs": tuple(path.absolute() for path in config.taxonomy_dirs),
            "image_dirs": tuple(path.absolute() for path in config.image_dirs),
            "seed_dirs": tuple(path.absolute() for path in config.seed_dirs),
            "filter": config.filter.make_absolute(),
            "teacher": config.teacher.make_absolute(),
        }
    )
