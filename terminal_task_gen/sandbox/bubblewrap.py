"""Bubblewrap driver: sandboxes on a machine without a container engine, as root or as an ordinary user.

A sandbox is one `bwrap` whose PID 1 is our own small init (`bubblewrap_init.py`). Everything that runs inside descends
from it and so keeps the few capabilities and the limits it was given; entering the namespaces from outside (nsenter)
was refused because it hands the command all capabilities of the namespace and cannot tell its death from ours.

Promises on failure: exit codes come from PID 1 alone, so a dead sandbox is a SandboxError. Nothing outlives `ttg`, even
killed: PID 1 ends with its socket, and the kernel ends the rest. Limits: `disk_mb` for all that is written,
`max_processes` in all; `memory_mb` holds for each process, and `cpus` is not enforced.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO

from terminal_task_gen.errors import PrerequisiteError, SandboxError
from terminal_task_gen.sandbox import ENVIRONMENT, WORKDIR, ByteStream, ExecResult, SandboxFile, SandboxSpec
from terminal_task_gen.sandbox.archive import pack_files
from terminal_task_gen.sandbox.bubblewrap_channel import Channel, Command
from terminal_task_gen.sandbox.bubblewrap_layout import Layout, find_python
from terminal_task_gen.sandbox.bubblewrap_process import end_process, explain_refusal, list_options, spawn_bwrap
from terminal_task_gen.sandbox.output import Output
from terminal_task_gen.sandbox.pipe import PipeEnd, Pipes
from terminal_task_gen.sandbox.shell import ENTER_SCRIPT
from terminal_task_gen.sandbox.state import filter_archive, is_carried

START_TIMEOUT_SEC = 20.0
KILL_TIMEOUT_SEC = 10.0
ALIVE_TIMEOUT_SEC = 20.0
DRAIN_SEC = 0.5
"""After the command has ended, what it left in the background may hold its output open this long."""
TRANSFER_TIMEOUT_SEC = 300.0
KILLED = 137
READ_SCRIPT = '[ -f "$1" ] && [ ! -L "$1" ] || exit 44; exec head -c "$2" -- "$1"'


class BubblewrapStream:
    """The pipes of a long-lived process; its stderr goes nowhere."""

    def __init__(self, pipes: Pipes) -> None:
        self._pipes = pipes

    async def read(self, max_bytes: int = 65536) -> bytes:
        return await self._pipes.stdout.read(max_bytes)

    async def write(self, data: bytes) -> None:
        try:
            await self._pipes.stdin.write(data)
        except OSError as error:
            raise SandboxError("stream_closed", str(error)) from error

    async def close(self) -> None:
        self._pipes.close()


class BubblewrapSandbox:
    """One running bwrap."""

    def __init__(
        self, process: subprocess.Popen[bytes], channel: Channel, path: str, forget: Callable[[BubblewrapSandbox], None]
    ) -> None:
        self._process = process
        self._channel = channel
        self._environment = {**ENVIRONMENT, "PATH": path}
        self._forget = forget
        self._streams: list[BubblewrapStream] = []

    @property
    def driver(self) -> str:
        return "bubblewrap"

    @property
    def pid(self) -> int:
        """Of bwrap, on the host."""
        return self._process.pid

    async def wait_started(self, complaints: IO[bytes]) -> None:
        """Until PID 1 serves. Raises SandboxError with what bwrap wrote to `complaints`; the sandbox is closed then."""
        ready = False
        try:
            async with asyncio.timeout(START_TIMEOUT_SEC):
                ready = await self._channel.wait_ready()
        except TimeoutError:
            pass
        finally:
            if not ready:
                await self.close()
        if not ready:
            complaints.seek(0)
            evidence = complaints.read(2000).decode(errors="replace").strip()
            raise SandboxError("sandbox_start", evidence or f"bwrap ended with exit code {self._process.returncode}")

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
        pipes = Pipes()
        stdout, stderr = Output(max_output_bytes), Output(max_output_bytes)
        tasks: list[asyncio.Task[None]] = []
        try:
            command = await self._start(argv, env, workdir or WORKDIR, pipes)
            feeding = asyncio.create_task(feed(pipes.stdin, stdin))
            draining = [
                asyncio.create_task(drain(pipes.stdout, stdout)),
                asyncio.create_task(drain(pipes.stderr, stderr)),
            ]
            tasks = [feeding, *draining]
            exit_code = await await_exit(command, timeout_sec)
            await asyncio.wait(draining, timeout=DRAIN_SEC)
        finally:
            for task in tasks:
                task.cancel()
            pipes.close()
            await asyncio.gather(*tasks, return_exceptions=True)
        return ExecResult(
            exit_code=KILLED if exit_code is None else exit_code,
            stdout=stdout.content,
            stderr=stderr.content,
            timed_out=exit_code is None,
            truncated=stdout.truncated or stderr.truncated,
        )

    async def open_stream(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> ByteStream:
        pipes = Pipes(with_stderr=False)
        try:
            await self._start(argv, env, WORKDIR, pipes)
        except BaseException:  # cancellation included; raised again
            pipes.close()
            raise
        stream = BubblewrapStream(pipes)
        self._streams.append(stream)
        return stream

    async def upload(self, files: Sequence[SandboxFile]) -> None:
        if not files:
            return
        archive = await asyncio.to_thread(pack_files, files)
        argv = ["tar", "-x", "-p", "-f", "-", "-C", "/", "--no-same-owner", "--keep-directory-symlink"]
        result = await self.exec(argv, stdin=archive, timeout_sec=TRANSFER_TIMEOUT_SEC, workdir="/")
        if result.exit_code != 0:
            raise SandboxError("engine", f"upload failed: {result.text.strip()[:2000]}")

    async def download(self, path: str, *, max_bytes: int = 10_000_000) -> bytes | None:
        result = await self.exec(
            ["/bin/sh", "-c", READ_SCRIPT, "sh", path, str(max_bytes)],
            timeout_sec=TRANSFER_TIMEOUT_SEC,
            workdir="/",
            max_output_bytes=max_bytes,
        )
        return result.stdout if result.exit_code == 0 else None

    async def check_alive(self) -> None:
        await self.exec(["true"], timeout_sec=ALIVE_TIMEOUT_SEC, workdir="/")

    async def list_changes(self) -> tuple[str, ...]:
        return ()

    async def save_state(self, file: IO[bytes], *, refuse: Callable[[str], bool]) -> tuple[str, ...]:
        with tempfile.TemporaryFile() as raw:
            listed = await self.exec(["find", "/", "-mindepth", "1", "-maxdepth", "1", "-print0"], timeout_sec=60.0)
            roots = [name for name in listed.stdout.decode(errors="surrogateescape").split("\0") if is_carried(name)]
            names = [root.lstrip("/") for root in roots if root != "/etc"]
            stream = await self.open_stream(["tar", "-c", "-f", "-", "-C", "/", "--", *names])
            while chunk := await stream.read():
                await asyncio.to_thread(raw.write, chunk)
            await stream.close()
            raw.seek(0)
            try:
                await asyncio.to_thread(filter_archive, raw, file, lambda path: not refuse(path))
            except tarfile.TarError as error:
                raise SandboxError("engine", f"the files could not be read: {error}") from error
        return ()

    async def load_state(self, file: IO[bytes], *, gone: Sequence[str]) -> None:
        file.seek(0)
        # A tar that has seen the end of its archive ends, whatever else may come.
        stream = await self.open_stream(["sh", "-c", 'tar -x -p -f - -C / --keep-directory-symlink && echo "done"'])
        while chunk := await asyncio.to_thread(file.read, 1 << 20):
            await stream.write(chunk)
        said = await stream.read()
        await stream.close()
        if said != b"done\n":
            raise SandboxError("engine", "the files could not be unpacked")

    async def close(self) -> None:
        self._forget(self)
        for stream in self._streams:
            await stream.close()
        self._streams.clear()
        await self._channel.close()
        await end_process(self._process)

    async def _start(self, argv: Sequence[str], env: Mapping[str, str] | None, workdir: str, pipes: Pipes) -> Command:
        command = await self._channel.request_exec(
            ["/bin/sh", "-c", ENTER_SCRIPT, "sh", workdir, *argv],
            {**self._environment, **(env or {})},
            pipes.theirs,
        )
        pipes.close_theirs()
        return command


class BubblewrapFactory:
    """Starts bwrap. Sandboxes die with this process, so there is never anything to sweep."""

    def __init__(self) -> None:
        self._open: set[BubblewrapSandbox] = set()
        self._options: frozenset[str] | None = None

    @property
    def name(self) -> str:
        return "bubblewrap"

    async def check(self, images: Sequence[str]) -> None:
        missing = ["bwrap"] if shutil.which("bwrap") is None else []
        missing += [name for name in ("tmux", "bash") if shutil.which(name, path=ENVIRONMENT["PATH"]) is None]
        if find_python() is None:
            missing.append("python3")
        if missing:
            packages = " ".join(missing).replace("bwrap", "bubblewrap")
            raise PrerequisiteError(f"{', '.join(missing)} not found; run: sudo apt-get install {packages}")
        try:
            sandbox = await self.start(SandboxSpec(image="", run_id="check", item_id="check"))
        except SandboxError as error:
            raise PrerequisiteError(explain_refusal(error.evidence)) from error
        await sandbox.close()

    async def ping(self) -> float:
        return 0.0

    async def get_image_digest(self, image: str) -> str:
        return ""

    async def start(self, spec: SandboxSpec) -> BubblewrapSandbox:
        python = find_python()
        if python is None:
            raise SandboxError("sandbox_start", "no python3 that could be shown in the sandbox")
        ours, theirs = socket.socketpair()
        with theirs, tempfile.TemporaryFile() as complaints:
            try:
                self._options = await asyncio.to_thread(list_options) if self._options is None else self._options
                layout = Layout(spec, python, self._options)
                try:
                    process = spawn_bwrap(layout, theirs, complaints)
                finally:
                    layout.close()
            except OSError as error:
                ours.close()
                raise SandboxError("sandbox_start", f"bwrap could not be started: {error}") from error
            theirs.close()
            sandbox = BubblewrapSandbox(process, Channel(ours), layout.build_path(), self._open.discard)
            self._open.add(sandbox)
            await sandbox.wait_started(complaints)
        return sandbox

    async def sweep(self, run_id: str | None = None) -> int:
        return 0

    async def close(self) -> None:
        for sandbox in tuple(self._open):
            await sandbox.close()


async def await_exit(command: Command, timeout_sec: float) -> int | None:
    """The exit code, or None when it was killed at its time limit. Raises SandboxError when the sandbox died."""
    try:
        await asyncio.wait({command.exited}, timeout=timeout_sec)
    except asyncio.CancelledError:
        with suppress(SandboxError):
            await command.kill()
        raise
    if command.exited.done():
        return command.exited.result()
    await command.kill()
    await asyncio.wait({command.exited}, timeout=KILL_TIMEOUT_SEC)
    if not command.exited.done():
        raise SandboxError("engine", f"the command did not die within {KILL_TIMEOUT_SEC:g} s of its time limit")
    command.exited.result()
    return None


async def feed(end: PipeEnd, data: bytes) -> None:
    """Write a command's stdin and end it; a command need not read it all."""
    with suppress(BrokenPipeError):
        await end.write(data)
    end.close()


async def drain(end: PipeEnd | None, output: Output) -> None:
    while end is not None and (chunk := await end.read()):
        output.take(chunk)
