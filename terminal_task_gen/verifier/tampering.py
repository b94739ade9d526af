"""Which changes of a sandbox's system concern the verifier itself, and so cast doubt on its verdict.

Told from the paths that differ from the image, as the engine saw them. Bytecode caches do not count: running Python
as root writes them in any image that was not precompiled; where any of the standard library's differ, the verifier does
without them (`is_bytecode_touched`). Packages a teacher installs do not count either, since the
verifier brings its own pytest; what every start of the system's interpreter executes (`*.pth`, sitecustomize) does,
but not what a project's own environment holds. A directory that changed while nothing in it did is another thing now,
such as a link to somewhere else. Installing libraries writes the linker's cache, so what counts is what it says.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

_BIN = r"^/(usr/(local/)?)?s?bin/"
_LIB = r"^/(usr/(local/)?)?lib(32|64|x32)?/"

_LIBRARY = r"(ld-|ld\d|libpython|lib(c|m|dl|pthread|z|expat|ffi|crypto)[.-])"

_CONCERNS = tuple(
    re.compile(pattern)
    for pattern in (
        _BIN + r"(python[0-9.]*|env|sh|dash|bash|rm)$",
        # The standard library, but not third-party packages below it.
        _LIB + r"python3\.\d+/(?!(site|dist)-packages/|__pycache__/).*\.(py|so|zip)$",
        # Bytecode that stands in for a module, instead of in a cache beside it.
        _LIB + r"python3\.\d+/(?!(site|dist)-packages/)(.*/)?(?!__pycache__/)[^/.]+\.pyc$",
        _LIB + r"python3?\d*\.zip$",
        _LIB + r"python3[^/]*/(site|dist)-packages/[^/]+\.pth$",
        _LIB + r"python3[^/]*/((site|dist)-packages/)?(site|user)customize(/__init__)?\.(pyc?|[^/]*so)$",
        r"^/(usr/(local/)?)?(bin/)?pyvenv\.cfg$",
        r"^/etc/ld\.so\.preload$",
        r"^/etc/ld\.so\.conf(\.d/[^/]+)?$",
        _LIB + r"([^/]+-linux-gnu[^/]*/)?(glibc-hwcaps/[^/]+/)?" + _LIBRARY + r"[^/]*$",
        r"^/etc/python3[^/]*/sitecustomize\.py$",
    )
)

_FOLDERS = re.compile(
    r"^/(etc|usr|etc/ld\.so\.conf\.d|etc/python3[^/]*|usr/local|(usr/(local/)?)?s?bin"
    r"|(usr/(local/)?)?lib(32|64|x32)?(/[^/]+-linux-gnu[^/]*)?(/glibc-hwcaps(/[^/]+)?)?"
    r"|(usr/(local/)?)?lib(32|64|x32)?/python3[^/]*(/(?!(site|dist)-packages/|.*__pycache__)[a-z0-9_/-]+)?)$"
)
"""Directories on which it depends as a whole."""
LINKER_CACHE = "/etc/ld.so.cache"
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"
_CACHE_HEADER_BYTES = 48
_CACHE_ENTRY_BYTES = 24
_OURS = re.compile(_LIBRARY)
_SYSTEMS = re.compile(r"^/(usr/)?lib(32|64|x32)?/(?!.*\.\./)")
_BYTECODE = re.compile(_LIB + r"python3\.\d+/(?!(site|dist)-packages/)(.*/)?__pycache__(/|$)")


def is_bytecode_touched(changes: Sequence[str]) -> bool:
    """Whether caches of the standard library are among the changed paths."""
    return any(_BYTECODE.search(path) for path in changes)


def list_tampering(changes: Sequence[str]) -> tuple[str, ...]:
    """Those of the changed paths that the verifier's run depends on; sorted. Empty: the verdict can be trusted."""
    above = {str(parent) for path in changes for parent in PurePosixPath(path).parents}
    found = {path for path in changes if any(concern.search(path) for concern in _CONCERNS)}
    return tuple(sorted(found | {path for path in changes if path not in above and _FOLDERS.search(path)}))


def is_linker_cache_sound(cache: bytes | None) -> bool:
    """Whether this /etc/ld.so.cache sends nobody who wants a library of ours out of the system's directories.

    One that is gone does not either; one that cannot be read is not to be trusted.
    """
    try:
        return all(_SYSTEMS.search(path) for name, path in _read_cache(cache or b"") if _OURS.match(name))
    except (struct.error, ValueError):
        return False


def _read_cache(cache: bytes) -> Iterator[tuple[str, str]]:
    """Name and path of each library; the format of glibc 2.2 and later, alone or behind the one before it."""
    if not cache:
        return
    begin = cache.index(_CACHE_MAGIC)
    (count,) = struct.unpack_from("I", cache, begin + len(_CACHE_MAGIC))
    for number in range(count):
        _, name, path = struct.unpack_from("iII", cache, begin + _CACHE_HEADER_BYTES + number * _CACHE_ENTRY_BYTES)
        yield _read_string(cache, begin + name), _read_string(cache, begin + path)


def _read_string(cache: bytes, offset: int) -> str:
    return cache[offset : cache.index(b"\0", offset)].decode(errors="replace")
