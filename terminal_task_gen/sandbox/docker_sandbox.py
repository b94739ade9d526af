"""A running container as a Sandbox.

Every command starts as a two-line shell that says its process id and becomes the command: that word proves that the
command ran (without it, whatever came out was the engine's complaint), and names the session to be killed at the time
limit. Nothing inside but /bin/sh is needed, nor a free slot in the process table. After an end that looks like a kill
from outside, the container must prove that it is alive before the end counts as the command's own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from terminal_task_gen.errors import SandboxError
from terminal_task_gen.sandbox import WORKDIR, ByteStream, ExecResult, SandboxFile
from terminal_task_gen.sandbox.archive import pack_files
from terminal_task_gen.sandbox.docker_engine import Engine, Exec
from terminal_task_gen.sandbox.docker_stream import STDERR, STDOUT, DockerStream, Hijacked
from terminal_task_gen.sandbox.output import Output
from terminal_task_gen.sandbox.shell import ENTER_SCRIPT

KILLED = 137
KILL_TIMEOUT_SEC = 10.0
SETTLE_SEC = 3.0
"""How long the engine may take to notice what has happened."""
POLL_SEC = 0.02
RUN_SCRIPT = f"echo $$ >&2; {ENTER_SCRIPT}"
KILL_SCRIPT = """
session=$1
kill -KILL -- -$session
left=50
while [ $left -gt 0 ]; do
    left=$((left - 1)) found=
    for stat in /proc/[0-9]*/stat; do
        { read -r line <"$stat"; } 2>/dev/null || continue
        pid=${stat#/proc/} pid=${pid%/stat}
        set -- ${line##*) }
        [ "$4" = "$session" ] && [ "$1" != Z ] && kill -KILL "$pid" && found=1
    done
    [ "$found" ] || exit 0
done
"""
"""Shell builtins only: it must work where no process can be made any more."""


class Transcript:
    """Both streams of a command; the first line of stderr is its process id, not output."""

    def __init__(self, max_bytes: int) -> None:
        self.stdout = Output(max_bytes)
        self.stderr = Output(max_bytes)
        self.session: int | None = None
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
        line, newline, rest = (self._head + data).partition(b"\n")
        if newline and line.isdigit():
            self.session = int(line)
            if rest:
                self.stderr.take(rest)
        else:
            self._head += data


class DockerSandbox:
    """`lifeline` is the connection that holds the container's stdin open: when it goes, the container goes."""

    def __init__(
        self, engine: Engine, container_id: str, lifeline: Hijacked, forget: Callable[[DockerSandbox], None]
    ) -> None:
        self._engine = engine
        self._lifeline = lifeline
        self._forget = forget
        self._streams: list[DockerStream] = []
        self.container_id = container_id

    @property
    def driver(self) -> str:
        return "docker"

    async def exec(
        self,
        argv: Sequence[str],
        *,
        timeout_sec: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        workdir: str = WORKDIR,
        max_output_bytes: int = 1_000_000,
    ) -> ExecResult:
        words = ["/bin/sh", "-c", RUN_SCRIPT, "sh", workdir, *argv]
        command = DockerCommand(words, stdin, env or {}, timeout_sec, max_output_bytes)
        outcome = await self._run(command)
        if not outcome.began:
            await self._require_alive()
            async with self._make_room():
                outcome = await self._run(command)
        if not outcome.began:
            raise SandboxError("engine", f"the command could not be started: {outcome.complaint}")
        if outcome.result.exit_code == KILLED:
            await self._require_alive()
        return outcome.result

    async def open_stream(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> ByteStream:
        started = await self._engine.open_exec(self.container_id, argv, env=env or {}, workdir=WORKDIR, stdin=True)
        stream = DockerStream(started.connection)
        self._streams.append(stream)
        return stream

    async def upload(self, files: Sequence[SandboxFile]) -> None:
        if files:
            await self._engine.put_archive(self.container_id, await asyncio.to_thread(pack_files, files))

    async def download(self, path: str, *, max_bytes: int = 10_000_000) -> bytes | None:
        return await self._engine.read_file(self.container_id, path, max_bytes)

    async def list_changes(self) -> tuple[str, ...]:
        return tuple(sorted(await self._engine.list_changed_paths(self.container_id)))

    async def close(self) -> None:
        self._forget(self)
        for stream in self._streams:
            await stream.close()
        self._streams.clear()
        await self._lifeline.close()
        # Gone already, being removed by the engine, or the engine is away: hanging up has settled its fate.
        with suppress(SandboxError):
            await self._engine.remove(self.container_id)
        await self._wait_until_not_running()

    async def _follow(self, started: Exec, transcript: Transcript, stdin: bytes, timeout_sec: float) -> bool:
        """Until the command's streams have ended; kills its session at the time limit: False."""
        feeding = asyncio.create_task(feed(started.connection, stdin))
        try:
            if await collect_for(timeout_sec, transcript, started.connection):
                return True
            await self._kill_session(transcript.session)
            if not await collect_for(KILL_TIMEOUT_SEC, transcript, started.connection):
                raise SandboxError("engine", f"the command outlived its time limit by {KILL_TIMEOUT_SEC:g} s")
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
        return False

    async def _settle(self, exec_id: str) -> int:
        """The exit code, which the engine writes down a little after the streams have ended."""
        deadline = time.monotonic() + SETTLE_SEC
        while True:
            state = await self._engine.inspect_exec(exec_id)
            if not state.running and state.exit_code is not None:
                return state.exit_code
            if time.monotonic() > deadline:
                raise SandboxError("engine", "a command's streams ended without an exit code")
            await asyncio.sleep(POLL_SEC)

    async def _kill_session(self, session: int | None) -> None:
        if session is not None:
            await self._run_quietly(["/bin/sh", "-c", KILL_SCRIPT, "sh", str(session)])

    async def _require_alive(self) -> None:
        """Raises SandboxError when the container is dead or dying.

        A dying container may still be called running, but no process can be started in it.
        """
        with suppress(SandboxError):
            if await self._run_quietly(["/bin/true"]) == 0:
                return
        if await self._wait_until_not_running():
            raise SandboxError("sandbox_died", "the container ended while a command was running")

    async def _run_quietly(self, argv: Sequence[str]) -> int | None:
        started = await self._engine.open_exec(self.container_id, argv, env={}, workdir="/", stdin=False)
        try:
            async with asyncio.timeout(KILL_TIMEOUT_SEC):
                async for _ in started.connection.iterate_chunks():
                    pass
                return await self._settle(started.exec_id)
        except TimeoutError:
            return None
        finally:
            await started.connection.close()

    async def _wait_until_not_running(self) -> bool:
        deadline = time.monotonic() + SETTLE_SEC
        while await self._engine.is_running(self.container_id):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_SEC)
        return True


async def feed(connection: Hijacked, data: bytes) -> None:
    """Write a command's stdin and end it; a command need not read it all."""
    if data:
        with suppress(OSError):
            await connection.write(data)
        connection.end_input()


async def collect_for(duration_sec: float, transcript: Transcript, connection: Hijacked) -> bool:
    """False when the streams have not ended by then; collecting may go on."""
    try:
        async with asyncio.timeout(duration_sec):
            await transcript.collect(connection)
    except TimeoutError:
        return False
    return True
