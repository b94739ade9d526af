"""Many connections over one pair of pipes; and the program that offers them inside a sandbox as an HTTP proxy's port.

gate.py is the other end. As a program it is only ever executed inside a sandbox, without a network: it listens on the
loopback and passes on what comes, understanding nothing of it. It stands alone: standard library, Python 3.10 or later.

    frame: kind (1 byte), connection (4), size (4), then, of DATA, so many bytes
    DATA opens the connection where it is new; ACK gives back what was taken in, so that nobody sends more than
    WINDOW_BYTES ahead and a slow connection holds up no other; END: no more of my bytes; CLOSE: it broke at my end
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Awaitable, Callable

PORT = 3128
DATA, ACK, END, CLOSE = range(4)
HEADER = struct.Struct("!BII")
PIECE_BYTES = 32_768
WINDOW_BYTES = 262_144
MAX_CONNECTIONS = 128
Send = Callable[[bytes], Awaitable[None]]
"""All of it, and nobody else's between."""


class BrokenLinkError(Exception):
    """The other end does not keep to the frames."""


class Channel:
    """One connection's way through."""

    def __init__(self, number: int, send: Send) -> None:
        self._number = number
        self._send = send
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._held_bytes = 0
        self._credit_bytes = WINDOW_BYTES
        self._credited = asyncio.Event()

    async def read(self) -> bytes:
        """The next bytes; none at the end."""
        data = await self._inbox.get()
        if data:
            self._held_bytes -= len(data)
            await self._send(HEADER.pack(ACK, self._number, len(data)))
        return data

    async def write(self, data: bytes) -> None:
        while data:
            while self._credit_bytes <= 0:
                self._credited.clear()
                await self._credited.wait()
            piece = data[: min(PIECE_BYTES, self._credit_bytes)]
            self._credit_bytes -= len(piece)
            await self._send(HEADER.pack(DATA, self._number, len(piece)) + piece)
            data = data[len(piece) :]

    async def end(self) -> None:
        """No more will be written."""
        await self._send(HEADER.pack(END, self._number, 0))

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry all between the connection and these streams, in both directions to their ends."""
        ways = [asyncio.ensure_future(self._carry_out(reader)), asyncio.ensure_future(self._carry_in(writer))]
        try:
            await asyncio.gather(*ways)
        finally:
            for way in ways:
                way.cancel()
            writer.close()

    def take(self, kind: int, size: int, data: bytes) -> None:
        """A frame of the other end's."""
        if kind == ACK:
            self._credit_bytes += size
            self._credited.set()
            return
        self._held_bytes += size
        if self._held_bytes > WINDOW_BYTES:
            raise BrokenLinkError
        self._inbox.put_nowait(data)

    async def _carry_out(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(PIECE_BYTES):
            await self.write(data)
        await self.end()

    async def _carry_in(self, writer: asyncio.StreamWriter) -> None:
        while data := await self.read():
            writer.write(data)
            await writer.drain()
        writer.write_eof()


class Link:
    """`serve` is what is done with each connection that the other end opens, if it may open any."""

    def __init__(self, send: Send, serve: Callable[[Channel], Awaitable[None]] | None = None) -> None:
        self._send = send
        self._serve = serve
        self._channels: dict[int, Channel] = {}
        self._serving: dict[int, asyncio.Future[None]] = {}
        self._last = 0
        self.ready = asyncio.Event()
        """The other end has said something."""

    def open(self, serve: Callable[[Channel], Awaitable[None]], number: int | None = None) -> None:
        """A connection, served in the background."""
        number = self._last = number or self._last + 1
        self._channels[number] = Channel(number, self._send)
        self._serving[number] = asyncio.ensure_future(self._run(number, serve))
        self._serving[number].add_done_callback(lambda _: self._forget(number))

    async def receive(self, read_exactly: Callable[[int], Awaitable[bytes]]) -> None:
        """Until the other end is gone; then nothing is served any more. Raises BrokenLinkError."""
        try:
            while True:
                kind, number, size = HEADER.unpack(await read_exactly(HEADER.size))
                if kind > CLOSE or (kind == DATA and size > PIECE_BYTES):
                    raise BrokenLinkError
                data = await read_exactly(size) if kind == DATA else b""
                self.ready.set()
                if not self._take(kind, number, size, data) and kind == DATA:
                    await self._send(HEADER.pack(CLOSE, number, 0))
        except EOFError:
            pass
        finally:
            for serving in tuple(self._serving.values()):
                serving.cancel()

    def _take(self, kind: int, number: int, size: int, data: bytes) -> bool:
        """Whether there is such a connection."""
        is_new = kind == DATA and number > self._last and len(self._channels) < MAX_CONNECTIONS
        if is_new and self._serve is not None:
            self.open(self._serve, number)
        if number not in self._channels:
            return False
        if kind == CLOSE:
            self._serving[number].cancel()
        else:
            self._channels[number].take(kind, 0 if kind == END else size, data)
        return True

    def _forget(self, number: int) -> None:
        del self._channels[number], self._serving[number]

    async def _run(self, number: int, serve: Callable[[Channel], Awaitable[None]]) -> None:
        try:
            await serve(self._channels[number])
        except (OSError, EOFError, asyncio.CancelledError):
            await self._send(HEADER.pack(CLOSE, number, 0))


async def main() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sys.stdout)
    writer = asyncio.StreamWriter(transport, protocol, None, loop)

    async def send(frame: bytes) -> None:
        writer.write(frame)
        await writer.drain()

    link = Link(send)

    async def accept(near: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        link.open(lambda channel: channel.join(near, far))

    await asyncio.start_server(accept, "127.0.0.1", PORT)
    await send(HEADER.pack(ACK, 0, 0))
    await link.receive(reader.readexactly)


if __name__ == "__main__":
    asyncio.run(main())
