"""Agents that use up what they are given. Each ends with its name, is judged, and disturbs no neighbour."""

from __future__ import annotations

import asyncio
import time

import pytest

from terminal_task_gen.errors import POLICY, Cause
from tests.rollout.rollout_bench import COPY, DONE, SUM, Bench, make_task, say

pytestmark = pytest.mark.docker

FORK_BOMB = "b() { b | b & }; b\n"
MEMORY_BOMB = """python3 -c 'x = [bytearray(10_000_000) for _ in range(1000)]'\n"""
MEMORY_HOG = """python3 -c 'import os
while True:
    if os.fork() == 0:
        x = bytearray(40_000_000)
        while True: pass'\n"""
MANY_FILES = "mkdir f; for i in $(seq 4000); do head -c 1000000 /dev/zero > f/$i; done\n"
ONE_FILE = "head -c 900000000 /dev/zero > big; ls -l big | awk '{ print $5 > \"size\" }'\n"
SPARSE = "truncate -s 90M a; truncate -s 90M b; sleep 600\n"
LONG_LINE = "head -c 300000 /dev/zero | tr '\\0' x\n"
FLOOD = "yes & yes no & yes | head -c 30000000\n"


async def roll_beside(neighbour: Bench, bench: Bench, *keys: str, duration: float = 3.0) -> tuple[Cause, bool]:
    """The attacker solves the task first and then attacks; the neighbour works while the attack goes on."""
    attack = asyncio.create_task(bench.finish(say(SUM, COPY), say(*keys, duration=duration), DONE))
    await asyncio.sleep(2.0)
    begun = time.monotonic()
    result = await neighbour.finish(say(SUM), say(COPY), DONE)
    assert (result.stop_reason, result.verdict.passed, result.wasted_usage.calls) == (Cause.COMPLETED, True, 0)
    assert time.monotonic() - begun < 30
    attacked = await attack
    assert attacked.wasted_usage.calls == 0
    assert not attacked.verdict.tampered
    return attacked.stop_reason, attacked.verdict.passed


@pytest.mark.parametrize(
    "keys", [FORK_BOMB, MEMORY_BOMB, MEMORY_HOG, LONG_LINE, FLOOD], ids=["fork", "memory", "hog", "line", "flood"]
)
async def test_a_bomb_is_contained_and_what_was_done_is_judged(bench: Bench, neighbour: Bench, keys: str) -> None:
    assert await roll_beside(neighbour, bench, keys) == (Cause.COMPLETED, True)


@pytest.mark.parametrize("keys", [MANY_FILES, SPARSE], ids=["many files", "sparse"])
async def test_a_filled_disk_ends_the_rollout(bench: Bench, neighbour: Bench, keys: str) -> None:
    assert await roll_beside(neighbour, bench, keys, duration=30.0) == (Cause.DISK_FULL, False)
    assert not POLICY[Cause.DISK_FULL].retry
    assert POLICY[Cause.DISK_FULL].keep


async def test_a_filled_disk_is_a_verdict_of_missing_tests(bench: Bench) -> None:
    result = await bench.finish(say(SUM, COPY), say(MANY_FILES, duration=30.0), DONE)
    assert [test.status for test in result.verdict.tests] == ["missing", "missing"]
    assert "96 allowed" in result.verdict.log
    assert result.verdict.reward == 0.0


async def test_a_disk_filled_by_the_verdict_is_one_as_well(bench: Bench) -> None:
    tests = "def test_a():\n    for i in range(4000):\n        open(f'/app/{i}', 'wb').write(bytes(1_000_000))\n"
    task = make_task(tests + "    import time\n    time.sleep(20)\n    assert i\n", {"test_a": 1.0})
    result = await bench.finish(say("true\n"), DONE, task=task)
    assert (result.stop_reason, result.verdict.tests[0].status) == (Cause.COMPLETED, "missing")


async def test_a_file_over_the_limit_ends_its_writer_alone(bench: Bench) -> None:
    tests = "def test_size():\n    assert int(open('/app/size').read()) <= 96 * 1024 * 1024\n"
    result = await bench.finish(say(ONE_FILE), DONE, task=make_task(tests, {"test_size": 1.0}))
    assert result.stop_reason in (Cause.COMPLETED, Cause.DISK_FULL)
    # The watch may look while the teacher works, while it is judged, or not before all is over.
    (test,) = result.verdict.tests
    ended_in_time = result.stop_reason is Cause.COMPLETED and "disk_full" not in test.message
    assert (test.status, result.verdict.passed) == (("passed", True) if ended_in_time else ("missing", False))
