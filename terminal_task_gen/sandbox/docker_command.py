"""One command in a container, from its first word to its exit code.

It starts as a two-line shell that says its process id and becomes the command: that word proves that the command ran
(without it, whatever came out was the engine's complaint), and names the session to be killed at the time limit.
Nothing inside but /bin/sh is needed.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from terminal_task_gen.errors import SandboxError
from terminal_task_gen.sandbox.docker_engine import Engine, Exec
from terminal_task_gen.sandbox.docker_stream import STDERR, STDOUT, Hijacked
from terminal_task_gen.sandbox.output import Output
from terminal_task_gen.sandbox.shell import ENTER_SCRIPT

SETTLE_SEC = 5.0
"""How long the engine may take to write down an exit code after the streams have ended."""
POLL_SEC = 0.02
RUN_SCRIPT = f"echo pid:$$ >&2; {ENTER_SCRIPT}"
_BEGIN = re.compile(rb"^pid:(\d+)\n", re.MULTILINE)
_MAX_HEAD_BYTES = 65_536


@dataclass(frozen=True)
class Command:
    argv: Sequence[str]
    env: Mapping[str, str]
    workdir: str
    stdin: bytes
    timeout_sec: float
    max_output_bytes: int

    def build_words(self) -> list[str]:
        return ["/bin/sh", "-c", RUN_SCRIPT, "sh", self.workdir, *self.argv]


class NotBegunError(SandboxError):
    """The engine could not start the command; the evidence is what it said."""


class Transcript:
    """Both streams of a command. Output begins after the line of stderr that says its process id.

    What comes before that is not the command's: the dynamic linker complains there of a bad /etc/ld.so.preload, and a
    teacher who wrote one must not get out of its verdict by it.
    """

    def __init__(self, max_bytes: int) -> None:
        self.stdout = Output(max_bytes)
        self.stderr = Output(max_bytes)
        self.session: int | None = None
        self.begun = asyncio.Event()
        self._head = b""

    async def collect(self, connection: Hijacked) -> None:
        async for chunk in connection.iterate_chunks():
            if chunk.kind == STDOUT:
                self.stdout.take(chunk.data)
            elif chunk.kind == STDERR:
                self._take_stderr(chunk.data)

    @property
    def complaint(self) -> str:
        """What came instead of a command."""
        return (self._head + self.stdout.content).decode(errors="replace").strip()[:2000]

    def _take_stderr(self, data: bytes) -> None:
        if self.session is not None:
            self.stderr.take(data)
            return
        self._head = (self._head + data)[-_MAX_HEAD_BYTES:]
        begin = _BEGIN.search(self._head)
        if begin is not None:
            self.session = int(begin[1])
            self.begun.set()
            if rest := self._head[begin.end() :]:
                self.stderr.take(rest)


class RunningCommand:
    """Reads all the time, also while it is being killed: an engine that cannot write does not kill either."""

    def __init__(self, engine: Engine, started: Exec, command: Command) -> None:
        self._engine = engine
        self._started = started
        self.transcript = Transcript(command.max_output_bytes)
        self._collecting = asyncio.create_task(self.transcript.collect(started.connection))
        self._feeding = asyncio.create_task(feed(started.connection, command.stdin))

    async def wait_ended(self, timeout_sec: float) -> bool:
        """Whether its streams ended in time."""
        await asyncio.wait({self._collecting}, timeout=timeout_sec)
        return self._collecting.done()

    async def wait_session(self, timeout_sec: float) -> int:
        """The session to kill. Raises NotBegunError when the command does not begin by then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_sec):
                await self.transcript.begun.wait()
        return self._require_begun()

    async def read_exit_code(self) -> int:
        """After its end. Raises NotBegunError when it never began."""
        self._require_begun()
        return await settle(self._engine, self._started.exec_id)

    async def close(self) -> None:
        self._collecting.cancel()
        self._feeding.cancel()
        await asyncio.gather(self._collecting, self._feeding, return_exceptions=True)
        await self._started.connection.close()

    def _require_begun(self) -> int:
        if self.transcript.session is None:
            raise NotBegunError("engine", f"the command could not be started: {self.transcript.complaint}")
        return self.transcript.session


async def settle(engine: Engine, exec_id: str) -> int:
    """The exit code, which the engine writes down a little after the streams have ended."""
    deadline = time.monotonic() + SETTLE_SEC
    while True:
        state = await engine.inspect_exec(exec_id)
        if not state.running and state.exit_code is not None:
            return state.exit_code
        if time.monotonic() > deadline:
            raise SandboxError("engine", "a command's streams ended without an exit code")
        await asyncio.sleep(POLL_SEC)


async def feed(connection: Hijacked, data: bytes) -> None:
    """Write a command's stdin and end it; a command need not read it all."""
    if data:
        with suppress(OSError):
            await connection.write(data)
        connection.end_input()
