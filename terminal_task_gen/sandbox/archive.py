"""Files as a tar archive, the form in which both drivers carry them in.

Members are regular files only, owned by root, with a fixed time (after 1980, or zip would refuse them). Directories
are left to the unpacking side, which makes missing ones with mode 755 and leaves existing ones as they are.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence

from terminal_task_gen.sandbox import SandboxFile

MODIFIED_AT = 1_735_689_600
"""2025-01-01, in seconds since the epoch."""


def pack_files(files: Sequence[SandboxFile]) -> bytes:
    """An uncompressed archive relative to `/`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for file in files:
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.size = len(file.content)
            entry.mode = file.mode
            entry.mtime = MODIFIED_AT
            archive.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()
