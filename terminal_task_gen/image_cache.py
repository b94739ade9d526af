"""What was found out in a sandbox about an image, kept on this machine: so the next `ttg` need not start one for it.

    $XDG_CACHE_HOME/ttg/images/<kind>-<sha256 of the key>      (~/.cache/ttg/images); SHA-256 of the content, then it

The key holds the image's id, which is a digest of its contents. Only this user can write there, and what is found
otherwise, or does not fit its digest, is as good as missing. A cache never fails anybody.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from terminal_task_gen.places import get_cache_root

MAX_FILES = 64
"""Of all kinds; those that were written longest ago give way."""
_DIGEST_BYTES = hashlib.sha256().digest_size
_WRITABLE_BY_OTHERS = 0o022


def read_kept(kind: str, key: Sequence[str]) -> bytes | None:
    """Blocks."""
    with suppress(OSError, RuntimeError):  # RuntimeError: nobody knows this user's home
        path = _get_path(kind, key)
        with path.open("rb") as file:
            stat = os.fstat(file.fileno())
            content = file.read()
        is_ours = stat.st_uid == os.geteuid() and not stat.st_mode & _WRITABLE_BY_OTHERS
        digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if is_ours and hashlib.sha256(content).digest() == digest:
            return content
    return None


def keep(kind: str, key: Sequence[str], content: bytes) -> None:
    """Blocks."""
    with suppress(OSError, RuntimeError):
        path = _get_path(kind, key)
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            Path(part).replace(path)
        except OSError:
            Path(part).unlink(missing_ok=True)
            raise
        _drop_oldest(path.parent)


def _get_path(kind: str, key: Sequence[str]) -> Path:
    return get_cache_root() / "images" / f"{kind}-{hashlib.sha256(chr(0).join(key).encode()).hexdigest()}"


def _drop_oldest(folder: Path) -> None:
    by_age = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in by_age[MAX_FILES:]:
        path.unlink(missing_ok=True)
