"""The one loop: every item ends as one line, what is owed is done again, draining stops the feed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal_task_gen.engine.local import LocalEngine
from terminal_task_gen.errors import Cause, UsageError
from terminal_task_gen.events import Event, ItemFinished, StageFinished, StageStarted
from terminal_task_gen.stage import Stage, run_stage
from terminal_task_gen.store import REJECTED, TASKS, RunDirectory
from terminal_task_gen.task import Lineage, Rejection, Task


def make_task(item: str) -> Task:
    lineage = Lineage(request_id=item, mode="skill", index=0, author_model="m", prompt_version="1")
    return Task(
        id=f"task-{item}",
        domain="security",
        image="security",
        difficulty="easy",
        title=item,
        instruction="",
        files=(),
        tests="",
        weights={},
        lineage=lineage,
    )


def reject(item: str, cause: Cause) -> Rejection:
    return Rejection(id=item, stage="generate", cause=cause, reason="why", evidence="e", domain="security")


class Work:
    """Rejects `bad` on its merits, fails `flaky` the first time, accepts the rest; counts calls and the peak."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.running = self.peak = 0

    async def __call__(self, item: str) -> Task | Rejection:
        self.calls.append(item)
        self.running += 1
        self.peak = max(self.peak, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        if item == "bad":
            return reject(item, Cause.MERIT)
        if item == "flaky" and self.calls.count("flaky") == 1:
            return reject(item, Cause.TEACHER_UNAVAILABLE)
        return make_task(item)


async def run(tmp_path: Path, work: Work, items: list[str], engine: LocalEngine | None = None) -> list[Event]:
    directory = RunDirectory(tmp_path)
    directory.lock()
    events: list[Event] = []
    stage = Stage("generate", lambda: items, str, work, TASKS, REJECTED, parallel=3)
    try:
        await run_stage(stage, directory, engine or LocalEngine(), events.append, shard_bytes=10_000)
    finally:
        directory.unlock()
    return events


async def test_each_item_is_one_line_and_only_what_is_owed_is_done_again(tmp_path: Path) -> None:
    work = Work()
    items = ["a", "bad", "flaky", "b", "c", "d"]
    events = await run(tmp_path, work, items)
    assert sorted(work.calls) == sorted(items)
    assert work.peak == 3
    assert sum(isinstance(event, ItemFinished) for event in events) == 6
    finished = events[-1]
    assert isinstance(finished, StageFinished)
    assert (finished.accepted, finished.rejected, finished.owed) == (4, 1, 1)

    events = await run(tmp_path, work, items)
    assert work.calls[6:] == ["flaky"]
    assert events[0] == StageStarted("generate", total=6, done=5)
    events = await run(tmp_path, work, items)
    assert len(work.calls) == 7
    directory = RunDirectory(tmp_path)
    tasks = sorted(t.title for t in directory.read_records(TASKS, Task, lambda damage: None))
    assert tasks == ["a", "b", "c", "d", "flaky"]
    final = directory.read_final_rejections(REJECTED, TASKS, Rejection, lambda damage: None)
    assert [r.id for r in final] == ["bad"]


async def test_draining_finishes_what_is_under_way_and_starts_nothing(tmp_path: Path) -> None:
    engine = LocalEngine()
    work = Work()

    async def drain_then_work(item: str) -> Task | Rejection:
        engine.drain()
        return await work(item)

    directory = RunDirectory(tmp_path)
    directory.lock()
    items = [str(n) for n in range(20)]
    stage = Stage("generate", lambda: items, str, drain_then_work, TASKS, REJECTED, parallel=2)
    summary = await run_stage(stage, directory, engine, lambda event: None, shard_bytes=10_000)
    directory.unlock()
    assert summary.interrupted
    assert 1 <= summary.accepted <= 2
    assert summary.owed == 20 - summary.accepted


async def test_an_error_that_no_retry_mends_ends_the_stage_and_keeps_what_is_done(tmp_path: Path) -> None:
    async def work(item: str) -> Task | Rejection:
        if item == "wrong key":
            await asyncio.sleep(0.01)
            raise UsageError("the key is wrong")
        return make_task(item)

    directory = RunDirectory(tmp_path)
    directory.lock()
    stage = Stage("generate", lambda: ["a", "b", "wrong key"], str, work, TASKS, REJECTED, parallel=1)
    with pytest.raises(UsageError, match="the key is wrong"):
        await run_stage(stage, directory, LocalEngine(), lambda event: None, shard_bytes=10_000)
    directory.unlock()
    assert directory.read_done_ids(TASKS, REJECTED) == {"a", "b"}
    assert not list((tmp_path / "tasks").glob("*.part"))


async def test_an_item_given_twice_is_done_once(tmp_path: Path) -> None:
    work = Work()
    events = await run(tmp_path, work, ["a", "b", "a"])
    assert sorted(work.calls) == ["a", "b"]
    assert events[0] == StageStarted("generate", total=2, done=0)


async def test_a_stray_cancellation_is_an_error_and_not_a_hang(tmp_path: Path) -> None:
    async def work(item: str) -> Task | Rejection:
        raise asyncio.CancelledError

    directory = RunDirectory(tmp_path)
    directory.lock()
    stage = Stage("generate", lambda: ["a"], str, work, TASKS, REJECTED, parallel=2)
    with pytest.raises(RuntimeError, match="cancelled from within"):
        async with asyncio.timeout(5):
            await run_stage(stage, directory, LocalEngine(), lambda event: None, shard_bytes=10_000)
    directory.unlock()


async def test_a_stream_is_pulled_as_it_is_worked_on_and_holds_ids_only(tmp_path: Path) -> None:
    work = Work()
    pulled = 0
    ahead = 0

    def stream() -> Iterator[str]:
        nonlocal pulled, ahead
        for number in range(200):
            pulled += 1
            ahead = max(ahead, pulled - len(work.calls))
            yield str(number % 150)

    directory = RunDirectory(tmp_path)
    directory.lock()
    events: list[Event] = []
    stage = Stage("generate", stream, str, work, TASKS, REJECTED, parallel=3, total=200)
    summary = await run_stage(stage, directory, LocalEngine(), events.append, shard_bytes=10_000)
    directory.unlock()
    assert events[0] == StageStarted("generate", total=200, done=0)
    assert (summary.accepted, summary.owed) == (150, 0), "what the stream holds twice is one item and no debt"
    assert ahead <= 60, "repeats are passed over, the rest waits for a worker"
