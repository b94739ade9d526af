"""The YAML header of a dataset card: what `datasets` and the Hub read.

It declares every column's type, so that an empty list in one shard does not set the schema, and gives each config a
version made from its content: `datasets` caches a local folder by its card alone, and would go on serving the old rows
of a folder that was made anew.
"""

from __future__ import annotations

import os
import re
import types
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any, get_args, get_origin, get_type_hints

import yaml
from typing_extensions import is_typeddict

from terminal_task_gen.export.manifest import DataConfig
from terminal_task_gen.export.shards import DataFile
from terminal_task_gen.records import Record

_SCALARS = {bool: "bool", int: "int64", float: "float64"}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LARGER = "1M<n<10M"
_SHARD = re.compile(r"(?P<prefix>.+)-\d{5}-of-\d{5}(?P<suffix>\.\w+)")

Features = list[dict[str, Any]]
"""`dataset_info.features`."""


def render_header(
    name: str, *, licence: str, rows: int, configs: Sequence[DataConfig], features: Sequence[Features]
) -> str:
    """The header with its dashes; `features` has one entry a config, the first config is the default."""
    header = {
        "license": licence,
        "language": ["en"],
        "pretty_name": name,
        "size_categories": [next((word for limit, word in _SIZES if rows < limit), _LARGER)],
        "task_categories": ["text-generation"],
        "tags": ["synthetic", "agent", "terminal", "sft", "terminal-task-gen"],
        "configs": [_describe_config(config, default=place == 0) for place, config in enumerate(configs)],
        "dataset_info": [
            {"config_name": config.name, "features": columns} for config, columns in zip(configs, features, strict=True)
        ],
    }
    # Columns that several configs share are written once: YAML refers back to them.
    return f"---\n{yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=120)}---\n"


def list_features(record: type[Record]) -> Features:
    """A record's fields as columns."""
    return [{"name": name, **_describe_type(info.annotation)} for name, info in record.model_fields.items()]


def list_patterns(files: Iterable[DataFile]) -> list[str]:
    """Globs for a split's files: one a top folder and kind of shard."""
    groups: dict[tuple[str, str], list[str]] = {}
    for file in files:
        path = PurePosixPath(file.path)
        shard = _SHARD.fullmatch(path.name)
        name = f"{shard['prefix']}-*{shard['suffix']}" if shard else path.name
        groups.setdefault((path.parts[0] if len(path.parts) > 1 else "", name), []).append(path.parent.as_posix())
    patterns = []
    for (_, name), folders in groups.items():
        common = os.path.commonpath(folders)
        below = "" if len(set(folders)) == 1 else "**/"
        patterns.append(f"{'' if common in ('', '.') else common + '/'}{below}{name}")
    return patterns


def _describe_config(config: DataConfig, *, default: bool) -> dict[str, Any]:
    files = []
    for split, members in config.splits.items():
        patterns = list_patterns(members)
        files.append({"split": split, "path": patterns[0] if len(patterns) == 1 else patterns})
    chosen = {"default": True} if default else {}
    return {"config_name": config.name, **chosen, "version": config.version, "data_files": files}


def _describe_type(annotation: Any) -> dict[str, Any]:
    """Feature of one field; text, enumerations and literals alike are strings."""
    if get_origin(annotation) is tuple:
        item, rest = get_args(annotation)
        if rest is not types.EllipsisType and rest is not Ellipsis:
            raise TypeError(f"only homogeneous tuples are columns, not {annotation}")
        if is_typeddict(item):
            fields = get_type_hints(item).items()
            return {"list": [{"name": name, **_describe_type(kind)} for name, kind in fields]}
        if isinstance(item, type) and issubclass(item, Record):
            return {"list": list_features(item)}
        return {"list": _describe_type(item)["dtype"]}
    return {"dtype": _SCALARS.get(annotation, "string")}
