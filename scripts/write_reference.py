"""Writes docs/reference.md from the code: commands, configuration fields, causes. `make docs` runs it, a test compares.

python scripts/write_reference.py docs/reference.md
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_origin

import typer
from pydantic import BaseModel

from terminal_task_gen import config as config_module
from terminal_task_gen.cli.main import app
from terminal_task_gen.config import Config, MixRecipe
from terminal_task_gen.errors import POLICY


def render_reference() -> str:
    lines = ["# Reference", "", "Written from the code by `make docs`; do not edit.", ""]
    lines += ["## Commands", ""]
    for path, command in _walk_commands(typer.main.get_command(app), "ttg"):
        summary = " ".join((command.help or "").split("\n\n")[0].split())
        lines += [f"### `{path}`", "", summary, ""]
        lines += [f"- `{'`, `'.join(p.opts)}`: {p.help}" for p in command.params if getattr(p, "help", None)]
        lines.append("")
    lines += ["## Configuration", "", "YAML, every field optional; on the command line `--set field=value`.", ""]
    lines += _list_fields(Config)
    lines += ["", "## Recipe of a mix", "", "YAML for `ttg mix --recipe`; on the command line `--set field=value`.", ""]
    lines += _list_fields(MixRecipe)
    lines += [
        "",
        "## Why items end",
        "",
        "`owed`: tried again on the next start. `data`: goes on to the next stage.",
        "",
    ]
    lines += ["| cause | owed | data |", "|---|---|---|"]
    lines += [f"| `{cause}` | {_say(policy.retry)} | {_say(policy.keep)} |" for cause, policy in POLICY.items()]
    return "\n".join(lines) + "\n"


def _list_fields(model: type[BaseModel]) -> list[str]:
    meanings = _read_meanings()
    rows = [
        f"| `{field}` | `{default}` | {meanings.get((owner, name), '')} |"
        for field, owner, name, default in _walk_fields(model, "")
    ]
    return ["| field | default | meaning |", "|---|---|---|", *rows]


def _say(value: bool) -> str:
    return "yes" if value else "no"


def _walk_commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if not children:
        yield path, command
        return
    for name, child in children.items():
        yield from _walk_commands(child, f"{path} {name}")


def _walk_fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, Any]]:
    for name, field in model.model_fields.items():
        options = [field.annotation, *getattr(field.annotation, "__args__", ())]
        nested = [a for a in options if inspect.isclass(a) and issubclass(a, BaseModel)]
        if nested and nested[0].__module__.startswith(config_module.__name__):
            if get_origin(field.annotation) is tuple:
                yield from _walk_fields(nested[0], f"{prefix}{name}[].")
            elif field.default is None:
                yield f"{prefix}{name}", model.__name__, name, None
            elif field.default == ():
                yield f"{prefix}{name}", model.__name__, name, "[]"
                yield from _walk_fields(nested[0], f"{prefix}{name}[].")
            else:
                yield from _walk_fields(nested[0], f"{prefix}{name}.")
        else:
            default = "required" if field.is_required() else field.get_default(call_default_factory=True)
            shown = default.model_dump() if isinstance(default, BaseModel) else default
            yield f"{prefix}{name}", model.__name__, name, shown


def _read_meanings() -> dict[tuple[str, str], str]:
    """(class, field) → the string literal that follows the field in the source."""
    meanings: dict[tuple[str, str], str] = {}
    sources = [path.read_text(encoding="utf-8") for path in Path(inspect.getfile(config_module)).parent.glob("*.py")]
    for node in (node for source in sources for node in ast.parse(source).body):
        if not isinstance(node, ast.ClassDef):
            continue
        for field, text in zip(node.body, node.body[1:], strict=False):
            is_text = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
                meanings[(node.name, field.target.id)] = " ".join(str(text.value.value).split())  # type: ignore[attr-defined]
    return meanings


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render_reference(), encoding="utf-8")
