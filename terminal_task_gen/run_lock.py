"""Who may write to a run directory at the same time, by advisory locks that end with their process.

    .lock               the door: held for moments, while somebody enters, leaves, or replaces a file that all share
    .lock-<family>-<name>   held by a writer as long as it writes

Writers of one family (the partitions of one n, the workers of one cluster) work side by side, each on shards of its
own; anybody else is refused. Needs a file system whose `flock` holds between its machines: local disks, NFS, Lustre
(mounted with -o flock), CephFS, BeeGFS.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from terminal_task_gen.errors import UsageError

DOOR = ".lock"


class Writer(NamedTuple):
    """One process that writes; by default alone. `name` is part of its shards' names: letters and digits."""

    family: str = "all"
    name: str = ""

    @property
    def is_alone(self) -> bool:
        return not self.name

    @property
    def tag(self) -> str:
        """What stands between a file's own name and the rest: `-p0of4`, or nothing."""
        return f"-{self.name}" if self.name else ""


class RunLock:
    """The locks of one writer in one folder, which must exist."""

    def __init__(self, folder: Path, writer: Writer) -> None:
        self._folder = folder
        self._writer = writer
        self._path = folder / f"{DOOR}-{writer.family}{writer.tag}"
        self._fd: int | None = None

    def take(self, *, patience_sec: float = 0.0) -> None:
        """Enter. Raises UsageError when somebody is there who may not be, still so after `patience_sec`; OSError."""
        deadline = time.monotonic() + patience_sec
        while True:
            with self.hold_door():
                held = self._find_stranger()
                if held is None:
                    fd = _open(self._path)
                    if _try_to_lock(fd):
                        self._fd = fd
                        return
                    os.close(fd)
                    held = self._path
            if time.monotonic() >= deadline:
                raise UsageError(self._explain(held))
            time.sleep(0.2)

    def release(self) -> None:
        """Let go. Idempotent; the end of the process does it too."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @contextmanager
    def hold_door(self) -> Iterator[None]:
        """Keep all others of any family from entering, leaving and replacing shared files; waits for its turn."""
        fd = _open(self._folder / DOOR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def list_names(self) -> set[str]:
        """Names of the writers of this family that are here, this one included. Only while the door is held."""
        start = f"{DOOR}-{self._writer.family}-"
        paths = self._folder.glob(f"{start}*")
        return {path.name.removeprefix(start) for path in paths if path == self._path or _is_held(path)}

    def _find_stranger(self) -> Path | None:
        for path in sorted(self._folder.glob(f"{DOOR}-*")):
            of_family = path.name.startswith(f"{DOOR}-{self._writer.family}-") and not self._writer.is_alone
            if path != self._path and not of_family:
                if _is_held(path):
                    return path
                path.unlink(missing_ok=True)
        return None

    def _explain(self, held: Path) -> str:
        if held != self._path and not self._writer.is_alone:
            return (
                f"another ttg is writing {self._folder} ({held.name}); partitions of one n may work side by side, "
                "everything else waits for its end"
            )
        who = f" ({self._writer.name})" if self._writer.name else ""
        return f"another ttg is writing {self._folder}{who}; wait for it, or choose another --name"


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _try_to_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_held(path: Path) -> bool:
    fd = _open(path)
    try:
        return not _try_to_lock(fd)
    finally:
        os.close(fd)
