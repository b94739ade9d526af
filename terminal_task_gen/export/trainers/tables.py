"""Tables on disk: JSON lines, or Parquet with one schema in every shard.

Parquet as the Hub's viewer and streaming readers want it: row groups small enough to be fetched alone, a page index,
zstd. pyarrow is an extra and is imported here alone.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

from terminal_task_gen.errors import PrerequisiteError
from terminal_task_gen.export.header import Features
from terminal_task_gen.export.shards import DataFile, write_shards

_ROW_GROUP_BYTES = 32_000_000
"""Of text, before compression; the Hub wants less than 100 MB."""


class FileType(StrEnum):
    JSONL = "jsonl"
    PARQUET = "parquet"


def check_installed(file_type: FileType) -> None:
    """Raises PrerequisiteError when the file type needs an extra that is missing."""
    if file_type is FileType.PARQUET:
        _load_pyarrow()


def write_table(
    rows: Iterable[dict[str, Any]], folder: Path, split: str, *, columns: Features, file_type: FileType, max_bytes: int
) -> tuple[DataFile, ...]:
    """Shards `<split>/<split>-00000-of-00001.<type>`; none without rows. `max_bytes` is of JSON text in either case."""
    if file_type is FileType.JSONL:
        lines = (orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
        return write_shards(lines, folder, split, split, max_bytes=max_bytes)
    return _write_parquet(rows, folder, split, columns, max_bytes)


def _write_parquet(
    rows: Iterable[dict[str, Any]], folder: Path, split: str, columns: Features, max_bytes: int
) -> tuple[DataFile, ...]:
    pyarrow, parquet = _load_pyarrow()
    schema = pyarrow.schema([(column["name"], _make_type(pyarrow, column)) for column in columns])
    parts: list[tuple[Path, int]] = []
    writer: Any = None
    written = max_bytes
    try:
        for batch, size_bytes in _batch_rows(rows, min(_ROW_GROUP_BYTES, max_bytes)):
            if written + size_bytes > max_bytes:
                if writer is not None:
                    writer.close()
                path = folder / split / f"{split}-{len(parts):05d}.part"
                path.parent.mkdir(parents=True, exist_ok=True)
                writer = parquet.ParquetWriter(path, schema, compression="zstd", write_page_index=True)
                parts.append((path, 0))
                written = 0
            writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))
            parts[-1] = (parts[-1][0], parts[-1][1] + len(batch))
            written += size_bytes
    finally:
        if writer is not None:
            writer.close()
    names = [f"{split}-{number:05d}-of-{len(parts):05d}.parquet" for number in range(len(parts))]
    return tuple(_finish(path, rows, folder, name) for (path, rows), name in zip(parts, names, strict=True))


def _finish(part: Path, rows: int, folder: Path, name: str) -> DataFile:
    path = part.rename(part.with_name(name))
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    relative = path.relative_to(folder).as_posix()
    return DataFile(path=relative, rows=rows, size_bytes=path.stat().st_size, sha256=digest)


def _batch_rows(rows: Iterable[dict[str, Any]], max_bytes: int) -> Iterator[tuple[list[dict[str, Any]], int]]:
    batch: list[dict[str, Any]] = []
    size_bytes = 0
    for row in rows:
        own = len(orjson.dumps(row))
        if batch and size_bytes + own > max_bytes:
            yield batch, size_bytes
            batch, size_bytes = [], 0
        batch.append(row)
        size_bytes += own
    if batch:
        yield batch, size_bytes


def _make_type(pyarrow: Any, column: dict[str, Any]) -> Any:
    if "list" in column:
        item = column["list"]
        if isinstance(item, str):
            return pyarrow.list_(_make_type(pyarrow, {"dtype": item}))
        return pyarrow.list_(pyarrow.struct([(field["name"], _make_type(pyarrow, field)) for field in item]))
    known = {"string": pyarrow.string, "bool": pyarrow.bool_, "int64": pyarrow.int64, "float64": pyarrow.float64}
    return known[column["dtype"]]()


def _load_pyarrow() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise PrerequisiteError("Parquet needs: pip install 'terminal-task-gen[parquet]'") from error
