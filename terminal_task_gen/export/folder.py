"""Writes folders whole: made beside their place, flushed to disk, and swapped in by rename.

When anything fails, the disk or the caller, what stood there before stays as it was and the temporary folder goes.
What a killed process left is cleared, or brought back, by the next one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from terminal_task_gen.errors import UsageError
from terminal_task_gen.records import Record
from terminal_task_gen.store import explain_os_error

EXPORT_MARK = "export.json"
"""What an export's folder is known by."""


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """A fresh folder beside `folder` that takes its place when the block ends well, and vanishes when it does not.

    Raises UsageError when the disk refuses.
    """
    temporary = folder.with_name(f"{folder.name}.tmp-{os.getpid()}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep_leftovers(folder)
        temporary.mkdir()
        yield temporary
        for path in (*(path for path in temporary.rglob("*") if path.is_dir()), temporary):
            _sync_folder(path)
        _swap(temporary, folder)
    except OSError as error:
        raise explain_os_error(error, folder) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_replaceable(folder: Path, mark: str) -> None:
    """Raises UsageError unless `folder` is absent, empty, or ours to write anew: it holds a file called `mark`."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / mark).is_file():
        raise UsageError(f"{folder} holds something else; give an empty or new folder with --output")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; give a folder with --output")


def write_file(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """A new file with its folders, flushed to disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        write_all(fd, content)
        os.fchmod(fd, mode)
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


def dump_record(record: Record, *, indent: bool = False) -> bytes:
    return orjson.dumps(record.model_dump(mode="json"), option=orjson.OPT_INDENT_2 if indent else None)


def _swap(temporary: Path, folder: Path) -> None:
    retired = folder.with_name(f"{folder.name}.old-{os.getpid()}")
    if folder.exists():
        folder.rename(retired)
    try:
        temporary.rename(folder)
    except OSError:
        if retired.exists():
            retired.rename(folder)
        raise
    _sync_folder(folder.parent)
    shutil.rmtree(retired, ignore_errors=True)


def _sweep_leftovers(folder: Path) -> None:
    """What a killed process left: half a folder goes; the old one, caught between the two renames, comes back."""
    for path in sorted(folder.parent.glob(f"{folder.name}.old-*")):
        if folder.exists():
            shutil.rmtree(path)
        else:
            path.rename(folder)
    for path in folder.parent.glob(f"{folder.name}.tmp-*"):
        shutil.rmtree(path)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
