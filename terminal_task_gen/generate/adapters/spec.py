"""What the columns of a data set mean: one YAML file a data set, shipped in configs/adapters/ or the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from terminal_task_gen.errors import UsageError
from terminal_task_gen.records import Record
from terminal_task_gen.row_files import list_columns, pick_field
from terminal_task_gen.task import Difficulty

Kind = Literal["math", "code", "swe"]
FIELDS: dict[Kind, tuple[str, ...]] = {
    "math": ("prompt", "answer"),
    "code": ("prompt", "starter", "cases", "asserts", "entry_point", "solution"),
    "swe": ("prompt", "files", "patch", "tests"),
}
"""Kind → the fields that its adapter reads; `prompt` is the one that a row must have."""


class AdapterSpec(Record):
    """A data set's mapping."""

    name: str = ""
    """The file's name without its ending; filled in when it is read."""
    kind: Kind
    source: str
    """Name of the data set, for the lineage and the corpus column `source`."""
    image: str
    difficulty: Difficulty = "medium"
    """Put on every task: rows seldom say."""
    columns: dict[str, str]
    """Field → column; a dotted path goes into nested values (`messages.0.content`)."""
    where: dict[str, tuple[str | int | bool, ...]] = {}
    """Column → values; rows with others are left out."""
    patch_reversed: bool = False
    """SWE: the set's patch makes the bug; the fix is its reverse."""
    tags: tuple[str, ...] = Field(default=())

    def list_columns(self) -> list[str]:
        """Columns to read."""
        return list_columns([*self.columns.values(), *self.where])

    def is_wanted(self, values: Mapping[str, Any]) -> bool:
        return all(pick_field(values, column) in wanted for column, wanted in self.where.items())

    def pick(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Field → value, without those that are missing."""
        picked = {field: pick_field(values, column) for field, column in self.columns.items()}
        return {field: value for field, value in picked.items() if value is not None}


def load_spec(name: str, folder: Path) -> AdapterSpec:
    """The shipped adapter of this name, or the one in a YAML file. Raises UsageError naming the file and the field."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        raise UsageError(f"no adapter {name!r}; known: {known}; or give a YAML file of yours (see {folder})")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        spec = AdapterSpec.model_validate({**data, "name": path.stem} if isinstance(data, dict) else data)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    unknown = sorted(set(spec.columns) - set(FIELDS[spec.kind]))
    if unknown or "prompt" not in spec.columns:
        what = f"has no field {unknown[0]!r}" if unknown else "needs the field 'prompt'"
        raise UsageError(f"{path}: columns: kind {spec.kind} {what}; fields: {', '.join(FIELDS[spec.kind])}")
    return spec
