"""Reads the prompts of benchmarks that a corpus must not contain: JSONL files and folders of Harbor tasks.

Refuses whatever would leave a hole in the screen without saying so: a missing path, a line that is not JSON or has no
text, a file or folder without a single prompt. Each refusal is a UsageError naming file, line and remedy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from terminal_task_gen.errors import UsageError
from terminal_task_gen.records import Record

_TEXT_FIELDS = ("instruction", "prompt")
_NAME_FIELDS = ("task", "task_id", "name", "id")
_BOM = b"\xef\xbb\xbf"


class _Entry(NamedTuple):
    name: str
    text: str


class BenchmarkPrompt(Record):
    """One task of a benchmark."""

    benchmark: str
    """Name of the file without its ending, or of the folder; with its parent's where two would be called the same."""
    entry: str
    """The task's name where it has one, else `line 7`."""
    text: str


def read_benchmarks(paths: Sequence[Path]) -> tuple[BenchmarkPrompt, ...]:
    """All prompts in the order given. Raises UsageError."""
    prompts: list[BenchmarkPrompt] = []
    for path, name in _name_benchmarks(paths).items():
        try:
            found = list(_read_folder(path, name) if path.is_dir() else _read_jsonl(path, name))
        except OSError as error:
            raise UsageError(f"cannot read benchmark {path}: {error.strerror}; check filter.benchmarks") from error
        if not found:
            wanted = "no */instruction.md in it" if path.is_dir() else "no prompts in it"
            raise UsageError(f"benchmark {path}: {wanted}; give a JSONL file or a folder of Harbor tasks")
        prompts.extend(found)
    return tuple(prompts)


def _name_benchmarks(paths: Sequence[Path]) -> dict[Path, str]:
    short = {path: path.resolve().name if path.is_dir() else path.stem for path in paths}
    clashes = {name for name in short.values() if list(short.values()).count(name) > 1}
    return {path: f"{path.resolve().parent.name}/{name}" if name in clashes else name for path, name in short.items()}


def _read_folder(folder: Path, name: str) -> Iterator[BenchmarkPrompt]:
    for path in sorted(folder.rglob("instruction.md")):
        try:
            text = _strip_canary(path.read_text(encoding="utf-8-sig"))
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
        if not text.strip():
            raise UsageError(f"{path} is empty; remove the task from the benchmark or mend it")
        yield BenchmarkPrompt(benchmark=name, entry=path.resolve().parent.name, text=text)


def _read_jsonl(path: Path, name: str) -> Iterator[BenchmarkPrompt]:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            line = line.removeprefix(_BOM) if number == 1 else line
            if line.strip():
                entry, text = _parse_line(line, number, path)
                yield BenchmarkPrompt(benchmark=name, entry=entry, text=text)


def _parse_line(line: bytes, number: int, path: Path) -> _Entry:
    where = f"{path} line {number}"
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{where} is not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise UsageError(f"{where}: a JSON object is wanted, not {type(data).__name__}")
    text = next((data[field] for field in _TEXT_FIELDS if field in data), None)
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"{where}: wants text in a field 'instruction' or 'prompt'; has {_list_fields(data)}")
    name = next((data[field] for field in _NAME_FIELDS if isinstance(data.get(field), str)), f"line {number}")
    return _Entry(name, text)


def _list_fields(data: dict[str, Any]) -> str:
    return ", ".join(repr(field) for field in list(data)[:8]) or "no fields"


def _strip_canary(text: str) -> str:
    """Harbor strips leading comment lines that hold a canary; the agent never sees them."""
    lines = text.splitlines(keepends=True)
    while lines and lines[0].lstrip().startswith(("#", "<!--")) and "canary" in lines[0].lower():
        lines.pop(0)
    return "".join(lines)
