"""Sandboxes started ahead: handed out untouched, never dead, bounded, and gone at the end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable

import pytest

from terminal_task_gen.errors import SandboxError
from terminal_task_gen.sandbox import SandboxSpec
from terminal_task_gen.sandbox.bubblewrap import BubblewrapFactory, BubblewrapSandbox
from terminal_task_gen.sandbox.pool import SandboxPool

pytestmark = pytest.mark.bubblewrap
BuildSpec = Callable[..., SandboxSpec]


class CountingBubblewrap(BubblewrapFactory):
    """Remembers what it started; with `refusing` it starts nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[BubblewrapSandbox] = []
        self.refusing = False

    async def start(self, spec: SandboxSpec) -> BubblewrapSandbox:
        if self.refusing:
            raise SandboxError("sandbox_start", "refused by the test")
        sandbox = await super().start(spec)
        self.started.append(sandbox)
        return sandbox


@pytest.fixture
def driver() -> CountingBubblewrap:
    return CountingBubblewrap()


@pytest.fixture
async def pool(driver: CountingBubblewrap) -> AsyncIterator[SandboxPool]:
    made = SandboxPool(driver, size=2, check_after_sec=0.0)
    yield made
    await made.close()


async def settle(driver: CountingBubblewrap, count: int) -> None:
    async with asyncio.timeout(15):
        while len(driver.started) < count:
            await asyncio.sleep(0.02)


def is_running(sandbox: BubblewrapSandbox) -> bool:
    try:
        os.kill(sandbox.pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_the_next_one_is_there_already(
    driver: CountingBubblewrap, pool: SandboxPool, build_spec: BuildSpec
) -> None:
    first = await pool.start(build_spec())
    await settle(driver, 3)
    waiting = [sandbox for sandbox in driver.started if sandbox is not first]
    second = await pool.start(build_spec())
    assert second in waiting
    assert (await second.exec(["ls", "/app"], timeout_sec=5)).stdout == b""
    await settle(driver, 4)
    await asyncio.gather(first.close(), second.close())


async def test_another_kind_is_not_handed_out(
    driver: CountingBubblewrap, pool: SandboxPool, build_spec: BuildSpec
) -> None:
    await pool.start(build_spec())
    await settle(driver, 3)
    other = await pool.start(build_spec(disk_mb=77))
    size = await other.exec(["sh", "-c", "df -Pm /app | tail -1"], timeout_sec=5)
    assert size.text.split()[1] == "77"


async def test_nothing_is_started_ahead_after_a_one_off(
    driver: CountingBubblewrap, pool: SandboxPool, build_spec: BuildSpec
) -> None:
    sandbox = await pool.start(build_spec().model_copy(update={"one_off": True}))
    await asyncio.sleep(0.5)
    assert driver.started == [sandbox]
    await sandbox.close()


async def test_one_that_died_waiting_is_not_handed_out(
    driver: CountingBubblewrap, pool: SandboxPool, build_spec: BuildSpec
) -> None:
    first = await pool.start(build_spec())
    await settle(driver, 3)
    for waiting in driver.started:
        if waiting is not first:
            os.kill(waiting.pid, signal.SIGKILL)
    sandbox = await pool.start(build_spec())
    assert (await sandbox.exec(["echo", "alive"], timeout_sec=5)).stdout == b"alive\n"


async def test_what_could_not_be_started_ahead_is_the_next_callers_try(
    driver: CountingBubblewrap, pool: SandboxPool, build_spec: BuildSpec
) -> None:
    driver.refusing = True
    for _ in range(2):
        with pytest.raises(SandboxError, match="refused by the test"):
            await pool.start(build_spec())
    driver.refusing = False
    assert (await (await pool.start(build_spec())).exec(["true"], timeout_sec=5)).exit_code == 0


async def test_kinds_that_nobody_asks_for_give_way(
    driver: CountingBubblewrap, pool: SandboxPool, build_spec: BuildSpec
) -> None:
    for disk_mb in (71, 72, 73):
        await pool.start(build_spec(disk_mb=disk_mb))
    await settle(driver, 9)
    async with asyncio.timeout(15):
        while sum(map(is_running, driver.started)) > 3 + 4:
            await asyncio.sleep(0.05)


async def test_nothing_is_left_when_it_closes(
    driver: CountingBubblewrap, pool: SandboxPool, build_spec: BuildSpec
) -> None:
    await pool.start(build_spec())
    await pool.close()
    assert driver.started
    async with asyncio.timeout(15):
        while any(map(is_running, driver.started)):
            await asyncio.sleep(0.05)


async def test_no_more_wait_than_are_expected(
    pool: SandboxPool, driver: CountingBubblewrap, build_spec: BuildSpec
) -> None:
    pool.expect(3)
    for _ in range(3):
        await pool.start(build_spec())
    await settle(driver, 3)
    await asyncio.sleep(0.3)
    assert len(driver.started) == 3
    await pool.start(build_spec())
    assert len(driver.started) == 4
