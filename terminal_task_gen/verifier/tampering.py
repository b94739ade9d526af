"""Which changes of a sandbox's system concern the verifier itself, and so cast doubt on its verdict.

Told from the paths that differ from the image, as the engine saw them. Bytecode caches do not count: running Python
as root writes them in any image that was not precompiled; where any of the standard library's differ, the verifier does
without them (`is_bytecode_touched`). Packages a teacher installs do not count either, since the
verifier brings its own pytest; what every start of the system's interpreter executes (`*.pth`, sitecustomize) does,
but not what a project's own environment holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_BIN = r"^/(usr/(local/)?)?s?bin/"
_LIB = r"^/(usr/(local/)?)?lib(32|64|x32)?/"

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
        _LIB + r"([^/]+-linux-gnu[^/]*/)?(ld-|ld\d|libpython|lib(c|m|dl|pthread|z|expat|ffi|crypto)[.-])[^/]*$",
        r"^/etc/python3[^/]*/sitecustomize\.py$",
    )
)


_BYTECODE = re.compile(_LIB + r"python3\.\d+/(?!(site|dist)-packages/)(.*/)?__pycache__(/|$)")


def is_bytecode_touched(changes: Sequence[str]) -> bool:
    """Whether caches of the standard library are among the changed paths."""
    return any(_BYTECODE.search(path) for path in changes)


def list_tampering(changes: Sequence[str]) -> tuple[str, ...]:
    """Those of the changed paths that the verifier's run depends on; sorted. Empty: the verdict can be trusted."""
    return tuple(sorted(path for path in set(changes) if any(concern.search(path) for concern in _CONCERNS)))
