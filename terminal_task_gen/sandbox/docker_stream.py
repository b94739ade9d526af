"""Connections to the Docker engine that stop being HTTP: a command's or a container's own streams.

Each is a socket on the event loop; there is no thread per stream. The SDK's own way to such a socket reads the
answer's head through a buffer and may swallow the first output with it, so the request is made here.
Without a terminal the engine multiplexes stdout and stderr in frames: one byte of kind, three of nothing, four of size.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from terminal_task_gen.errors import PrerequisiteError, SandboxError

FRAME_HEADER_BYTES = 8
STDOUT = 1
STDERR = 2
CHUNK_BYTES = 65536
ERROR_BODY_BYTES = 4096
CONNECT_TIMEOUT_SEC = 60.0


class Chunk(NamedTuple):
    kind: int
    """STDOUT or STDERR."""
    data: bytes


class Hijacked:
    """An engine connection after its head."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._kind = 0
        self._left = 0
        """Bytes of the current frame not read yet."""

    async def read_chunk(self, max_bytes: int = CHUNK_BYTES) -> Chunk | None:
        """Next output of either kind; None when the engine has closed the stream. May be cancelled at any point."""
        try:
            while self._left == 0:
                header = await self._reader.readexactly(FRAME_HEADER_BYTES)
                self._kind, self._left = header[0], int.from_bytes(header[4:], "big")
            data = await self._reader.read(min(self._left, max_bytes))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        self._left -= len(data)
        return Chunk(self._kind, data) if data else None

    async def iterate_chunks(self) -> AsyncIterator[Chunk]:
        while (chunk := await self.read_chunk()) is not None:
            yield chunk

    async def write(self, data: bytes) -> None:
        """Raises OSError when the other end is gone."""
        view = memoryview(data)
        if self._reader.at_eof():
            raise BrokenPipeError("the process has ended")
        for start in range(0, len(view), CHUNK_BYTES):
            self._writer.write(view[start : start + CHUNK_BYTES])
            await self._writer.drain()

    def end_input(self) -> None:
        """The process sees the end of its stdin; its output goes on."""
        with suppress(OSError):
            self._writer.write_eof()

    async def close(self) -> None:
        """Idempotent. What was not written yet is dropped: the other end may never read it."""
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()


class Endpoint(NamedTuple):
    """Where the engine listens: a Unix socket, or host and port."""

    socket_path: str = ""
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """Raises PrerequisiteError for transports whose connections cannot be taken over (ssh, TLS)."""
        parts = urlsplit(url)
        if parts.scheme.removeprefix("http+") == "unix":
            return cls(socket_path=url.partition("://")[2])
        if parts.scheme in ("tcp", "http") and parts.hostname:
            return cls(host=parts.hostname, port=parts.port or 2375)
        raise PrerequisiteError(f"DOCKER_HOST={url} is not supported: use unix:///path or tcp://host:port")

    def __str__(self) -> str:
        return f"unix://{self.socket_path}" if self.socket_path else f"tcp://{self.host}:{self.port}"

    def knock(self) -> None:
        """Blocks. Raises OSError when nobody listens; the SDK, asked instead, would leave its socket open."""
        family = socket.AF_UNIX if self.socket_path else socket.AF_INET
        address = self.socket_path or (self.host, self.port)
        with socket.socket(family) as probe:
            probe.settimeout(CONNECT_TIMEOUT_SEC)
            probe.connect(address)

    async def hijack(self, path: str, body: Mapping[str, object] | None = None) -> Hijacked:
        """POST and take the connection over. Raises SandboxError when the engine refuses or cannot be reached."""
        payload = json.dumps(body or {}).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
            f"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {len(payload)}\r\n\r\n"
        )
        writer = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SEC):
                reader, writer = await self._connect()
                writer.write(head.encode() + payload)
                await writer.drain()
                answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                status = int(answer.split(maxsplit=2)[1])
                if status in (101, 200):
                    return Hijacked(reader, writer)
                raise build_refusal(status, await read_error_body(reader, answer))
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            await close_writer(writer)
            raise SandboxError("engine", f"connection to {self} failed: {error!r}") from error
        except BaseException:  # cancellation included; raised again
            await close_writer(writer)
            raise

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.socket_path:
            return await asyncio.open_unix_connection(self.socket_path)
        return await asyncio.open_connection(self.host, self.port)


async def close_writer(writer: asyncio.StreamWriter | None) -> None:
    if writer is not None:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def read_error_body(reader: asyncio.StreamReader, head: str) -> str:
    length = re.search(r"(?im)^content-length:\s*(\d+)", head)
    size = min(int(length[1]), ERROR_BODY_BYTES) if length else ERROR_BODY_BYTES
    body = await (reader.readexactly(size) if length else reader.read(size))
    return body.decode(errors="replace").strip()


def build_refusal(status: int, message: str) -> SandboxError:
    """404 and 409 are the engine's words for a container that is gone or does not run."""
    return SandboxError("sandbox_died" if status in (404, 409) else "engine", f"HTTP {status}: {message}")


class DockerStream:
    """A long-lived process's stdin and stdout; its stderr is dropped."""

    def __init__(self, connection: Hijacked) -> None:
        self._connection = connection
        self._closed = False

    async def read(self, max_bytes: int = CHUNK_BYTES) -> bytes:
        while not self._closed:
            chunk = await self._connection.read_chunk(max_bytes)
            if chunk is None:
                break
            if chunk.kind == STDOUT:
                return chunk.data
        return b""

    async def write(self, data: bytes) -> None:
        try:
            if self._closed:
                raise BrokenPipeError("closed")
            await self._connection.write(data)
        except OSError as error:
            raise SandboxError("stream_closed", str(error)) from error

    async def close(self) -> None:
        self._closed = True
        await self._connection.close()
