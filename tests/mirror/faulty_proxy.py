"""A proxy before the store that answers badly, slowly or not at all, as told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from aiohttp import ClientSession, web

Fault = Callable[[str, str], int | float | None]
"""Method and path → a status to answer with (int), seconds to wait first (float), or None."""


class FaultyProxy:
    """Runs in a thread of its own. `fault` may be set at any time; `is_down` cuts every connection."""

    def __init__(self, target: str) -> None:
        self.fault: Fault = lambda method, path: None
        self.is_down = False
        self.answered: list[tuple[str, str, int]] = []
        self.endpoint = ""
        self._target = target
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> FaultyProxy:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        async with ClientSession(auto_decompress=False) as self._session:
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
            self._ready.set()
            await self._stop.wait()
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if self.is_down:
            assert request.transport is not None
            request.transport.close()
            return web.Response(status=500)
        fault = self.fault(request.method, request.path)
        if isinstance(fault, float):
            await asyncio.sleep(fault)
        elif fault is not None:
            self.answered.append((request.method, request.path, fault))
            code = {403: "AccessDenied", 503: "SlowDown"}.get(fault, "InternalError")
            return web.Response(status=fault, text=f"<Error><Code>{code}</Code><Message>told to</Message></Error>")
        async with self._session.request(
            request.method, f"{self._target}{request.raw_path}", headers=request.headers, data=body
        ) as answer:
            content = await answer.read()
            self.answered.append((request.method, request.path, answer.status))
            dropped = {"Transfer-Encoding", "Connection"} | ({"Content-Length"} if request.method != "HEAD" else set())
            headers = [(name, value) for name, value in answer.headers.items() if name.title() not in dropped]
            return web.Response(status=answer.status, headers=headers, body=content)
