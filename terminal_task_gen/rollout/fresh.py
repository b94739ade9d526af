"""A fresh sandbox over the final state of another: where a verdict is given with `rollout.verifier: fresh`.

Nothing that ran in the first one runs here, and the system's own directories are the image's. So nobody can have
prepared the judge; but servers that the task asked for are not up, and packages installed into /usr are not there.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from terminal_task_gen.sandbox import Sandbox, SandboxFactory, SandboxSpec
from terminal_task_gen.verifier import list_tampering

MEMORY_BYTES = 8_000_000
"""Of a state in memory; a bigger one waits in a temporary file."""


@asynccontextmanager
async def open_fresh(factory: SandboxFactory, spec: SandboxSpec, solved: Sandbox) -> AsyncIterator[Sandbox]:
    """Closed whatever happens. Raises SandboxError."""
    with tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES) as state:
        gone = await solved.save_state(state, refuse=lambda path: bool(list_tampering([path])))
        sandbox = await factory.start(spec)
        try:
            await sandbox.load_state(state, gone=gone)
            yield sandbox
        finally:
            await sandbox.close()
