"""tmux's control mode: its protocol as events, and a client that matches replies to commands.

Owns: cutting the stream into lines, `%begin … %end` replies, unescaping of pane output. Pane output stays bytes, since
tmux may cut a character in two. Replies come in the order of the commands, so a queue matches them.
Refuses: knowing what a prompt or a screen is (prompt_marks.py, scrollback.py).
On failure: whatever ends the stream, or a reply that does not come in time, ends the client for good: pending and
later requests raise StreamEndedError, and nobody waits for ever. Lines and replies are bounded. Whether the session or
the whole sandbox is gone cannot be seen from here; terminal.py asks the sandbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from terminal_task_gen.errors import SandboxError
from terminal_task_gen.sandbox import ByteStream

MAX_LINE_BYTES = 4_000_000
MAX_REPLY_BYTES = 64_000_000
"""Further lines of a reply are thrown away."""
REPLY_TIMEOUT_SEC = 30.0
CLOSE_TIMEOUT_SEC = 5.0

_GUARD = re.compile(rb"%(begin|end|error) (\d+ \d+) (\d+)$")
_OUTPUT = re.compile(rb"%output (%\d+) (.*)$|%extended-output (%\d+) [^:]*: (.*)$", re.DOTALL)


class StreamEndedError(Exception):
    """The control stream is over; stays within this package."""


@dataclass(frozen=True)
class PaneOutput:
    """Raw bytes that a pane's program wrote."""

    pane: str
    data: bytes


@dataclass(frozen=True)
class PanePaused:
    """tmux withholds this pane's output, and forgets it, until told to continue."""

    pane: str


@dataclass(frozen=True)
class Reply:
    """What one command answered."""

    ok: bool
    ours: bool
    """False for commands of tmux's own command line."""
    lines: tuple[bytes, ...]

    @property
    def text(self) -> str:
        return b"\n".join(self.lines).decode(errors="replace")


@dataclass(frozen=True)
class Exited:
    """tmux said good-bye: the session is over."""

    reason: str


@dataclass(frozen=True)
class Stray:
    """A line that is not of the protocol, e.g. a complaint of the shell that was to start tmux."""

    text: str


Event = PaneOutput | PanePaused | Reply | Exited | Stray


def unescape_output(value: bytes) -> bytes:
    """Undo tmux's octal escapes (of control characters and the backslash); other bytes are as they were written."""
    if b"\\" not in value:
        return value
    return value.decode("unicode_escape").encode("latin-1")


class ControlParser:
    """Bytes in, events out."""

    def __init__(self, *, max_reply_bytes: int = MAX_REPLY_BYTES) -> None:
        self._max_reply_bytes = max_reply_bytes
        self._pieces: list[bytes] = []
        self._pieces_bytes = 0
        self._guard = b""
        """Time and number of the reply being read; empty outside of one."""
        self._reply: list[bytes] = []
        self._reply_bytes = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """Raises StreamEndedError when the stream is no control mode (a line without end, broken escapes)."""
        first, *rest = chunk.split(b"\n")
        self._pieces.append(first)
        self._pieces_bytes += len(first)
        if self._pieces_bytes > MAX_LINE_BYTES:
            raise StreamEndedError("a line of the control stream has no end")
        if not rest:
            return []
        lines = [b"".join(self._pieces), *rest[:-1]]
        self._pieces, self._pieces_bytes = [rest[-1]], len(rest[-1])
        events = (self._parse_line(line) for line in lines)
        return [event for event in events if event is not None]

    def _parse_line(self, line: bytes) -> Event | None:
        guard = _GUARD.match(line) if line.startswith((b"%begin", b"%end", b"%error")) else None
        if self._guard:
            if guard and guard[1] != b"begin" and guard[2] == self._guard:
                return self._end_reply(ok=guard[1] == b"end", ours=guard[3] == b"1")
            self._reply_bytes += len(line) + 1
            if self._reply_bytes <= self._max_reply_bytes:
                self._reply.append(line)
            return None
        if guard and guard[1] == b"begin":
            self._guard = guard[2]
            return None
        return _parse_notification(line)

    def _end_reply(self, *, ok: bool, ours: bool) -> Reply:
        reply = Reply(ok=ok, ours=ours, lines=tuple(self._reply))
        self._guard, self._reply, self._reply_bytes = b"", [], 0
        return reply


def _parse_notification(line: bytes) -> Event | None:
    output = _OUTPUT.match(line)
    if output:
        pane, value = (output[1], output[2]) if output[1] else (output[3], output[4])
        try:
            return PaneOutput(pane.decode(), unescape_output(value))
        except (UnicodeDecodeError, UnicodeEncodeError) as error:
            raise StreamEndedError("broken escape in the control stream") from error
    word, _, rest = line.partition(b" ")
    if word == b"%pause":
        return PanePaused(rest.decode(errors="replace"))
    if word == b"%exit":
        return Exited(rest.decode(errors="replace"))
    return None if word.startswith(b"%") or not line.strip() else Stray(line.decode(errors="replace"))


class ControlClient:
    """Commands to one tmux, replies in order; all else goes to `listen`, a batch per read."""

    def __init__(
        self,
        stream: ByteStream,
        listen: Callable[[Sequence[Event]], None],
        *,
        reply_timeout_sec: float = REPLY_TIMEOUT_SEC,
    ) -> None:
        self._reply_timeout_sec = reply_timeout_sec
        self._stream = stream
        self._listen = listen
        self._parser = ControlParser()
        self._pending: deque[asyncio.Future[Reply]] = deque()
        self._write_lock = asyncio.Lock()
        self.ended = False
        self.end_reason = ""
        self._reader = asyncio.create_task(self._read(), name="tmux-control-reader")

    async def request(self, *commands: str) -> list[Reply]:
        """Send command lines in one write, so that tmux runs them with nothing in between; their replies, in order.

        Raises StreamEndedError when tmux is gone, does not answer in time, or refuses: then the pane that
        the commands name is no more.
        """
        try:
            async with asyncio.timeout(self._reply_timeout_sec):
                replies = [await future for future in await self._send(commands)]
        except TimeoutError as error:
            self._end("tmux does not answer")
            raise StreamEndedError(self.end_reason) from error
        except SandboxError as error:
            self._end(f"cannot write: {error}")
            raise StreamEndedError(self.end_reason) from error
        for reply in replies:
            if not reply.ok:
                self._end(f"tmux refused: {reply.text}")
                raise StreamEndedError(self.end_reason)
        return replies

    async def _send(self, commands: Sequence[str]) -> list[asyncio.Future[Reply]]:
        async with self._write_lock:
            if self.ended:
                raise StreamEndedError(self.end_reason)
            futures = [asyncio.get_running_loop().create_future() for _ in commands]
            self._pending.extend(futures)
            await self._stream.write(b"".join(command.encode() + b"\n" for command in commands))
            return futures

    async def close(self) -> None:
        """Leave; the session and what runs in it go on. Idempotent."""
        self._end("closed")
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader
        # A dead engine may never answer the good-bye.
        with contextlib.suppress(TimeoutError, SandboxError):
            async with asyncio.timeout(CLOSE_TIMEOUT_SEC):
                await self._stream.close()

    async def _read(self) -> None:
        reason = "end of stream"
        try:
            while not self.ended and (chunk := await self._stream.read()):
                self._dispatch(self._parser.feed(chunk))
        except (StreamEndedError, SandboxError) as error:
            reason = str(error)
        finally:
            self._end(reason)

    def _dispatch(self, events: list[Event]) -> None:
        others: list[Event] = []
        for event in events:
            if isinstance(event, Reply) and event.ours:
                self._resolve(event)
            elif isinstance(event, Exited):
                self._listen(others)
                self._end(f"tmux left {event.reason}".strip())
                return
            else:
                others.append(event)
        if others:
            self._listen(others)

    def _resolve(self, reply: Reply) -> None:
        future = self._pending.popleft() if self._pending else None
        if future is not None and not future.done():
            future.set_result(reply)

    def _end(self, reason: str) -> None:
        if self.ended:
            return
        self.ended, self.end_reason = True, reason
        while self._pending:
            future = self._pending.popleft()
            if not future.done():
                future.set_exception(StreamEndedError(reason))
                future.exception()  # a future whose requester was cancelled must not complain
        self._listen([Exited(reason)])
