"""A sandbox with a list of allowed hosts reaches them and nothing else; a local server stands for the world."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from terminal_task_gen.config import Config
from terminal_task_gen.errors import UsageError
from terminal_task_gen.pipeline.opening import resolve_driver
from terminal_task_gen.sandbox import Sandbox, SandboxSpec
from terminal_task_gen.sandbox.docker import DockerFactory
from terminal_task_gen.sandbox.gate import RefusedError, find_addresses, is_allowed, read_request
from terminal_task_gen.sandbox.gate_link import DATA, HEADER, PIECE_BYTES, WINDOW_BYTES, BrokenLinkError, Channel, Link
from terminal_task_gen.store import RunDirectory

WORLD = "127.0.0.2"
"""Not 127.0.0.1: that is the sandbox's own loopback, which needs no proxy."""
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())"
ECHO = """
import hashlib, os, socket, sys, threading
def dial():
    link = socket.create_connection(("127.0.0.1", 3128), timeout=30)
    link.sendall(f"CONNECT {sys.argv[1]} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".encode())
    answer = link.makefile("rb", buffering=0)
    assert b" 200 " in answer.readline(), "refused"
    assert answer.readline() == b"\\r\\n"
    return link
idle, busy = dial(), dial()
data = os.urandom(3_000_000)
# Far more than its window comes back to a connection from which nobody reads: the other must not notice.
threading.Thread(target=idle.sendall, args=(data,), daemon=True).start()
def send():
    busy.sendall(data)
    busy.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
back = busy.makefile("rb").read()
print(len(back), hashlib.sha256(back).digest() == hashlib.sha256(data).digest(), flush=True)
os._exit(0)
"""


@asynccontextmanager
async def open_world() -> AsyncIterator[int]:
    """Answers requests of http with what was asked for, and echoes everything else; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read(65536)
        if data.startswith(b"GET "):
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + data)
        else:
            while data:
                writer.write(data)
                await writer.drain()
                data = await reader.read(65536)
        writer.close()

    server = await asyncio.start_server(answer, WORLD, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def open_gated(build_spec: Callable[..., SandboxSpec], *hosts: str) -> AsyncIterator[Sandbox]:
    factory = DockerFactory()
    try:
        yield await factory.start(build_spec(network=True, allowed_hosts=hosts))
    finally:
        await factory.close()


async def run(sandbox: Sandbox, *argv: str) -> str:
    return (await sandbox.exec(argv, timeout_sec=60.0)).text


@pytest.mark.docker
async def test_a_host_of_the_list_is_reached_and_no_other(build_spec: Callable[..., SandboxSpec]) -> None:
    async with open_world() as port, open_world() as other, open_gated(build_spec, f"{WORLD}:{port}") as sandbox:
        told = await run(sandbox, "python3", "-c", FETCH, f"http://{WORLD}:{port}/some/where?x=1")
        assert told.startswith("GET /some/where?x=1 HTTP/1.1\r\n"), told
        assert "proxy" not in told.lower()
        refused = await run(sandbox, "python3", "-c", FETCH, f"http://{WORLD}:{other}/")
        assert "HTTP Error 403: Forbidden" in refused
        for place in ("172.17.0.1:22", "169.254.169.254:80", f"{WORLD}:{port}"):
            host, _, number = place.partition(":")
            script = f"import socket; socket.create_connection(('{host}', {number}), timeout=5)"
            assert "Error" in await run(sandbox, "python3", "-c", script), "there is no route but the proxy"
        devices = await run(sandbox, "cat", "/proc/net/dev")
        assert [line.split(":")[0].strip() for line in devices.splitlines()[2:]] == ["lo"]


@pytest.mark.docker
async def test_much_goes_both_ways_beside_a_connection_that_stands_still(
    build_spec: Callable[..., SandboxSpec],
) -> None:
    async with open_world() as port, open_gated(build_spec, f"{WORLD}:{port}") as sandbox:
        assert await run(sandbox, "python3", "-c", ECHO, f"{WORLD}:{port}") == "3000000 True\n"


@pytest.mark.docker
async def test_the_gate_ends_with_its_program_and_the_sandbox_goes_on(build_spec: Callable[..., SandboxSpec]) -> None:
    async with open_world() as port, open_gated(build_spec, f"{WORLD}:{port}") as sandbox:
        await run(sandbox, "bash", "-c", "kill -9 -1")
        told = await run(sandbox, "python3", "-c", FETCH, f"http://{WORLD}:{port}/")
        assert "Connection refused" in told


@pytest.mark.parametrize(
    ("host", "port", "allowed"),
    [
        ("pypi.org", 443, True),
        ("pypi.org", 80, True),
        ("pypi.org", 22, False),
        ("evilpypi.org", 443, False),
        ("pypi.org.evil.net", 443, False),
        ("deb.debian.org", 443, True),
        ("debian.org", 443, False),
        ("xdebian.org", 443, False),
        ("10.0.0.7", 8080, True),
        ("10.0.0.7", 443, False),
        ("2001:db8::1", 443, True),
    ],
)
def test_what_the_list_lets_through(host: str, port: int, allowed: bool) -> None:
    assert is_allowed(host, port, ("PyPI.org", "*.debian.org", "10.0.0.7:8080", "2001:db8::1")) is allowed


@pytest.mark.parametrize(
    "text", ["GET / HTTP/1.1", "CONNECT pypi.org HTTP/1.1", "GET ftp://x/ HTTP/1.1", "CONNECT a b"]
)
def test_other_requests_are_refused(text: str) -> None:
    with pytest.raises(RefusedError):
        read_request(f"{text}\r\nHost: pypi.org\r\n\r\n".encode())


async def test_a_name_of_the_list_that_leads_home_is_refused() -> None:
    wanted = read_request(b"CONNECT localhost:443 HTTP/1.1\r\n\r\n")
    with pytest.raises(RefusedError, match="no public address"):
        await find_addresses(wanted, ("localhost",))


@pytest.mark.parametrize("frames", ["unknown kind", "too large", "more than its window"])
async def test_a_forger_of_frames_ends_the_gate(frames: str) -> None:
    piece = HEADER.pack(DATA, 1, PIECE_BYTES) + bytes(PIECE_BYTES)
    sent = {
        "unknown kind": HEADER.pack(9, 1, 0),
        "too large": HEADER.pack(DATA, 1, PIECE_BYTES + 1),
        "more than its window": piece * (WINDOW_BYTES // PIECE_BYTES + 1),
    }[frames]
    reader = asyncio.StreamReader()
    reader.feed_data(sent)

    async def send(frame: bytes) -> None:
        pass

    async def serve(channel: Channel) -> None:
        await asyncio.Event().wait()

    with pytest.raises(BrokenLinkError):
        await Link(send, serve).receive(reader.readexactly)


async def test_bubblewrap_refuses_a_list() -> None:
    config = Config.model_validate({"sandbox": {"driver": "bubblewrap", "allowed_hosts": ["pypi.org"]}})
    with pytest.raises(UsageError, match="allowed_hosts needs a Docker engine"):
        await resolve_driver(config, RunDirectory(config.run_dir), [], lambda event: None)
