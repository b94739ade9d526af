"""Options that several commands share, and how they become a configuration: file < flags < --set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from terminal_task_gen.config import Config, load_config
from terminal_task_gen.errors import UsageError
from terminal_task_gen.partition import WHOLE, Partition
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
OutputDir = Annotated[Path | None, typer.Option(help="Folder of all runs (default: runs).", rich_help_panel=WHERE)]
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
        help="Do only this part, from 0/N on: N processes, on any machines that share the folder, do all.",
        rich_help_panel=HOW,
    ),
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run directory, e.g. runs/first.", show_default=False)]
RunOption = Annotated[
    Path | None,
    typer.Option("--run", metavar="RUN", help="Run directory (default: all under runs/).", rich_help_panel=WHERE),
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
    if file is None and RunDirectory(config.run_dir).config_path.is_file():
        return load_run_config(config.run_dir, flags, overrides)
    return _make_absolute(config)


def load_run_config(run: Path, flags: dict[str, Any], overrides: list[str] | None) -> Config:
    """Configuration of an existing run, found where it lies now. Raises UsageError when there is none."""
    saved = RunDirectory(run).config_path
    if not saved.is_file():
        raise UsageError(
            f"{run} is not a run directory (no config.yaml); make one with: ttg generate --name {run.name}"
        )
    path = run.resolve()
    flags = {**flags, "output_dir": str(run.parent if run.name == path.name else path.parent), "name": path.name}
    return _make_absolute(load_config(saved, overrides or [], flags))


def choose_runs(given: Path | None, present: Sequence[Path]) -> list[Path]:
    """The given run, or all that are there. Raises UsageError when that is none."""
    if given is not None and not RunDirectory(given).config_path.is_file():
        raise UsageError(f"{given} is not a run directory (no config.yaml)")
    if given is None and not present:
        raise UsageError("there are no runs under ./runs; name one with --run RUN")
    return [given] if given is not None else list(present)


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
