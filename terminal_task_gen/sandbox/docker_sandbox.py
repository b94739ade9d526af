"""A running container as a Sandbox.

After an end that looks like a kill from outside, the container must prove that it is alive before the end counts as the
command's own. What ends because we ended the container, for the disk it filled, is a DiskFullError. Where the process
table is full, commands of ours are given room for as long as they run: what a fork bomb has left can still be judged.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import IO

from terminal_task_gen.errors import DiskFullError, SandboxError
from terminal_task_gen.sandbox import ByteStream, ExecResult, SandboxFile, SandboxSpec
from terminal_task_gen.sandbox.archive import pack_files
from terminal_task_gen.sandbox.docker_command import POLL_SEC, Command, NotBegunError, RunningCommand, settle
from terminal_task_gen.sandbox.docker_engine import Engine
from terminal_task_gen.sandbox.docker_stream import DockerStream, Hijacked
from terminal_task_gen.sandbox.gate import open_gate
from terminal_task_gen.sandbox.state import is_carried, list_roots

KILLED = 137
MEBIBYTE = 1024 * 1024
KILL_TIMEOUT_SEC = 10.0
REMOVE_TIMEOUT_SEC = 60.0
SETTLE_SEC = 3.0
"""How long the engine may take to notice that a container has ended."""
SPARE_PROCESSES = 32
"""The engine's own helper, which enters a container with each command, counts with its threads."""
KILL_ALL_SCRIPT = "kill -KILL -1"
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


class DockerSandbox:
    """`lifeline` is the connection that holds the container's stdin open: when it goes, the container goes."""

    def __init__(
        self,
        engine: Engine,
        container_id: str,
        *,
        lifeline: Hijacked,
        spec: SandboxSpec,
        workdir: str,
        forget: Callable[[DockerSandbox], None],
    ) -> None:
        self._engine = engine
        self._lifeline = lifeline
        self._spec = spec
        self._workdir = workdir
        """Where commands run by default. Told to each: the engine starts none where its own default is gone."""
        self._overfull_bytes = 0
        """What it held when that was found to be too much."""
        self._forget = forget
        self._streams: list[DockerStream] = []
        self._gate: asyncio.Task[None] | None = None
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
        workdir: str | None = None,
        max_output_bytes: int = 1_000_000,
    ) -> ExecResult:
        command = Command(argv, env or {}, workdir or self._workdir, stdin, timeout_sec, max_output_bytes)
        with self._tell_overfull():
            try:
                result = await self._run(command)
            except NotBegunError:
                await self._require_alive()
                async with self._make_room():
                    result = await self._run(command)
            if result.exit_code == KILLED:
                await self._require_alive()
        return result

    async def open_stream(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> ByteStream:
        with self._tell_overfull():
            started = await self._engine.open_exec(
                self.container_id, argv, env=env or {}, workdir=self._workdir, stdin=True
            )
        stream = DockerStream(started.connection)
        self._streams.append(stream)
        return stream

    async def open_gate(self, hosts: Sequence[str]) -> None:
        """Let these hosts be reached until it is closed; its own network is none. Raises SandboxError."""
        self._gate = await open_gate(self, hosts)

    async def upload(self, files: Sequence[SandboxFile]) -> None:
        if files:
            with self._tell_overfull():
                await self._engine.put_archive(self.container_id, await asyncio.to_thread(pack_files, files))

    async def download(self, path: str, *, max_bytes: int = 10_000_000) -> bytes | None:
        with self._tell_overfull():
            return await self._engine.read_file(self.container_id, path, max_bytes)

    async def check_alive(self) -> None:
        with self._tell_overfull():
            await self._require_alive()

    async def list_changes(self) -> tuple[str, ...]:
        with self._tell_overfull():
            changes = await self._engine.list_changes(self.container_id)
        # Names need not be UTF-8; what is listed is for records.
        return tuple(sorted(os.fsencode(change.path).decode(errors="replace") for change in changes))

    async def save_state(self, file: IO[bytes], *, refuse: Callable[[str], bool]) -> tuple[str, ...]:
        with self._tell_overfull():
            changes = await self._engine.list_changes(self.container_id)
            kept = {change.path for change in changes if not change.deleted and not refuse(change.path)}
            await self._engine.save_paths(self.container_id, list_roots(kept), file, wanted=kept.__contains__)
        return tuple(sorted(c.path for c in changes if c.deleted and is_carried(c.path) and not refuse(c.path)))

    async def load_state(self, file: IO[bytes], *, gone: Sequence[str]) -> None:
        if gone:
            words = ["xargs", "-0", "rm", "-rf", "--"]
            names = "\0".join(gone).encode(errors="surrogateescape")
            await self.exec(words, stdin=names, timeout_sec=REMOVE_TIMEOUT_SEC, workdir="/")
        file.seek(0)
        with self._tell_overfull():
            await self._engine.put_archive(self.container_id, file)

    async def enforce_disk_limit(self) -> None:
        """End the container where it holds more than its `disk_mb`; what it was doing then is a DiskFullError."""
        held_bytes = await self._engine.measure_disk(self.container_id)
        if held_bytes > self._spec.disk_mb * MEBIBYTE:
            self._overfull_bytes = held_bytes
            await self._engine.remove(self.container_id)

    async def close(self) -> None:
        self._forget(self)
        for stream in self._streams:
            await stream.close()
        self._streams.clear()
        # Gone already, or the engine is away: hanging up settles its fate. Not before, or the engine would remove it by
        # itself meanwhile, and nobody would know when.
        with suppress(SandboxError):
            await self._engine.remove(self.container_id)
            await self._wait_until_not_running()
        await self._lifeline.close()

    @contextmanager
    def _tell_overfull(self) -> Iterator[None]:
        try:
            yield
        except SandboxError as error:
            if self._overfull_bytes:
                held_mb = self._overfull_bytes // MEBIBYTE
                raise DiskFullError("disk_full", f"{held_mb} MiB written, {self._spec.disk_mb} allowed") from error
            raise

    async def _run(self, command: Command) -> ExecResult:
        started = await self._engine.open_exec(
            self.container_id,
            command.build_words(),
            env=command.env,
            workdir="/",
            stdin=bool(command.stdin),
        )
        running = RunningCommand(self._engine, started, command)
        try:
            timed_out = not await running.wait_ended(command.timeout_sec)
            if timed_out:
                await self._kill(running)
            exit_code = KILLED if timed_out else await running.read_exit_code()
        finally:
            await running.close()
        stdout, stderr = running.transcript.stdout, running.transcript.stderr
        return ExecResult(
            exit_code=exit_code,
            stdout=stdout.content,
            stderr=stderr.content,
            timed_out=timed_out,
            truncated=stdout.truncated or stderr.truncated,
        )

    async def _kill(self, running: RunningCommand) -> None:
        """Kill its session, and all there is inside where that is not its end: a process that traces it holds it."""
        script = KILL_ALL_SCRIPT
        try:
            session = await running.wait_session(KILL_TIMEOUT_SEC)
            script = KILL_SCRIPT
        except NotBegunError:
            if await running.wait_ended(0.0):
                raise
            session = 0
        async with self._make_room():
            await self._run_quietly(["/bin/sh", "-c", script, "sh", str(session)])
            if session and not await running.wait_ended(KILL_TIMEOUT_SEC):
                await self._run_quietly(["/bin/sh", "-c", KILL_ALL_SCRIPT])
        if not await running.wait_ended(KILL_TIMEOUT_SEC):
            raise SandboxError("engine", f"the command outlived its time limit by {KILL_TIMEOUT_SEC:g} s")

    @asynccontextmanager
    async def _make_room(self) -> AsyncIterator[None]:
        await self._engine.limit_processes(self.container_id, self._spec.max_processes + SPARE_PROCESSES)
        try:
            yield
        finally:
            with suppress(SandboxError):
                await self._engine.limit_processes(self.container_id, self._spec.max_processes)

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
                return await settle(self._engine, started.exec_id)
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
