"""An OpenAI-compatible endpoint that answers from recorded scripts: for the demo, for tests, for rehearsing a run.

    POST /v1/chat/completions   no streams, one choice; what `scripts.py` finds, or a sentence that nothing was found
    GET  /v1/models             one model, `scripted`; calls may name any, it is echoed
    GET  /health   GET /stats   alive; ServerStats as JSON

Owns HTTP and nothing else: which reply is due is `scripts.py`'s, which fault `faults.py`'s. Everything but
`created` is a function of the request, so two runs get the same bytes. A header `x-scripted` names the reply, or says
`none`. Refuses with the API's own error bodies. Keeps no conversation: its memory does not grow with the calls.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
from aiohttp import web
from pydantic import Field

from terminal_task_gen.errors import UsageError
from terminal_task_gen.records import Record
from terminal_task_gen.teacher.dialect import (
    ChatCall,
    MalformedCallError,
    compose_completion,
    compose_error,
    read_call,
)
from terminal_task_gen.teacher.faults import NO_FAULTS, Fate, Fault, FaultProfile, Window
from terminal_task_gen.teacher.mailbox import Mailbox
from terminal_task_gen.teacher.scripts import Repertoire, ScriptedReply, load_repertoire

MAX_REQUEST_BYTES = 64 * 1024 * 1024
UNMATCHED = "The scripted teacher has no script for this request."


class ServerStats(Record):
    """What the server has seen. `requests` counts completion calls, those refused or spoilt by a fault included."""

    requests: int = 0
    answered: int = 0
    """Answered with a script's reply, whole or truncated."""
    unmatched: int = 0
    refused: int = 0
    faults: dict[Fault, int] = Field(default_factory=dict)
    in_flight: int = 0
    most_in_flight: int = 0


class ScriptedTeacher:
    """The server. Use `serve_scripted` or `run_scripted` rather than starting it by hand."""

    def __init__(
        self,
        repertoire: Repertoire,
        *,
        faults: FaultProfile = NO_FAULTS,
        latency_sec: float = 0.0,
        api_key: str | None = None,
        mailbox: Mailbox | None = None,
    ) -> None:
        self._repertoire = repertoire
        self._mailbox = mailbox
        self._profile = faults
        self._fate = Fate(faults)
        self._window = Window(faults)
        self._latency_sec = latency_sec
        self._api_key = api_key
        self._requests = self._answered = self._unmatched = self._refused = 0
        self._in_flight = self._most_in_flight = 0
        self._faults: Counter[Fault] = Counter()
        self._runner: web.AppRunner | None = None
        self._base_url = ""

    @property
    def base_url(self) -> str:
        """What a client is configured with, `/v1` included; empty before the start."""
        return self._base_url

    @property
    def stats(self) -> ServerStats:
        """A snapshot."""
        return ServerStats(
            requests=self._requests,
            answered=self._answered,
            unmatched=self._unmatched,
            refused=self._refused,
            faults=dict(self._faults),
            in_flight=self._in_flight,
            most_in_flight=self._most_in_flight,
        )

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one. Raises UsageError when the address cannot be had."""
        app = web.Application(client_max_size=MAX_REQUEST_BYTES, middlewares=[_say_errors_as_json])
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_get("/health", self._tell_health)
        app.router.add_get("/stats", self._tell_stats)
        # A hanging answer ends when its client goes or the server stops; nobody waits for it.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            raise UsageError(f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port") from error
        bound_port = self._runner.addresses[0][1]
        self._base_url = f"http://{f'[{host}]' if ':' in host else host}:{bound_port}/v1"

    async def stop(self) -> None:
        """Drop what is in flight and stop listening. Idempotent."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self._requests += 1
        self._in_flight += 1
        self._most_in_flight = max(self._most_in_flight, self._in_flight)
        try:
            response = await self._answer(request, await request.read())
            if not response.prepared:
                response.headers.update(self._window.list_headers(time.monotonic()))
            return response
        finally:
            self._in_flight -= 1

    async def _answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if self._api_key is not None and not _holds_key(request, self._api_key):
            self._refused += 1
            return _error_response(401, "Incorrect API key provided.", "invalid_api_key")
        try:
            call = read_call(body)
        except MalformedCallError as error:
            self._refused += 1
            return _error_response(400, str(error), None)
        if 0 < self._profile.dies_after < self._requests:
            return _drop_connection(request)
        if not self._window.admit(time.monotonic()):
            self._faults[Fault.RATE_LIMIT] += 1
            return _refuse_for_now(self._window.tell_reset(time.monotonic()))
        if self._latency_sec:
            await asyncio.sleep(self._latency_sec)
        if self._mailbox is not None:
            reply = await self._mailbox.await_reply(call)
            if reply is None:
                return _error_response(504, "Nobody put a reply into the mailbox in time.", None)
        else:
            reply = self._repertoire.find_reply(call.messages)
        if reply is None:
            self._unmatched += 1
            reply = ScriptedReply(source="none", content=UNMATCHED)
        fault = self._fate.draw(call.digest)
        if fault is not None:
            self._faults[fault] += 1
            return await self._spoil(request, fault, call, reply)
        self._answered += reply.source != "none"
        return _reply_response(call, reply)

    async def _spoil(
        self, request: web.Request, fault: Fault, call: ChatCall, reply: ScriptedReply
    ) -> web.StreamResponse:
        if fault is Fault.RATE_LIMIT:
            return _refuse_for_now(self._profile.retry_after_sec)
        if fault is Fault.SERVER_ERROR:
            return _break_down(call)
        if fault is Fault.HANG:
            await asyncio.sleep(self._profile.hang_sec)
            return _drop_connection(request)
        if fault is Fault.EMPTY:
            return _reply_response(call, reply.model_copy(update={"content": ""}))
        if fault is Fault.TRUNCATED:
            half = reply.content[: max(1, len(reply.content) // 2)]
            return _reply_response(call, reply.model_copy(update={"content": half}), finish_reason="length")
        whole = compose_completion(call, reply)
        if fault is Fault.MALFORMED:
            return web.Response(body=whole[: len(whole) // 2], content_type="application/json")
        if fault is Fault.IDLE:
            return await _break_off(request, whole, silence_sec=self._profile.hang_sec)
        return await _break_off(request, whole, silence_sec=0.0)

    async def _list_models(self, request: web.Request) -> web.Response:
        model = {"id": "scripted", "object": "model", "created": 0, "owned_by": "terminal-task-gen"}
        return web.Response(body=orjson.dumps({"object": "list", "data": [model]}), content_type="application/json")

    async def _tell_health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "scripts": len(self._repertoire)})

    async def _tell_stats(self, request: web.Request) -> web.Response:
        return web.Response(body=self.stats.model_dump_json(), content_type="application/json")


@asynccontextmanager
async def serve_scripted(
    repertoire_dirs: Sequence[Path],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    faults: FaultProfile = NO_FAULTS,
    latency_sec: float = 0.0,
    api_key: str | None = None,
    mailbox: Mailbox | None = None,
) -> AsyncIterator[ScriptedTeacher]:
    """A server in this process, in this loop, as long as the block lasts; with a mailbox, the scripts are not asked.

    Raises UsageError (scripts, address).
    """
    server = ScriptedTeacher(
        load_repertoire(repertoire_dirs), faults=faults, latency_sec=latency_sec, api_key=api_key, mailbox=mailbox
    )
    await server.start(host, port)
    try:
        yield server
    finally:
        await server.stop()


async def run_scripted(
    repertoire_dirs: Sequence[Path],
    *,
    host: str,
    port: int,
    faults: FaultProfile,
    latency_sec: float,
    mailbox: Mailbox | None = None,
    announce: Callable[[ScriptedTeacher], None],
) -> None:
    """Serve until cancelled; `announce` is called once, when calls can come."""
    async with serve_scripted(
        repertoire_dirs, host=host, port=port, faults=faults, latency_sec=latency_sec, mailbox=mailbox
    ) as server:
        announce(server)
        await asyncio.Event().wait()


@web.middleware
async def _say_errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _error_response(error.status, f"{error.reason}: {request.method} {request.path}", None)


def _holds_key(request: web.Request, api_key: str) -> bool:
    given = request.headers.get("Authorization", "")
    return hmac.compare_digest(given.encode(), f"Bearer {api_key}".encode())


def _error_response(status: int, message: str, code: str | None) -> web.Response:
    return web.Response(status=status, body=compose_error(status, message, code), content_type="application/json")


def _reply_response(call: ChatCall, reply: ScriptedReply, finish_reason: str | None = None) -> web.Response:
    body = compose_completion(call, reply, finish_reason)
    return web.Response(body=body, content_type="application/json", headers={"x-scripted": reply.source})


def _refuse_for_now(retry_after_sec: float) -> web.Response:
    """Retry-After has whole seconds only; the exact time goes in the header that large providers send beside it."""
    response = _error_response(429, "Rate limit reached. Please try again later.", "rate_limit_exceeded")
    response.headers["Retry-After"] = str(math.ceil(retry_after_sec))
    response.headers["retry-after-ms"] = f"{retry_after_sec * 1000:.0f}"
    return response


def _break_down(call: ChatCall) -> web.Response:
    """500 from the endpoint itself, 502 from a proxy before it, 503 when it is overloaded: by the body's digest."""
    status = (500, 502, 503)[call.digest[0] % 3]
    if status == 502:
        page = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
        return web.Response(status=status, text=page, content_type="text/html")
    return _error_response(status, "The server had an error while processing your request.", None)


def _drop_connection(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _break_off(request: web.Request, body: bytes, *, silence_sec: float) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    await asyncio.sleep(silence_sec)
    if request.transport is not None:
        request.transport.close()
    return response
