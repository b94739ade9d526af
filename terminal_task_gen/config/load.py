"""YAML in, flags and `--set a.b=c` on top, YAML out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from terminal_task_gen.config.storage import StorageConfig
from terminal_task_gen.config.tree import Config
from terminal_task_gen.errors import UsageError
from terminal_task_gen.records import Record

RecordT = TypeVar("RecordT", bound=Record)


def load_config(path: Path | None, overrides: Sequence[str] = (), flags: Mapping[str, Any] | None = None) -> Config:
    """Configuration of a run; as `load_tree`."""
    return load_tree(Config, path, overrides, flags)


def load_tree(
    model: type[RecordT],
    path: Path | None,
    overrides: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
) -> RecordT:
    """Read a YAML file (or defaults), put `flags` (a tree) and then `a.b=value` overrides (YAML) on top, check it all.

    Raises UsageError with one line: what is wrong, where, and the remedy.
    """
    data: dict[str, Any] = {} if path is None else _read_yaml(path)
    _merge(data, flags or {})
    for override in overrides:
        _merge(data, _parse_override(override))
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise UsageError(_explain(error, model, str(path) if path else "configuration")) from error


def load_rules(path: Path) -> dict[str, Any]:
    """A YAML file with what stands under `filter.rules`, as it is or below `rules`. Raises UsageError."""
    data = _read_yaml(path)
    return dict(data["rules"]) if isinstance(data.get("rules"), Mapping) and len(data) == 1 else data


def dump_config(config: Config) -> str:
    """The resolved configuration as YAML that `load_config` reads back to the same tree."""
    data = config.model_dump(mode="json")
    # The staging folder is this machine's own affair.
    data["output_dir"] = data["storage"].pop("url") or data["output_dir"]
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def read_storage_options(saved: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """`storage.options` as far as they are known before the configuration can be read: from `--set`, and from what a
    staging folder keeps of the run. Raises UsageError for an unreadable one, or a secret.
    """
    data: dict[str, Any] = _read_yaml(saved) if saved.is_file() else {}
    for override in overrides:
        _merge(data, _parse_override(override))
    found = data.get("storage")
    options = found.get("options", {}) if isinstance(found, Mapping) else {}
    return load_tree(StorageConfig, None, (), {"options": options}).options


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise UsageError(f"{path}: the top level must be a mapping of fields, not {type(data).__name__}")
    return data


def _parse_override(text: str) -> dict[str, Any]:
    key, equals, raw = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {text!r}: write it as field.name=value, e.g. --set rollout.parallel=8")
    try:
        value: Any = yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise UsageError(f"--set {text!r}: the value is not valid YAML: {' '.join(str(error).split())}") from error
    for part in reversed(key.strip().split(".")):
        value = {part: value}
    return dict(value)


def _merge(target: dict[str, Any], source: Mapping[str, Any]) -> None:
    for key, value in source.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), Mapping):
            nested = dict(target[key])
            _merge(nested, value)
            target[key] = nested
        else:
            target[key] = value


def _explain(error: ValidationError, model: type[Record], where: str) -> str:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(_list_known_fields(model, first["loc"][:-1]))
        return f"{where}: unknown field {field!r}; known here: {known}"
    message = first["msg"].removeprefix("Value error, ")
    got = "" if isinstance(first["input"], Mapping) else f" (got {first['input']!r})"
    return f"{where}: {field}: {message}{got}"


def _list_known_fields(model: Any, loc: tuple[int | str, ...]) -> list[str]:
    for part in loc:
        if isinstance(part, int):  # an item of a list, whose type was found with the list's own name
            continue
        annotation = model.model_fields[part].annotation if part in getattr(model, "model_fields", {}) else None
        options = [a for a in (annotation, *getattr(annotation, "__args__", ())) if hasattr(a, "model_fields")]
        if not options:
            return []
        model = options[0]
    return list(model.model_fields)
