"""Rows of data sets on disk, one at a time: JSON lines, Parquet, and the folders that `datasets` saves.

    FILE.jsonl, FILE.jsonl.gz     an object a line
    FILE.jsonl.zst                needs the extra `zstd`
    FILE.parquet                  needs the extra `parquet`
    FOLDER                        all of these in it, in the order of their paths
    FOLDER with state.json        saved by datasets' save_to_disk (Arrow files); a DatasetDict's FOLDER/SPLIT likewise

Memory is that of one line or one batch, whatever the size of the set. A row that cannot be read is a BadRow in its
place and the rest goes on; UsageError is for what spoils the whole set: no such file, no Parquet, no such column.
NaN counts as missing (None) wherever it stands. Text that is no Unicode (other encodings, lone surrogates) is a BadRow.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from terminal_task_gen.errors import PrerequisiteError, UsageError
from terminal_task_gen.zstd_files import open_zstd

MAX_ROW_BYTES = 16_000_000
"""A longer JSON line is a BadRow; it is passed over without being held."""
BATCH_ROWS = 256
LINE_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
SUFFIXES = (*LINE_SUFFIXES, ".parquet")


class Row(NamedTuple):
    """A row that could be read; `place` is `file line 3` or `file row 3`, counted from 1."""

    place: str
    values: dict[str, Any]


class BadRow(NamedTuple):
    """A row that could not. `reason`: row_too_large, row_encoding, row_json or row_unreadable."""

    place: str
    reason: str
    why: str


def read_rows(source: Path, columns: Sequence[str] = ()) -> Iterator[Row | BadRow]:
    """All rows. `columns` (all, if empty) are the ones to take from columnar files, which must have them.

    Raises UsageError at the first row asked for when the source cannot be used.
    """
    for path in list_row_files(source):
        name = path.relative_to(source.parent if source.is_file() else source)
        if path.name.endswith(".parquet"):
            yield from _read_parquet(path, str(name), columns)
        elif path.name.endswith(".arrow"):
            yield from _read_arrow(path, str(name), columns)
        else:
            yield from _read_lines(path, str(name))


def list_row_files(source: Path) -> list[Path]:
    """The files that make up a source. Raises UsageError when there are none, or splits to choose from."""
    if source.is_file():
        if not source.name.endswith(SUFFIXES):
            raise UsageError(f"{source}: cannot tell what it holds; known endings: {', '.join(SUFFIXES)}")
        return [source]
    if not source.is_dir():
        raise UsageError(f"{source} does not exist; give a file or a folder of rows")
    if (source / "dataset_dict.json").is_file():
        splits = _read_json(source / "dataset_dict.json").get("splits", [])
        raise UsageError(f"{source} has the splits {', '.join(splits)}; give one, e.g. {source / splits[0]}")
    if (source / "state.json").is_file():
        return [source / entry["filename"] for entry in _read_json(source / "state.json").get("_data_files", [])]
    found = sorted(path for path in source.rglob("*") if path.name.endswith(SUFFIXES) and path.is_file())
    if not found:
        raise UsageError(f"{source} holds no rows; known endings: {', '.join(SUFFIXES)}")
    return found


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}; is the folder complete?") from error
    return found


def _read_lines(path: Path, name: str) -> Iterator[Row | BadRow]:
    try:
        with _open_lines(path) as source:
            for number, line in enumerate(_split_lines(source), start=1):
                place = f"{name} line {number}"
                if line is None:
                    yield BadRow(place, "row_too_large", f"longer than {MAX_ROW_BYTES:,} bytes")
                elif line.strip(b"\xef\xbb\xbf \t\r\n"):
                    yield _parse_line(line, place)
    except (OSError, EOFError) as error:
        yield BadRow(name, "row_unreadable", f"the file breaks off: {error}")


def _open_lines(path: Path) -> IO[bytes] | gzip.GzipFile:
    if path.suffix == ".zst":
        return open_zstd(path)
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _split_lines(source: IO[bytes] | gzip.GzipFile) -> Iterator[bytes | None]:
    """Lines, None for one that is too long."""
    while line := source.readline(MAX_ROW_BYTES + 1):
        if len(line) <= MAX_ROW_BYTES or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = source.readline(MAX_ROW_BYTES)
        yield None


def _parse_line(line: bytes, place: str) -> Row | BadRow:
    line = line.removeprefix(b"\xef\xbb\xbf")
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        # Python's own writer makes NaN and lone surrogates; its reader tells them from broken JSON.
        try:
            text = line.decode()
            values = json.loads(text, parse_constant=lambda _: None)
            orjson.dumps(values)
        except UnicodeDecodeError as not_utf8:
            return BadRow(place, "row_encoding", f"not UTF-8: byte {line[not_utf8.start]:#04x} at {not_utf8.start}")
        except TypeError:
            return BadRow(place, "row_encoding", "a string holds a lone surrogate, which is no character")
        except (ValueError, RecursionError):
            return BadRow(place, "row_json", f"not JSON: {error}")
    if not isinstance(values, dict):
        return BadRow(place, "row_json", f"an object is needed, not {type(values).__name__}")
    return Row(place, values)


def _read_parquet(path: Path, name: str, columns: Sequence[str]) -> Iterator[Row | BadRow]:
    import_arrow()
    import pyarrow
    import pyarrow.parquet

    try:
        source = pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"{path} is no readable Parquet file: {error}") from error
    with source:
        _check_columns(path, source.schema_arrow.names, columns)
        number = 0
        for group in range(source.num_row_groups):
            end = number + source.metadata.row_group(group).num_rows
            try:
                for batch in source.iter_batches(BATCH_ROWS, row_groups=[group], columns=list(columns) or None):
                    yield from _list_batch(batch, name, number)
                    number += batch.num_rows
            except (pyarrow.ArrowException, OSError) as error:
                yield BadRow(f"{name} rows {number + 1} to {end}", "row_unreadable", f"damaged row group: {error}")
                number = end


def _read_arrow(path: Path, name: str, columns: Sequence[str]) -> Iterator[Row | BadRow]:
    import_arrow()
    import pyarrow

    try:
        with pyarrow.memory_map(str(path)) as source, pyarrow.ipc.open_stream(source) as batches:
            _check_columns(path, batches.schema.names, columns)
            number = 0
            for batch in batches:
                kept = batch.select(list(columns)) if columns else batch
                for start in range(0, kept.num_rows, BATCH_ROWS):
                    yield from _list_batch(kept.slice(start, BATCH_ROWS), name, number + start)
                number += kept.num_rows
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"{path} is no readable Arrow file: {error}") from error


def _list_batch(batch: Any, name: str, before: int) -> Iterator[Row | BadRow]:
    for offset in range(batch.num_rows):
        place = f"{name} row {before + offset + 1}"
        try:
            values = {
                key: _drop_nan(column[offset].as_py()) for key, column in zip(batch.schema.names, batch, strict=True)
            }
        except UnicodeDecodeError as error:
            yield BadRow(place, "row_encoding", f"not UTF-8: {error.reason} at byte {error.start}")
            continue
        yield Row(place, values)


def _drop_nan(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _check_columns(path: Path, have: Iterable[str], need: Iterable[str]) -> None:
    missing = sorted(set(need) - set(have))
    if missing:
        raise UsageError(f"{path} has no column {', '.join(missing)}; it has: {', '.join(sorted(have))}")


def import_arrow() -> None:
    """Raises PrerequisiteError when the extra is missing."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise PrerequisiteError("Parquet and Arrow need pyarrow; pip install 'terminal-task-gen[parquet]'") from error


def pick_field(values: Any, path: str) -> Any:
    """The value at a dotted path (`answer`, `meta.answer`, `messages.0.content`, `messages.-1.content`) or None."""
    for part in path.split("."):
        if isinstance(values, dict):
            values = values.get(part)
        elif isinstance(values, list) and part.lstrip("-").isdigit() and -len(values) <= int(part) < len(values):
            values = values[int(part)]
        else:
            return None
    return values


def list_columns(paths: Iterable[str]) -> list[str]:
    """The columns that dotted paths begin in, each once."""
    return list(dict.fromkeys(path.split(".")[0] for path in paths))


def count_rows(source: Path, columns: Sequence[str] = ()) -> int:
    """How many rows a source has: by its metadata, or by its line ends. Raises UsageError as `read_rows`."""
    return sum(_count_file(path, columns) for path in list_row_files(source))


def _count_file(path: Path, columns: Sequence[str]) -> int:
    if path.name.endswith(LINE_SUFFIXES):
        try:
            with _open_lines(path) as source:
                return sum(block.count(b"\n") for block in iter(lambda: source.read(1 << 20), b""))
        except (OSError, EOFError):
            return 0
    import_arrow()
    import pyarrow
    import pyarrow.parquet

    try:
        if path.name.endswith(".parquet"):
            with pyarrow.parquet.ParquetFile(path) as table:
                _check_columns(path, table.schema_arrow.names, columns)
                return int(table.metadata.num_rows)
        with pyarrow.memory_map(str(path)) as source, pyarrow.ipc.open_stream(source) as batches:
            _check_columns(path, batches.schema.names, columns)
            return sum(int(batch.num_rows) for batch in batches)
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"{path} is no readable {path.suffix[1:].title()} file: {error}") from error
