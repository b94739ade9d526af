"""Where rows come from: a run's corpus, a corpus folder, or a mix, read by its manifest.

Every row comes out with this version's columns in this version's order; what an older or foreign folder lacks is
filled with the column's empty value, what it has more is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_origin

import orjson

from terminal_task_gen.errors import UsageError
from terminal_task_gen.export.manifest import Manifest, RowLine, read_lines, read_manifest
from terminal_task_gen.export.rows import CorpusRow

_EMPTY: dict[Any, Any] = {bool: False, int: 0, float: 0.0}
_DEFAULTS: dict[str, Any] = {
    name: [] if get_origin(info.annotation) is tuple else _EMPTY.get(info.annotation, "")
    for name, info in CorpusRow.model_fields.items()
}
_COLUMNS = tuple(_DEFAULTS)

Row = dict[str, Any]
"""A corpus row as JSON."""


class RowSource:
    """Rows of one folder."""

    def __init__(self, folder: Path) -> None:
        """Raises UsageError when the folder holds neither corpus nor run with one."""
        self.folder = folder if (folder / "manifest.json").is_file() else find_corpus(folder)
        self.manifest: Manifest = read_manifest(self.folder)

    def list_splits(self, config: str = "default") -> tuple[str, ...]:
        return tuple(self.manifest.list_files(config))

    def read_rows(self, split: str, config: str = "default") -> Iterator[Row]:
        """Raises UsageError naming file and line of what cannot be read."""
        for line in self.read_lines(split, config):
            yield parse_row(line)

    def read_lines(self, split: str, config: str = "default") -> Iterator[RowLine]:
        return read_lines(self.folder, self.manifest.list_files(config).get(split, ()))


def find_corpus(folder: Path) -> Path:
    """The corpus of a run. Raises UsageError with what to do when there is none."""
    if not folder.is_dir():
        raise UsageError(f"{folder} does not exist; give a run, a corpus or a mix")
    if not (folder / "config.yaml").is_file():
        raise UsageError(f"{folder} is neither a run nor a corpus (no config.yaml, no manifest.json)")
    corpus = folder / "corpus"
    if not (corpus / "manifest.json").is_file():
        raise UsageError(f"{folder} has no corpus yet; make it with: ttg filter {folder}")
    return corpus


def parse_row(line: RowLine) -> Row:
    try:
        row = orjson.loads(line.line)
        turns = row["conversations"]
        if not all(isinstance(turn["role"], str) and isinstance(turn["content"], str) for turn in turns):
            raise TypeError("a turn's role and content must be text")
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{line.path} line {line.number}: not a corpus row ({error}); make the folder anew") from error
    return row if tuple(row) == _COLUMNS else conform_row(row)


def conform_row(row: Row) -> Row:
    """This version's columns; null counts as missing."""
    conformed = {name: default if row.get(name) is None else row[name] for name, default in _DEFAULTS.items()}
    conformed["family"] = conformed["family"] or conformed["task"]
    return conformed
