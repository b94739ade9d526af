"""Server-sent events: tells open pages that a run's numbers have changed. One watcher looks; pages only wait."""

from __future__ import annotations

import asyncio
import contextlib

import orjson
from aiohttp import web

from terminal_task_gen.viewer.cuts import Json
from terminal_task_gen.viewer.guard import add_headers
from terminal_task_gen.viewer.run_index import RunIndex
from terminal_task_gen.viewer.summary import look_at_state

LOOK_SEC = 1.0
PING_SEC = 15.0
MAX_PAGES = 64


class Live:
    """Watches runs while any page listens."""

    def __init__(self, runs: dict[str, RunIndex]) -> None:
        self._runs = runs
        self._changed = asyncio.Condition()
        self._states: dict[str, Json] = {}
        self._numbers: dict[str, int] = {}
        """How often each run's state has changed, as far as anybody looked."""
        self._listeners = 0
        self._watcher: asyncio.Task[None] | None = None

    async def get_events(self, request: web.Request) -> web.StreamResponse:
        """One event a run at once, then one for every change."""
        if self._listeners >= MAX_PAGES:
            raise web.HTTPServiceUnavailable(text="too many pages listen")
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        add_headers(answer)
        await answer.prepare(request)
        self._listeners += 1
        self._watcher = self._watcher or asyncio.create_task(self._watch())
        told: dict[str, int] = {}
        try:
            while True:
                await answer.write(self._list_news(told) or b": ping\n\n")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wait(told), PING_SEC)
        except (ConnectionError, asyncio.CancelledError):
            return answer
        finally:
            self._listeners -= 1

    async def stop(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher

    async def _wait(self, told: dict[str, int]) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: told != self._numbers)

    def _list_news(self, told: dict[str, int]) -> bytes:
        news = b""
        for name, number in self._numbers.items():
            if told.get(name) != number:
                told[name] = number
                news += b"event: changed\ndata: " + orjson.dumps({"run": name, **self._states[name]}) + b"\n\n"
        return news

    async def _watch(self) -> None:
        while True:
            for name, index in self._runs.items() if self._listeners else ():
                state = await asyncio.to_thread(look_at_state, index)
                if state != self._states.get(name):
                    async with self._changed:
                        self._states[name] = state
                        self._numbers[name] = self._numbers.get(name, 0) + 1
                        self._changed.notify_all()
            await asyncio.sleep(LOOK_SEC)
