"""Sandboxes started ahead of need, over any driver.

For each kind that was asked for (image and limits), up to `size` wait ready, so that a rollout does not wait for its
machine. At most `size` kinds × `size` wait at once; the kind that was asked for longest ago gives way. What waits is
untouched: nobody has been inside. One that has waited a while must show that it lives before it is handed out, since
the engine may have been restarted meanwhile. Starting ahead never fails anybody: what went wrong is tried again.
What is asked for as `one_off` is started then, and nothing like it ahead, and once it is known how many more will be
asked for (`expect`), no more than those are.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from terminal_task_gen.errors import SandboxError
from terminal_task_gen.sandbox import Sandbox, SandboxFactory, SandboxSpec

CHECK_AFTER_SEC = 5.0
CHECK_TIMEOUT_SEC = 20.0
POOLED_ITEM_ID = "pool"
"""Label of a sandbox that was started before it was known for whom."""


class _Ahead(NamedTuple):
    starting: asyncio.Task[Sandbox]
    since: float


class SandboxPool:
    """Implements SandboxFactory over another one, which it owns and closes."""

    def __init__(self, factory: SandboxFactory, *, size: int, check_after_sec: float = CHECK_AFTER_SEC) -> None:
        self._factory = factory
        self._size = size
        self._check_after_sec = check_after_sec
        self._waiting: OrderedDict[SandboxSpec, list[_Ahead]] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False
        self._expected: int | None = None

    @property
    def name(self) -> str:
        return self._factory.name

    async def check(self, images: Sequence[str]) -> None:
        await self._factory.check(images)

    async def get_image_digest(self, image: str) -> str:
        return await self._factory.get_image_digest(image)

    async def ping(self) -> float:
        return await self._factory.ping()

    def expect(self, count: int | None) -> None:
        """About so many will be asked for from now on (`one_off` ones apart); None: nobody knows."""
        self._expected = count

    async def start(self, spec: SandboxSpec) -> Sandbox:
        if spec.one_off:
            return await self._factory.start(spec)
        if self._expected is not None:
            self._expected = max(0, self._expected - 1)
        kind = spec.model_copy(update={"item_id": POOLED_ITEM_ID})
        waiting = self._waiting.setdefault(kind, [])
        self._waiting.move_to_end(kind)
        # Not refilled between two tries: an engine that refuses is not to be asked again and again.
        ready: Sandbox | None = None
        while waiting and ready is None:
            ready = await self._take(waiting.pop(0))
        if not self._closed:
            self._refill(kind)
        return ready or await self._factory.start(spec)

    async def sweep(self, run_id: str | None = None) -> int:
        return await self._factory.sweep(run_id)

    async def close(self) -> None:
        self._closed = True
        for waiting in self._waiting.values():
            self._dispose(waiting)
        self._waiting.clear()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._factory.close()

    async def _take(self, ahead: _Ahead) -> Sandbox | None:
        """The sandbox, None when it did not come about or has died."""
        try:
            sandbox = await ahead.starting
            if time.monotonic() - ahead.since >= self._check_after_sec:
                await sandbox.exec(["true"], timeout_sec=CHECK_TIMEOUT_SEC)
        except SandboxError:
            self._dispose([ahead])
            return None
        return sandbox

    def _refill(self, kind: SandboxSpec) -> None:
        waiting = self._waiting.setdefault(kind, [])
        while len(waiting) < self._size and not self._has_enough():
            waiting.append(_Ahead(asyncio.create_task(self._factory.start(kind)), time.monotonic()))
        while len(self._waiting) > self._size:
            _, oldest = self._waiting.popitem(last=False)
            self._dispose(oldest)

    def _has_enough(self) -> bool:
        return self._expected is not None and sum(map(len, self._waiting.values())) >= self._expected

    def _dispose(self, unwanted: Sequence[_Ahead]) -> None:
        for ahead in unwanted:
            closing = asyncio.create_task(_close_when_started(ahead.starting))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)


async def _close_when_started(starting: asyncio.Task[Sandbox]) -> None:
    with suppress(SandboxError):
        await (await starting).close()
