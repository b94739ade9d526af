"""Ends containers in which more was written than their disk limit, so that one filler does not fill the host.

The engine's limit on a file says nothing of a thousand files, and its quota needs a file system that few hosts have. So
the engine is asked, every few seconds, what each container holds: 2 ms for an empty one, 30 ms for 5,000 files. What is
written between two looks is beyond the limit; a file that is deleted and still open is not seen (docs/security.md).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from contextlib import suppress

from terminal_task_gen.errors import SandboxError
from terminal_task_gen.sandbox.docker_sandbox import DockerSandbox

LOOK_EVERY_SEC = 2.0
REST_SHARE = 20
"""Looking takes at most one part in so many of the time, however long a look is."""


class DiskWatch:
    """Looks at the sandboxes in `watched`, which its owner keeps, for as long as there are any."""

    def __init__(self, watched: Collection[DockerSandbox], *, look_every_sec: float = LOOK_EVERY_SEC) -> None:
        self._watched = watched
        self._look_every_sec = look_every_sec
        self._looking: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """To be called when a sandbox has been added."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_around())

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look_around(self) -> None:
        rest_sec = self._look_every_sec
        while self._watched:
            await asyncio.sleep(rest_sec)
            begun = time.monotonic()
            for sandbox in tuple(self._watched):
                # One that died or an engine that is away is told by the next call to the sandbox.
                with suppress(SandboxError):
                    await sandbox.enforce_disk_limit()
            rest_sec = max(self._look_every_sec, REST_SHARE * (time.monotonic() - begun))
