"""The one loop every stage runs in: items − done → engine → store, with events.

An item ends as exactly one line: an accepted record or a Rejection. What was done before is read from the shards; what
failed for a cause that may pass (errors.POLICY) is owed again.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, TypeVar

from terminal_task_gen.engine import Engine
from terminal_task_gen.errors import POLICY
from terminal_task_gen.events import ItemFinished, Listener, StageFinished, StageStarted
from terminal_task_gen.records import Record
from terminal_task_gen.store import RunDirectory, ShardKind
from terminal_task_gen.task import Rejection, Task
from terminal_task_gen.trajectory import Trajectory

Item = TypeVar("Item")


@dataclass(frozen=True)
class Stage(Generic[Item]):
    """What a stage is made of. `work` never raises for a failed item: it returns a Rejection."""

    name: str
    list_items: Callable[[], Iterable[Item]]
    """Called twice, with the same result: items are never held all at once, so memory does not grow with them."""
    get_id: Callable[[Item], str]
    work: Callable[[Item], Awaitable[Task | Trajectory | Rejection]]
    accepted: ShardKind
    rejected: ShardKind
    parallel: int
    total: int | None = None
    """Given: the items are taken one at a time and never held; this many are announced. None: they are few."""
    takes: Callable[[str], bool] = lambda item_id: True
    """Whether an item is this process's; the others are somebody else's, done or not."""


@dataclass(frozen=True)
class _Finished(Generic[Item]):
    item_id: str
    record: Task | Trajectory | Rejection
    seconds: float


async def run_stage(
    stage: Stage[Item], run: RunDirectory, engine: Engine, listener: Listener, *, shard_bytes: int
) -> StageFinished:
    """Do what is owed and say how it went. Raises UsageError when the disk refuses or no teacher call can succeed."""
    started = time.monotonic()
    done = {item_id for item_id in run.read_done_ids(stage.accepted, stage.rejected) if stage.takes(item_id)}
    survey = _survey(stage, done)
    listener(StageStarted(stage.name, total=survey.total, done=survey.done))

    async def work(item: Item) -> _Finished[Item]:
        begun = time.monotonic()
        record = await stage.work(item)
        return _Finished(stage.get_id(item), record, time.monotonic() - begun)

    accepted = rejected = owed = 0
    accepted_writer = run.open_writer(stage.accepted, max_bytes=shard_bytes)
    rejected_writer = run.open_writer(stage.rejected, max_bytes=shard_bytes)
    try:
        async with aclosing(
            engine.map(work, _list_owed(stage, done, survey), parallel=stage.parallel, get_key=stage.get_id)
        ) as finished:
            async for one in finished:
                if isinstance(one.record, Rejection):
                    rejected_writer.write(one.record)
                    rejected += 1
                    owed += POLICY[one.record.cause].retry
                else:
                    accepted_writer.write(one.record)
                    accepted += 1
                listener(_tell(stage.name, one))
    finally:
        accepted_writer.close()
        rejected_writer.close()
    await engine.meet()
    # Of a stream it is known only when it was left early; what it holds twice is no debt.
    is_known = stage.total is None or engine.draining
    not_started = max(0, survey.total - survey.done - accepted - rejected) if is_known else 0
    summary = StageFinished(
        stage.name,
        accepted=accepted,
        rejected=rejected - owed,
        owed=owed + not_started,
        seconds=time.monotonic() - started,
        interrupted=engine.draining,
    )
    listener(summary)
    return summary


@dataclass(frozen=True)
class _Survey:
    """Counts of different items."""

    total: int
    done: int
    has_doubles: bool


def _survey(stage: Stage[Item], done: set[str]) -> _Survey:
    if stage.total is not None:
        return _Survey(total=stage.total, done=min(stage.total, len(done)), has_doubles=True)
    listed = 0
    ids: set[str] = set()
    for item in _list_own(stage):
        listed += 1
        ids.add(stage.get_id(item))
    return _Survey(total=len(ids), done=len(ids & done), has_doubles=listed > len(ids))


def _list_own(stage: Stage[Item]) -> Iterator[Item]:
    return (item for item in stage.list_items() if stage.takes(stage.get_id(item)))


def _list_owed(stage: Stage[Item], done: set[str], survey: _Survey) -> Iterator[Item]:
    seen: set[str] = set()
    for item in _list_own(stage):
        item_id = stage.get_id(item)
        if item_id in done or item_id in seen:
            continue
        if survey.has_doubles:
            seen.add(item_id)
        yield item


def _tell(stage: str, one: _Finished[Item]) -> ItemFinished:
    record: Record = one.record
    if isinstance(record, Rejection):
        return ItemFinished(
            stage,
            one.item_id,
            False,
            record.reason,
            f"{record.domain}",
            one.seconds,
            usage=record.usage,
            owed=POLICY[record.cause].retry,
        )
    if isinstance(record, Trajectory):
        label = f"{record.domain} reward {record.verdict.reward:.2f}"
        usage = record.usage + record.wasted_usage
        return ItemFinished(stage, one.item_id, True, record.stop_reason, label, one.seconds, usage)
    assert isinstance(record, Task)
    return ItemFinished(stage, one.item_id, True, "", f"{record.domain}: {record.title}", one.seconds, record.usage)
