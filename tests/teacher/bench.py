"""Real HTTP servers on loopback that answer what a test tells them to, and teachers that ask them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from terminal_task_gen.config import EndpointConfig
from terminal_task_gen.events import Event, Notice
from terminal_task_gen.teacher.budget import Budget
from terminal_task_gen.teacher.client import OpenAITeacher
from terminal_task_gen.teacher.wire import MAX_BODY_BYTES
from terminal_task_gen.trajectory import Message

KEY = "sk-test-0123456789abcdef"
ASK = (Message(role="system", content="Be brief."), Message(role="user", content="Hello?"))

Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Arrival:
    at_sec: float
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Endpoint:
    """A server that answers the first call with the first response, and so on; the last one goes on."""

    responses: list[Respond] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    in_flight: int = 0
    most_in_flight: int = 0
    most_at_once: int | None = None
    """More calls in flight than these are answered 429."""
    base_url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        self.arrivals.append(Arrival(time.monotonic(), dict(request.headers), body))
        self.arrived.set()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.most_at_once is not None and self.in_flight > self.most_at_once:
                return await refuse(429)(request)
            return await self.responses[min(len(self.arrivals), len(self.responses)) - 1](request)
        finally:
            self.in_flight -= 1


@asynccontextmanager
async def serve_endpoint(*responses: Respond) -> AsyncIterator[Endpoint]:
    server = Endpoint(list(responses))
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


def completion(content: str | None = "Hi.", finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}}
    return {"model": "served-model", "choices": [{**choice, "finish_reason": finish_reason}]}


def give(body: Any, status: int = 200, headers: dict[str, str] | None = None, delay_sec: float = 0.0) -> Respond:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)

    async def respond(request: web.Request) -> web.Response:
        await asyncio.sleep(delay_sec)
        return web.Response(status=status, body=raw, headers=headers, content_type="application/json")

    return respond


def refuse(status: int, message: str = "no", code: str | None = None, headers: dict[str, str] | None = None) -> Respond:
    return give({"error": {"message": message, "type": "error", "code": code}}, status, headers)


async def hang(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def trickle(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.01)


async def flood(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    block = b"x" * (1024 * 1024)
    for _ in range(2 * MAX_BODY_BYTES // len(block)):
        await response.write(block)
    return response


async def drop(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def break_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"choices": [')
    assert request.transport is not None
    request.transport.close()
    return response


@dataclass
class Bench:
    """Makes teachers for an endpoint and closes them after the test."""

    endpoint: Endpoint
    notices: list[str] = field(default_factory=list)
    noticed: asyncio.Event = field(default_factory=asyncio.Event)
    opened: list[OpenAITeacher] = field(default_factory=list)

    def hear(self, event: Event) -> None:
        assert isinstance(event, Notice)
        self.notices.append(event.text)
        self.noticed.set()

    def open(self, *responses: Respond, budget: Budget | None = None, **config: Any) -> OpenAITeacher:
        self.endpoint.responses = list(responses) or self.endpoint.responses
        defaults = {"base_url": self.endpoint.base_url, "model": "m", "max_backoff_sec": 0.01, "timeout_sec": 5.0}
        endpoint = EndpointConfig.model_validate(defaults | config)
        teacher = OpenAITeacher(endpoint, environ={"OPENAI_API_KEY": KEY}, listener=self.hear, budget=budget)
        self.opened.append(teacher)
        return teacher
