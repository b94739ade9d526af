"""How many sandboxes may work at once, found out while they work: `--parallel auto`.

Every few seconds it looks at the machine: CPU that is busy, memory that is left, and how fast the driver answers. With
room on all three, and only while every slot is in use, one more slot; where one of them is short, a quarter fewer. It
starts with one slot a core. What is under way always finishes; fewer slots mean that fewer begin.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from terminal_task_gen.errors import SandboxError

LOOK_EVERY_SEC = 2.0
CUT = 0.75
BUSY_CPU, IDLE_CPU = 0.95, 0.80
SCARCE_MEMORY, AMPLE_MEMORY = 0.08, 0.20
SLOW_PING_SEC, QUICK_PING_SEC = 2.0, 0.3


@dataclass(frozen=True)
class Load:
    """What a look at the machine tells."""

    cpu_busy: float
    """Share of all cores' time since the last look."""
    memory_left: float
    """Share of the machine's memory that is available."""
    ping_sec: float
    """How long the driver took to answer; infinite when it did not."""

    @property
    def is_short(self) -> bool:
        return self.cpu_busy >= BUSY_CPU or self.memory_left <= SCARCE_MEMORY or self.ping_sec >= SLOW_PING_SEC

    @property
    def has_room(self) -> bool:
        return self.cpu_busy <= IDLE_CPU and self.memory_left >= AMPLE_MEMORY and self.ping_sec <= QUICK_PING_SEC


def choose_limit(limit: int, in_use: int, load: Load, *, most: int) -> int:
    """The next number of slots, between 1 and `most`."""
    if load.is_short:
        return max(1, int(limit * CUT))
    return min(most, limit + 1) if load.has_room and in_use >= limit else limit


class Governor:
    """Hands out slots. Belongs to the loop it is first used on."""

    def __init__(
        self,
        look: Callable[[], Awaitable[Load]],
        *,
        most: int,
        start: int = 0,
        look_every_sec: float = LOOK_EVERY_SEC,
    ) -> None:
        """`most` is the ceiling; `start` the first number of slots, by default one a core."""
        self._look = look
        self._most = most
        self._look_every_sec = look_every_sec
        self._freed = asyncio.Condition()
        self._looked_at = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self.limit = min(most, start or os.cpu_count() or 1)
        self.in_use = 0

    @asynccontextmanager
    async def take_slot(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it."""
        async with self._freed:
            await self._freed.wait_for(lambda: self.in_use < self.limit)
            self.in_use += 1
        self._look_soon()
        try:
            yield
        finally:
            self.in_use -= 1
            async with self._freed:
                self._freed.notify_all()

    def _look_soon(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_around())

    async def _look_around(self) -> None:
        """Look again and again while somebody works."""
        while self.in_use:
            await asyncio.sleep(self._look_every_sec)
            self.limit = choose_limit(self.limit, self.in_use, await self._look(), most=self._most)
            async with self._freed:
                self._freed.notify_all()


class MachineLook:
    """Looks at this machine (Linux: /proc) and pings the driver."""

    def __init__(self, ping: Callable[[], Awaitable[float]]) -> None:
        self._ping = ping
        self._ticks = _read_ticks()

    async def __call__(self) -> Load:
        try:
            ping_sec = await self._ping()
        except SandboxError:
            ping_sec = float("inf")
        before, self._ticks = self._ticks, _read_ticks()
        total = self._ticks[0] - before[0]
        idle = self._ticks[1] - before[1]
        return Load(1.0 - idle / total if total > 0 else 0.0, _read_memory_left(), ping_sec)


def _read_ticks() -> tuple[int, int]:
    """Ticks of all cores since boot, and those of them that were idle or waiting for a disk."""
    words = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(words), words[3] + words[4]


def _read_memory_left() -> float:
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    sizes = {words[0].rstrip(":"): int(words[1]) for words in lines}
    return sizes["MemAvailable"] / sizes["MemTotal"]


async def wait_until_ready(ping: Callable[[], Awaitable[float]], *, timeout_sec: float, every_sec: float = 1.0) -> bool:
    """Whether the driver answers, waiting for it that long: an engine that restarts is back in some seconds."""
    deadline = time.monotonic() + timeout_sec
    while True:
        try:
            await ping()
            return True
        except SandboxError:
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(every_sec)
