"""What a container's own layer holds, read where the engine keeps it: which paths differ from the image.

The engine's own answer compares the whole image with the whole container (0.2 s of CPU and more), and takes a file
for unchanged whose size and time are: root inside can set both. Here only what was touched is looked at, and of a file
that looks unchanged the content counts. It needs an engine on this host with overlay2, and the right to read its
directories; anywhere else UnreadableError is raised, and the engine has to be asked.

What is read is the work of somebody who may be hostile and still at it: no link is followed, nothing but directories
and regular files is opened, and below MAX_DEPTH nothing is listed.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

MAX_DEPTH = 100
CHUNK_BYTES = 1 << 20
CAPABILITY = "security.capability"

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# Rootless engines have the second prefix.
_OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")


class Change(NamedTuple):
    """A path that differs from the image; `deleted` where only the image has it."""

    path: str
    deleted: bool


class UnreadableError(Exception):
    """The layer cannot be read from here."""


class Layers(NamedTuple):
    """Directories of the engine's: what was written, and what is below, the topmost first."""

    upper: str
    lowers: tuple[str, ...]

    @classmethod
    def from_inspected(cls, inspected: Mapping[str, Any]) -> Layers:
        """From what the engine tells of a container. UnreadableError where files are kept another way."""
        driver = inspected.get("GraphDriver") or {}
        data = driver.get("Data") or {}
        if driver.get("Name") != "overlay2" or not data.get("UpperDir") or not data.get("LowerDir"):
            raise UnreadableError(f"files are kept by {driver.get('Name')}")
        return cls(data["UpperDir"], tuple(data["LowerDir"].split(":")))


class _Found(NamedTuple):
    """What the image has at a path: the entry seen, and, of a directory, all that are merged into it."""

    path: str
    status: os.stat_result
    folders: tuple[str, ...]


def read_changes(layers: Layers) -> list[Change]:
    """As the engine tells them: a directory is changed where anything in it is. Raises UnreadableError."""
    try:
        top = os.open(layers.upper, _DIRECTORY)
        lowers = tuple(lower for lower in layers.lowers if Path(lower).is_dir())
    except OSError as error:
        raise UnreadableError(str(error)) from error
    try:
        return list(_walk(top, "", lowers, depth=1))
    finally:
        os.close(top)


def drop_changes(changes: Sequence[Change], unwanted: Collection[str]) -> list[Change]:
    """Without those paths, and without the directories that are there for them alone."""
    kept = [change for change in changes if change.path not in unwanted]
    doubtful = {posixpath.dirname(path) for path in unwanted} if len(kept) < len(changes) else set()
    justified = {posixpath.dirname(change.path) for change in kept}
    return [change for change in kept if change.path not in doubtful or change.path in justified]


def _walk(folder: int, path: str, lowers: Sequence[str], *, depth: int) -> Iterator[Change]:
    """Of an open directory: all that changed in it."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError:  # gone meanwhile
            continue
        yield from _judge(folder, name, status, f"{path}/{name}", lowers, depth=depth)
    if lowers and _is_opaque(folder):
        yield from (Change(f"{path}/{name}", True) for name in _list_lower(lowers) - set(names))


def _judge(
    folder: int, name: str, status: os.stat_result, path: str, lowers: Sequence[str], *, depth: int
) -> Iterator[Change]:
    found = _find_lower(lowers, name)
    if _is_whiteout(status):
        if found is not None:
            yield Change(path, True)
    elif stat.S_ISDIR(status.st_mode):
        below = tuple(_enter(folder, name, path, found.folders if found else (), depth=depth))
        if below or found is None or _differs(status, found.status):
            yield Change(path, False)
        yield from below
    elif found is None or _differs(status, found.status) or not _is_same_content(folder, name, status, found.path):
        yield Change(path, False)


def _enter(folder: int, name: str, path: str, lowers: Sequence[str], *, depth: int) -> Iterator[Change]:
    if depth >= MAX_DEPTH:
        return
    try:
        below = os.open(name, _DIRECTORY, dir_fd=folder)
    except OSError:  # gone, or exchanged for something else
        return
    try:
        yield from _walk(below, path, lowers, depth=depth + 1)
    finally:
        os.close(below)


def _find_lower(lowers: Sequence[str], name: str) -> _Found | None:
    """The image's entry of that name in the merged directory `lowers`."""
    seen: tuple[str, os.stat_result] | None = None
    folders: list[str] = []
    for lower in lowers:
        path = f"{lower}/{name}"
        try:
            status = os.lstat(path)
        except OSError:
            continue
        is_folder = stat.S_ISDIR(status.st_mode)
        if seen is None:
            if _is_whiteout(status):
                return None
            seen = path, status
        if not is_folder:
            break
        folders.append(path)
        if _is_opaque(path):
            break
    return None if seen is None else _Found(*seen, tuple(folders))


def _list_lower(lowers: Sequence[str]) -> set[str]:
    names = {path.name for lower in lowers for path in Path(lower).iterdir()}
    return {name for name in names if _find_lower(lowers, name) is not None}


def _differs(status: os.stat_result, lower: os.stat_result) -> bool:
    parts = [(s.st_mode, s.st_uid, s.st_gid, s.st_rdev) for s in (status, lower)]
    if stat.S_ISDIR(status.st_mode):
        return parts[0] != parts[1]
    return parts[0] != parts[1] or (status.st_size, status.st_mtime_ns) != (lower.st_size, lower.st_mtime_ns)


def _is_same_content(folder: int, name: str, status: os.stat_result, lower: str) -> bool:
    """Of an entry whose looks are those of the image's."""
    try:
        if stat.S_ISLNK(status.st_mode):
            return os.readlink(name, dir_fd=folder) == str(Path(lower).readlink())
        if not stat.S_ISREG(status.st_mode):
            return True
        with (
            os.fdopen(os.open(name, _FILE, dir_fd=folder), "rb", buffering=0) as ours,
            Path(lower).open("rb", buffering=0) as theirs,
        ):
            if _read_attribute(ours.fileno(), CAPABILITY) != _read_attribute(lower, CAPABILITY):
                return False
            while (chunk := ours.read(CHUNK_BYTES)) == theirs.read(CHUNK_BYTES):
                if not chunk:
                    return True
    except OSError:
        pass
    return False


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _is_opaque(folder: int | str) -> bool:
    return any(_read_attribute(folder, name) == b"y" for name in _OPAQUE)


def _read_attribute(place: int | str, name: str) -> bytes | None:
    try:
        return os.getxattr(place, name)
    except OSError:
        return None
