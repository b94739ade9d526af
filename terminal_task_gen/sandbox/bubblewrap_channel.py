"""The host's side of the socket to a sandbox's PID 1 (`bubblewrap_init.py`).

A request is four bytes of length and JSON; an `exec` carries the command's three file descriptors beside the length.
A report is a line of JSON. The end of the socket is the end of the sandbox: every request still waiting fails with
SandboxError, so death never passes for an exit code.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Mapping, Sequence

from terminal_task_gen.errors import SandboxError

LENGTH = struct.Struct("!I")


class Channel:
    """Requests to PID 1 and its reports."""

    def __init__(self, control: socket.socket) -> None:
        control.setblocking(False)
        self._control = control
        self._sending = asyncio.Lock()
        self._next_id = 0
        self._waiting: dict[int, asyncio.Future[int]] = {}
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.dead = asyncio.Event()
        self._reading = asyncio.create_task(self._read_reports())

    async def wait_ready(self) -> bool:
        """True when PID 1 serves, False when it died before."""
        await asyncio.wait({self._ready, self._reading}, return_when=asyncio.FIRST_COMPLETED)
        return self._ready.done() and not self._ready.cancelled()

    async def request_exec(self, argv: Sequence[str], env: Mapping[str, str], fds: Sequence[int]) -> Command:
        """Start a command. Raises SandboxError when the sandbox is dead."""
        command = Command(self, self._next_id)
        self._next_id += 1
        self._waiting[command.request_id] = command.exited
        request = {"op": "exec", "id": command.request_id, "argv": list(argv), "env": dict(env)}
        try:
            await self.send(request, fds)
        except BaseException:  # cancellation included; raised again
            self.forget(command.request_id)
            raise
        return command

    async def send(self, request: Mapping[str, object], fds: Sequence[int] = ()) -> None:
        payload = json.dumps(request).encode()
        loop = asyncio.get_running_loop()
        async with self._sending:
            if self.dead.is_set():
                raise SandboxError("sandbox_died", "the sandbox is gone")
            try:
                await self._send_header(LENGTH.pack(len(payload)), fds)
                await loop.sock_sendall(self._control, payload)
            except OSError as error:
                raise SandboxError("sandbox_died", f"the sandbox's init does not answer: {error}") from error
            except asyncio.CancelledError:
                # Half a request would garble the ones after it.
                self._control.shutdown(socket.SHUT_RDWR)
                raise

    def forget(self, request_id: int) -> None:
        """Nobody waits for this report any more."""
        waiting = self._waiting.pop(request_id, None)
        if waiting is not None:
            waiting.cancel()

    async def close(self) -> None:
        """Hang up: PID 1 ends and everything inside with it. Idempotent."""
        self._reading.cancel()
        await asyncio.wait({self._reading})
        self._bury()
        self._control.close()

    async def _send_header(self, header: bytes, fds: Sequence[int]) -> None:
        while True:
            try:
                # Four bytes on a stream socket go whole or not at all.
                socket.send_fds(self._control, [header], list(fds))
                return
            except BlockingIOError:
                await asyncio.sleep(0.001)

    async def _read_reports(self) -> None:
        loop = asyncio.get_running_loop()
        buffered = b""
        try:
            while chunk := await loop.sock_recv(self._control, 65536):
                *lines, buffered = (buffered + chunk).split(b"\n")
                for line in lines:
                    self._take_report(json.loads(line))
        except OSError:
            pass
        finally:
            self._bury()

    def _take_report(self, report: Mapping[str, object]) -> None:
        if "ready" in report:
            self._ready.set_result(None)
            return
        waiting = self._waiting.pop(int(str(report["id"])), None)
        if waiting is None or waiting.done():
            return
        if "error" in report:
            waiting.set_exception(SandboxError("engine", f"the command could not be started: {report['error']}"))
        else:
            waiting.set_result(int(str(report["exit_code"])))

    def _bury(self) -> None:
        self.dead.set()
        while self._waiting:
            _, waiting = self._waiting.popitem()
            if not waiting.done():
                waiting.set_exception(SandboxError("sandbox_died", "the sandbox died while a command was running"))
                waiting.exception()  # a stream's exit is often awaited by nobody


class Command:
    """A started command: its exit code to come, and the way to kill it."""

    def __init__(self, channel: Channel, request_id: int) -> None:
        self._channel = channel
        self.request_id = request_id
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def kill(self) -> None:
        """Kill its process group and session inside."""
        await self._channel.send({"op": "kill", "id": self.request_id})
