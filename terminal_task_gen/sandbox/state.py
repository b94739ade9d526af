"""What a sandbox was made into, as a tar archive: the part of its files that can be carried to a fresh one.

Left out: the system's own directories and /run, which a fresh sandbox has as they should be; /tests and /logs, which
are the judge's; and, member by member, what the caller refuses. Names are relative to `/`.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Callable, Iterable
from typing import IO, Any

SYSTEM_DIRS = frozenset(("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "boot", "proc", "sys", "dev", "run"))
JUDGES_DIRS = frozenset(("tests", "logs"))
NEVER = frozenset(("etc/ld.so.cache", "etc/hostname", "etc/hosts", "etc/resolv.conf", ".dockerenv"))
"""A cache names libraries that stay behind; the engine mounts the other files itself."""


def is_carried(path: str) -> bool:
    """Of an absolute path: whether it belongs to the state."""
    relative = path.lstrip("/")
    top = relative.partition("/")[0]
    return bool(relative) and top not in SYSTEM_DIRS | JUDGES_DIRS and relative not in NEVER


def list_roots(paths: Iterable[str]) -> list[str]:
    """For each top-level directory that holds some of `paths`, the deepest one that holds all of those."""
    groups: dict[str, list[str]] = {}
    for path in filter(is_carried, paths):
        groups.setdefault(path.split("/")[1], []).append(path)
    return sorted(map(posixpath.commonpath, groups.values()))


def copy_members(
    source: IO[bytes] | Any, target: tarfile.TarFile, *, parent: str, wanted: Callable[[str], bool]
) -> None:
    """Copy those members of the archive `source`, whose names are relative to `parent`, that are wanted.

    Raises tarfile.TarError for an archive that ends early.
    """
    with tarfile.open(fileobj=source, mode="r|") as archive:
        for member in archive:
            path = posixpath.normpath(posixpath.join(parent, member.name))
            if not is_carried(path) or not wanted(path) or member.ischr() or member.isblk():
                continue
            member.name = path.lstrip("/")
            if member.islnk():
                member.linkname = posixpath.normpath(posixpath.join(parent, member.linkname)).lstrip("/")
            # Names of the old place would win over those just set.
            member.pax_headers = {k: v for k, v in member.pax_headers.items() if k not in ("path", "linkpath")}
            target.addfile(member, archive.extractfile(member) if member.isreg() else None)


def open_target(file: IO[bytes]) -> tarfile.TarFile:
    return tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)


def filter_archive(source: IO[bytes], file: IO[bytes], wanted: Callable[[str], bool]) -> None:
    """As `copy_members`, of a whole archive whose names are relative to `/`."""
    with open_target(file) as target:
        copy_members(source, target, parent="/", wanted=wanted)
