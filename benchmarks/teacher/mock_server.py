"""A chat-completions endpoint that costs next to nothing: keep-alive HTTP/1.1, one answer of about 1 kB, fixed latency.

The scripted teacher reads every call and would be the slower end of a throughput test. This one reads no further than
Content-Length. `GET /stats` tells requests, connections and most calls in flight, so that clients need not be believed.

    python mock_server.py --port 8123 --latency-sec 0.05
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re

CONTENT = "The task is to count the lines of a log file by level and to write a table. " * 8
ANSWER = json.dumps(
    {
        "id": "chatcmpl-mock",
        "object": "chat.completion",
        "created": 0,
        "model": "mock",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": CONTENT},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 200,
            "completion_tokens": 150,
            "total_tokens": 350,
            "prompt_tokens_details": {"cached_tokens": 100},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }
).encode()
HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    "x-ratelimit-remaining-requests: 1000000\r\nx-ratelimit-reset-requests: 60s\r\n"
)
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Counts:
    """What was seen."""

    def __init__(self) -> None:
        self.requests = self.connections = self.in_flight = self.most_in_flight = 0


class Connection(asyncio.Protocol):
    """Requests come one after another; a pipelined one would wait for its forerunner's answer."""

    def __init__(self, counts: Counts, latency_sec: float) -> None:
        self._counts = counts
        self._latency_sec = latency_sec
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._counts.connections += 1

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(self._received[:head_end])
        length = _LENGTH.search(head)
        end = head_end + 4 + (int(length[1]) if length else 0)
        if len(self._received) < end:
            return
        del self._received[:end]
        if head.startswith(b"GET"):
            self._write(json.dumps(vars(self._counts)).encode())
            return
        self._counts.requests += 1
        self._counts.in_flight += 1
        self._counts.most_in_flight = max(self._counts.most_in_flight, self._counts.in_flight)
        close = b"connection: close" in head.lower()
        self._loop.call_later(self._latency_sec, self._answer, close)

    def _answer(self, close: bool) -> None:
        self._counts.in_flight -= 1
        self._write(ANSWER)
        if close and self._transport is not None:
            self._transport.close()

    def _write(self, body: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(f"{HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body)


async def serve(port: int, latency_sec: float) -> None:
    counts = Counts()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(counts, latency_sec), "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--latency-sec", type=float, default=0.05)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.latency_sec))


if __name__ == "__main__":
    main()
