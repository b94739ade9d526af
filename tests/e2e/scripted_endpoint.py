"""The scripted teacher as a process of its own, as `ttg teacher serve` runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.demo_run import ENVIRON


@contextmanager
def serve_scripted(*arguments: str) -> Iterator[str]:
    """Its base URL; `arguments` go to `ttg teacher serve`."""
    command = [sys.executable, "-m", "terminal_task_gen", "teacher", "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**ENVIRON, "PYTHONUNBUFFERED": "1"}
    ) as server:
        assert server.stdout is not None
        try:
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found, "the scripted teacher did not start"
            yield found[0]
        finally:
            server.kill()
