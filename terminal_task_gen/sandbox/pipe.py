"""One end of a pipe on the event loop: no thread, no buffer of its own, so the other side feels backpressure.

Owns its file descriptor. Every read and write gives the loop a turn, so a process that never stops talking cannot
starve timers. One reader or one writer at a time.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from typing import Any

from terminal_task_gen.errors import SandboxError


class PipeEnd:
    """The host's end of a pipe to a process in a sandbox."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._waiting: asyncio.Future[None] | None = None

    async def read(self, max_bytes: int = 65536) -> bytes:
        """Next bytes as they come; b"" at end of stream or when closed meanwhile."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)
        while self._fd >= 0:
            try:
                return os.read(self._fd, max_bytes)
            except BlockingIOError:
                await self._wait_ready(loop.add_reader, loop.remove_reader)
        return b""

    async def write(self, data: bytes) -> None:
        """Write all of `data`. Raises BrokenPipeError when nobody reads any more or it was closed meanwhile."""
        loop = asyncio.get_running_loop()
        view = memoryview(data)
        await asyncio.sleep(0)
        while view:
            if self._fd < 0:
                raise BrokenPipeError("closed")
            try:
                view = view[os.write(self._fd, view[:65536]) :]
            except BlockingIOError:
                await self._wait_ready(loop.add_writer, loop.remove_writer)

    def close(self) -> None:
        """Idempotent; a waiting reader sees the end of the stream."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        if self._waiting is not None:
            # A waiter that is being cancelled may still have its watch on, and the number is soon used again.
            self._waiting.get_loop().remove_reader(fd)
            self._waiting.get_loop().remove_writer(fd)
            set_done(self._waiting)
        os.close(fd)

    async def _wait_ready(self, watch: Callable[..., Any], unwatch: Callable[[int], Any]) -> None:
        fd = self._fd
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting = waiting
        watch(fd, set_done, waiting)
        try:
            await waiting
        finally:
            self._waiting = None
            if self._fd == fd:
                unwatch(fd)


def set_done(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


class Pipes:
    """The three pipes of a process in a sandbox. `theirs` are its file descriptors, to be handed over and closed.

    Raises SandboxError when this process has no file descriptors left.
    """

    def __init__(self, *, with_stderr: bool = True) -> None:
        fds: list[int] = []
        try:
            for _ in range(2):
                fds += os.pipe()
            fds += os.pipe() if with_stderr else (-1, os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC))
        except OSError as error:
            close_all(fds)
            raise SandboxError("engine", f"no pipes left, raise `ulimit -n`: {error.strerror}") from error
        self.theirs = [fds[0], fds[3], fds[5]]
        self.stdin, self.stdout = PipeEnd(fds[1]), PipeEnd(fds[2])
        self.stderr = PipeEnd(fds[4]) if with_stderr else None

    def close_theirs(self) -> None:
        close_all(self.theirs)
        self.theirs.clear()

    def close(self) -> None:
        self.close_theirs()
        for end in (self.stdin, self.stdout, self.stderr):
            if end is not None:
                end.close()


def close_all(fds: Iterable[int]) -> None:
    for fd in fds:
        if fd >= 0:
            os.close(fd)
