"""Rows in the released corpus's columns (`conversations`, `agent`, `model`, `task`, …), as a source of a mix.

What the released rows do not say stays empty: they were never judged, and whether the task was declared done is not
known. Their domain is read from the task's name (`data_processing_task_2591`); rows with a `source` are of that data
set, by an adapter. A row's id is made from its content, so that the same row of two files counts once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from terminal_task_gen.errors import UsageError
from terminal_task_gen.export.folder import dump_record, write_file
from terminal_task_gen.export.manifest import MANIFEST, DataConfig, Manifest
from terminal_task_gen.export.rows import STREAMS
from terminal_task_gen.export.shards import write_shards
from terminal_task_gen.export.source import Row, conform_row
from terminal_task_gen.records import content_id
from terminal_task_gen.row_files import SUFFIXES, BadRow, read_rows

SHARD_BYTES = 256_000_000

_PLACED = ("agent", "model", "model_provider", "date", "task", "episode", "run_id", "trial_name")
_TASK_NUMBER = re.compile(r"_task_\w+$")


def holds_released_rows(place: Path) -> bool:
    """A file of rows, or a folder of such that is no run, corpus or mix."""
    if place.is_file():
        return place.name.endswith(SUFFIXES)
    if (place / MANIFEST).is_file() or (place / "config.yaml").is_file():
        return False
    return any(path.name.endswith(SUFFIXES) for path in place.rglob("*"))


def unpack_released(place: Path, folder: Path) -> Path:
    """Write the rows of `place` into `folder` in this version's columns. Raises UsageError naming file and row."""
    files = write_shards(_read(place), folder, "data", "train", max_bytes=SHARD_BYTES, at_least_one=True)
    manifest = Manifest(
        kind="corpus",
        name=place.name,
        licence="other",
        run_ids=(),
        rows=sum(file.rows for file in files),
        configs=(DataConfig(name="default", splits={"train": files}),),
        statistics={},
    )
    write_file(folder / MANIFEST, dump_record(manifest) + b"\n")
    return folder


def _read(place: Path) -> Iterator[bytes]:
    for row in read_rows(place):
        if isinstance(row, BadRow):
            raise UsageError(f"{place.parent / row.place}: {row.why}; leave the row out of the file")
        yield orjson.dumps(_convert(row.values, f"{place.parent / row.place}"), option=orjson.OPT_APPEND_NEWLINE)


def _convert(values: dict[str, Any], where: str) -> Row:
    turns = values.get("conversations")
    if not isinstance(turns, list) or not all(_is_turn(turn) for turn in turns):
        known = ", ".join(values)
        raise UsageError(f"{where}: no column conversations with roles and contents (its columns: {known}); "
                         "a mix takes runs, corpora, mixes and files of the released columns")  # fmt: skip
    conversations = [{"role": turn["role"], "content": turn["content"]} for turn in turns]
    replies = [turn["content"] for turn in conversations if turn["role"] == "assistant"]
    given = {name: str(values[name]) for name in _PLACED if values.get(name) is not None}
    task, dataset = given.get("task", ""), str(values.get("source") or "")
    mode = "adapt" if dataset else "skill"
    return conform_row(
        {
            **given,
            "conversations": conversations,
            "enable_thinking": bool(values.get("enable_thinking")),
            "source": STREAMS[mode],
            "id": content_id("row", {"conversations": conversations, "trial_name": given.get("trial_name", "")}),
            "task_id": task,
            "domain": _TASK_NUMBER.sub("", task) if _TASK_NUMBER.search(task) else "",
            "mode": mode,
            "dataset": dataset,
            "family": task,
            "turns": len(replies),
        }
    )


def _is_turn(turn: object) -> bool:
    return isinstance(turn, dict) and isinstance(turn.get("role"), str) and isinstance(turn.get("content"), str)
