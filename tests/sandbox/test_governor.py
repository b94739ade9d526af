"""`--parallel auto`: more while there is room, fewer when something is short, never above the ceiling."""

from __future__ import annotations

import asyncio

import pytest

from terminal_task_gen.errors import SandboxError
from terminal_task_gen.sandbox.governor import Governor, Load, MachineLook, choose_limit, wait_until_ready

ROOMY = Load(cpu_busy=0.4, memory_left=0.6, ping_sec=0.01)
BUSY = Load(cpu_busy=0.99, memory_left=0.6, ping_sec=0.01)


@pytest.mark.parametrize(
    ("limit", "in_use", "load", "expected"),
    [
        (4, 4, ROOMY, 5),
        (4, 3, ROOMY, 4),
        (8, 8, ROOMY, 8),
        (4, 4, Load(0.9, 0.6, 0.01), 4),
        (8, 8, BUSY, 6),
        (8, 8, Load(0.4, 0.05, 0.01), 6),
        (8, 8, Load(0.4, 0.6, float("inf")), 6),
        (1, 1, BUSY, 1),
    ],
)
def test_the_next_limit(limit: int, in_use: int, load: Load, expected: int) -> None:
    assert choose_limit(limit, in_use, load, most=8) == expected


async def run_many(load: Load, *, start: int, seconds: float) -> tuple[int, int]:
    """Highest number at once, and the limit in the end, of 200 pieces of work."""
    at_once = highest = 0

    async def look() -> Load:
        return load

    governor = Governor(look, most=6, start=start, look_every_sec=0.02)

    async def work() -> None:
        nonlocal at_once, highest
        async with governor.take_slot():
            at_once += 1
            highest = max(highest, at_once)
            await asyncio.sleep(seconds)
            at_once -= 1

    async with asyncio.timeout(20):
        await asyncio.gather(*(work() for _ in range(200)))
    return highest, governor.limit


async def test_it_grows_to_its_ceiling_where_there_is_room() -> None:
    assert await run_many(ROOMY, start=1, seconds=0.05) == (6, 6)


async def test_it_shrinks_to_one_and_everything_is_done_all_the_same() -> None:
    assert await run_many(BUSY, start=6, seconds=0.02) == (6, 1)


async def test_this_machine_can_be_looked_at() -> None:
    async def ping() -> float:
        return 0.25

    async def refuse() -> float:
        raise SandboxError("engine", "away")

    look = MachineLook(ping)
    await asyncio.sleep(0.1)
    load = await look()
    assert 0.0 <= load.cpu_busy <= 1.0
    assert 0.0 < load.memory_left < 1.0
    assert load.ping_sec == 0.25
    assert (await MachineLook(refuse)()).is_short


async def test_waiting_for_a_driver_that_comes_back() -> None:
    answers = [False, False, True]

    async def ping() -> float:
        if not answers.pop(0):
            raise SandboxError("engine", "away")
        return 0.0

    assert await wait_until_ready(ping, timeout_sec=10, every_sec=0.01)
    assert answers == []

    async def stay_away() -> float:
        raise SandboxError("engine", "away")

    assert not await wait_until_ready(stay_away, timeout_sec=0.05, every_sec=0.01)
