"""A way out of a sandbox without a network, to the hosts of a list and nowhere else.

The sandbox keeps its empty network. A small program of ours inside (gate_link.py) listens on its loopback as an HTTP
proxy and passes each connection on over its own stdin and stdout; here, outside, the request's first lines are read,
the host is held against the list, its name resolved, and the connection made. So there is no route to close, no
address of this machine to reach, and nothing that an agent who is root inside could change: what it can forge are
requests, and these are checked here.

Reached are HTTP and, by CONNECT, anything over TLS or TCP, on ports 80 and 443 unless an entry names another. A name on
the list that leads into this machine or a private network is refused; an address may stand on the list itself. Not
held: what a server of the list passes on, and other names served at the same address (TLS hides which is asked for).
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from terminal_task_gen.errors import SandboxError
from terminal_task_gen.sandbox import ByteStream, Sandbox
from terminal_task_gen.sandbox.gate_link import PORT, BrokenLinkError, Channel, Link

START_TIMEOUT_SEC = 30.0
CONNECT_TIMEOUT_SEC = 20.0
HEAD_TIMEOUT_SEC = 60.0
MAX_HEAD_BYTES = 65_536
USUAL_PORTS = (80, 443)
_PROGRAM = Path(__file__).with_name("gate_link.py")
_PROXY = f"http://127.0.0.1:{PORT}"
PROXY_ENVIRONMENT = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), _PROXY),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1,::1"),
}
"""For everything that runs in such a sandbox."""
_REQUEST = re.compile(
    rb"(?:CONNECT (?P<host>[\w.-]+|\[[0-9a-fA-F:.]+\]):(?P<port>\d{1,5})"
    rb"|(?P<method>[A-Z]+) http://(?P<name>[\w.-]+|\[[0-9a-fA-F:.]+\])(?::(?P<number>\d{1,5}))?(?P<path>/\S*)?)"
    rb" HTTP/1\.[01]\r\n"
)


class Wanted(NamedTuple):
    """What a request asks for; `head` is what to say to the server first."""

    host: str
    port: int
    head: bytes | None


class RefusedError(Exception):
    """Of a request; the text is for the one who made it."""


async def open_gate(sandbox: Sandbox, hosts: Sequence[str]) -> asyncio.Task[None]:
    """What serves the sandbox until it is closed. Raises SandboxError where the program inside does not start."""
    stream = await sandbox.open_stream(["python3", "-I", "-B", "-c", _PROGRAM.read_text(encoding="utf-8")])
    pipe = _Pipe(stream)
    link = Link(pipe.send, lambda channel: serve(channel, hosts))
    serving = asyncio.create_task(_receive(link, pipe))
    waiting = asyncio.create_task(link.ready.wait())
    await asyncio.wait({waiting, serving}, timeout=START_TIMEOUT_SEC, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not link.ready.is_set():
        serving.cancel()
        raise SandboxError("sandbox_start", "the way out to the allowed hosts needs python3 (3.10 or later) inside")
    return serving


async def serve(channel: Channel, hosts: Sequence[str]) -> None:
    """One connection from inside: look at what it asks for, then refuse it or carry it."""
    try:
        async with asyncio.timeout(HEAD_TIMEOUT_SEC):
            head, rest = await _read_head(channel)
        wanted = read_request(head)
        addresses = await find_addresses(wanted, hosts)
        async with asyncio.timeout(CONNECT_TIMEOUT_SEC):
            reader, writer = await _connect(addresses, wanted.port)
    except RefusedError as refusal:
        await _refuse(channel, "403 Forbidden", str(refusal))
        return
    except (OSError, TimeoutError) as error:
        await _refuse(channel, "502 Bad Gateway", f"the host does not answer: {type(error).__name__}")
        return
    if wanted.head is None:
        await channel.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    writer.write((wanted.head or b"") + rest)
    await channel.join(reader, writer)


def read_request(head: bytes) -> Wanted:
    """Raises RefusedError for anything but CONNECT and requests of http."""
    found = _REQUEST.match(head)
    if found is None:
        raise RefusedError("this proxy knows CONNECT and requests of http:// only")
    if found["host"]:
        return Wanted(found["host"].decode().lower(), int(found["port"]), None)
    # One request a connection, or the next might be for another host.
    lines = [line for line in head[found.end() :].split(b"\r\n") if line and not _is_of_proxy(line)]
    first = found["method"] + b" " + (found["path"] or b"/") + b" HTTP/1.1"
    request = b"\r\n".join([first, *lines, b"Connection: close", b"", b""])
    return Wanted(found["name"].decode().lower(), int(found["number"] or 80), request)


def is_allowed(host: str, port: int, hosts: Sequence[str]) -> bool:
    """An entry is a name, `*.name` for all below it, or an address, each with `:port` where it is not a usual one."""
    for entry in hosts:
        name, _, number = entry.lower().partition(":") if entry.count(":") == 1 else (entry.lower(), "", "")
        if (port == int(number) if number else port in USUAL_PORTS) and (
            host == name or (name.startswith("*.") and host.endswith(name[1:]))
        ):
            return True
    return False


async def find_addresses(wanted: Wanted, hosts: Sequence[str]) -> list[str]:
    """Where to go. Raises RefusedError; OSError where the name is not known."""
    host = wanted.host.strip("[]").rstrip(".")
    if not is_allowed(host, wanted.port, hosts):
        raise RefusedError(f"{host}:{wanted.port} is not on the list of allowed hosts")
    with suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    loop = asyncio.get_running_loop()
    found = {str(entry[4][0]) for entry in await loop.getaddrinfo(host, wanted.port)}
    public = sorted(address for address in found if ipaddress.ip_address(address.partition("%")[0]).is_global)
    if not public:
        raise RefusedError(f"{host} is at no public address; to allow a private one, put the address on the list")
    return public


class _Pipe:
    """The program's stdin and stdout."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self._turn = asyncio.Lock()
        self._buffer = bytearray()

    async def send(self, frame: bytes) -> None:
        async with self._turn:
            with suppress(SandboxError):  # it is gone; who reads from it will notice
                await self.stream.write(frame)

    async def read_exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            data = await self.stream.read()
            if not data:
                raise EOFError
            self._buffer += data
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data


async def _receive(link: Link, pipe: _Pipe) -> None:
    try:
        with suppress(BrokenLinkError):
            await link.receive(pipe.read_exactly)
    finally:
        await pipe.stream.close()


async def _refuse(channel: Channel, status: str, text: str) -> None:
    body = f"{text}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    await channel.write(head.encode() + body)
    await channel.end()
    with suppress(TimeoutError):
        async with asyncio.timeout(HEAD_TIMEOUT_SEC):
            while await channel.read():
                pass


async def _read_head(channel: Channel) -> tuple[bytes, bytes]:
    """The lines up to the empty one, it included, and what came after it."""
    content = b""
    while b"\r\n\r\n" not in content:
        data = await channel.read()
        content += data
        if not data or len(content) > MAX_HEAD_BYTES:
            raise RefusedError("the request has no end")
    head, _, rest = content.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


async def _connect(addresses: Sequence[str], port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for address in addresses[:-1]:
        with suppress(OSError):
            return await asyncio.open_connection(address, port)
    return await asyncio.open_connection(addresses[-1], port)


def _is_of_proxy(line: bytes) -> bool:
    return line.split(b":", 1)[0].strip().lower() in (b"connection", b"proxy-connection", b"proxy-authorization")
