"""The bench compiles the kit once an image, in a sandbox of its own, and judges as the verifier alone does."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from terminal_task_gen.errors import SandboxError
from terminal_task_gen.sandbox import Sandbox, SandboxSpec
from terminal_task_gen.sandbox.bubblewrap import BubblewrapFactory, BubblewrapSandbox
from terminal_task_gen.verifier import run_tests
from terminal_task_gen.verifier.bench import KIT_ITEM_ID, TestBench

pytestmark = pytest.mark.bubblewrap
TESTS = "import pytest\n\n\ndef test_yes():\n    assert True\n\n\ndef test_no():\n    assert 1 == 2, 'not equal'\n"
WEIGHTS = {"test_yes": 0.25, "test_no": 0.75}


class CountingFactory(BubblewrapFactory):
    """Counts what is started to compile a kit."""

    def __init__(self) -> None:
        super().__init__()
        self.kits = 0

    async def start(self, spec: SandboxSpec) -> BubblewrapSandbox:
        self.kits += spec.item_id == KIT_ITEM_ID
        return await super().start(spec)


async def test_many_runs_share_one_kit_and_judge_as_from_source() -> None:
    factory = CountingFactory()
    bench = TestBench(factory, run_id="bench")
    sandboxes = [await factory.start(SandboxSpec(image="base", run_id="bench", item_id=str(n))) for n in range(3)]

    async def judge(sandbox: Sandbox) -> object:
        return await bench.run_tests(sandbox, "base", tests=TESTS, weights=WEIGHTS, timeout_sec=60.0)

    try:
        reports = await asyncio.gather(*map(judge, sandboxes))
        plain = await run_tests(sandboxes[0], tests=TESTS, weights=WEIGHTS, timeout_sec=60.0)
    finally:
        await factory.close()
    assert factory.kits == 1
    assert plain.reward == 0.25
    assert [outcome.status for outcome in plain.outcomes] == ["passed", "failed"]
    assert reports == [plain] * 3


class DyingFactory(CountingFactory):
    """Its first sandbox for a kit is killed as soon as it is there."""

    async def start(self, spec: SandboxSpec) -> BubblewrapSandbox:
        sandbox = await super().start(spec)
        if spec.item_id == KIT_ITEM_ID and self.kits == 1:
            os.kill(sandbox.pid, signal.SIGKILL)
        return sandbox


async def test_a_kit_that_could_not_be_compiled_fails_all_who_wait_and_is_tried_again() -> None:
    factory = DyingFactory()
    bench = TestBench(factory, run_id="bench")
    sandbox = await factory.start(SandboxSpec(image="base", run_id="bench", item_id="item"))
    options = {"tests": TESTS, "weights": WEIGHTS, "timeout_sec": 60.0}
    try:
        waiting = [bench.run_tests(sandbox, "base", **options) for _ in range(2)]  # type: ignore[arg-type]
        failed = await asyncio.gather(*waiting, return_exceptions=True)
        report = await bench.run_tests(sandbox, "base", **options)  # type: ignore[arg-type]
    finally:
        await factory.close()
    assert [type(error) for error in failed] == [SandboxError, SandboxError]
    assert (report.reward, factory.kits) == (0.25, 2)
