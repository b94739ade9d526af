"""Folders that are written as a whole (a corpus, an export, a mix): their mark goes first and comes last.

So an upload that was cut off leaves a folder without its mark, which no reader takes for a whole one. While it is under
way an object `.incomplete` says whose folder it is.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from terminal_task_gen.errors import UsageError
from terminal_task_gen.mirror.journal import digest_file
from terminal_task_gen.mirror.remote import RemoteFolder
from terminal_task_gen.store import explain_os_error

INCOMPLETE = ".incomplete"


def check_replaceable_there(remote: RemoteFolder, mark: str) -> None:
    """Raises UsageError unless there is nothing, or a folder of this kind, or what is left of its upload."""
    there = remote.list_sizes("")
    if there and not {mark, INCOMPLETE} & set(there):
        raise UsageError(f"{remote.url} holds something else; give an empty or new place with --output")


def push_tree(remote: RemoteFolder, below: str, folder: Path, mark: str) -> str:
    """Make what is below a name there the same as the folder; the mark's SHA-256. Raises StorageError."""
    digest = digest_file(folder / mark)
    here = {_join(below, path.relative_to(folder).as_posix()): path for path in folder.rglob("*") if path.is_file()}
    last = _join(below, mark)
    there = remote.list_sizes(below)
    remote.write(_join(below, INCOMPLETE), b"")
    remote.remove([last] if last in there else [])
    remote.upload_all({name: path for name, path in sorted(here.items()) if name != last})
    remote.remove(sorted(set(there) - set(here) - {last}))
    remote.upload(folder / mark, last)
    remote.remove([_join(below, INCOMPLETE)])
    return digest


def pull_tree(remote: RemoteFolder, below: str, folder: Path, mark: str) -> bool:
    """Make the folder the same as what is below a name there; False when nothing whole is there.

    Raises UsageError when it changes meanwhile, StorageError.
    """
    content = remote.read(_join(below, mark))
    if content is None:
        return False
    if folder.is_dir() and (folder / mark).is_file() and (folder / mark).read_bytes() == content:
        return True
    temporary = folder.with_name(f"{folder.name}.tmp-{os.getpid()}")
    retired = folder.with_name(f"{folder.name}.old-{os.getpid()}")
    cut = len(below) + 1 if below else 0
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        remote.download_all({name: temporary / name[cut:] for name in remote.list_sizes(below)})
        (temporary / INCOMPLETE).unlink(missing_ok=True)
        if folder.exists():
            folder.rename(retired)
        temporary.rename(folder)
    except FileNotFoundError as error:
        raise UsageError(f"{remote.url}/{below} changes while it is read; try again when its writer is done") from error
    except OSError as error:
        raise explain_os_error(error, folder) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(retired, ignore_errors=True)
    return True


def _join(below: str, name: str) -> str:
    return f"{below}/{name}" if below else name
