"""An open run at a URL while the store errs, dawdles, goes away and comes back; over HTTP, to a real S3 server."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from terminal_task_gen.config import Config, load_config
from terminal_task_gen.engine.local import LocalEngine
from terminal_task_gen.errors import Cause, UsageError
from terminal_task_gen.events import Event, Notice
from terminal_task_gen.partition import WHOLE, Partition
from terminal_task_gen.pipeline import open_run
from terminal_task_gen.stage import Stage, run_stage
from terminal_task_gen.store import REJECTED, TASKS
from terminal_task_gen.task import Rejection
from tests.mirror.faulty_proxy import FaultyProxy
from tests.mirror.s3_objects import Bucket


def configure(bucket: Bucket, endpoint: str, *overrides: str) -> Config:
    options = [f"storage.options.endpoint_url={endpoint}", "storage.seal_rows=2", "storage.seal_sec=0.4"]
    limits = ["storage.lease_sec=1.2", "storage.patience_sec=1"]
    return load_config(None, [*options, *limits, *overrides], {"output_dir": f"{bucket.url}/runs", "name": "x"})


class Shift:
    """One start of a stage of quick items."""

    def __init__(self, config: Config, items: Sequence[str], partition: Partition = WHOLE) -> None:
        self.config = config
        self.items = items
        self.partition = partition
        self.told: list[str] = []
        self.done: list[str] = []
        self.pending = -1
        self.item_sec = 0.02
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def work(self, item: str) -> Rejection:
        await asyncio.sleep(self.item_sec)
        if item == self.items[-1]:
            await self.may_end.wait()
        self.done.append(item)
        return Rejection(id=item, stage="generate", cause=Cause.MERIT, reason="r", evidence="e", domain="security")

    async def run(self) -> None:
        def listen(event: Event) -> None:
            if isinstance(event, Notice):
                self.told.append(event.text)

        stage = Stage(
            "generate", lambda: self.items, str, self.work, TASKS, REJECTED, parallel=2, takes=self.partition.takes
        )
        async with open_run(self.config, listen, LocalEngine(), partition=self.partition) as run:
            await run_stage(stage, run.directory, run.engine, listen, shard_bytes=1_000_000)
            with run.directory.say_last_word() as is_last:
                if is_last:
                    ids = sorted(key for key, _ in run.directory.read_keys(REJECTED))
                    run.directory.write_file(
                        run.directory.path / "trajectories" / "solve-rates.jsonl", orjson.dumps(ids).decode()
                    )
        assert run.syncer is not None
        self.pending = run.syncer.pending.files


ITEMS = [f"r{number:02d}" for number in range(16)]


def list_ids(bucket: Bucket) -> list[str]:
    return sorted(row["id"] for row in bucket.read_rows("runs/x/tasks/"))


async def test_whole_shards_are_uploaded_while_the_stage_works(bucket: Bucket) -> None:
    shift = Shift(configure(bucket, bucket.endpoint, "storage.seal_rows=4"), ITEMS[:7])
    shift.may_end.clear()
    running = asyncio.create_task(shift.run())
    # The last does not end: four rows are a shard, the two after them become one by their age.
    while len(list_ids(bucket)) < 6:
        assert not running.done()
        await asyncio.sleep(0.1)
    shift.may_end.set()
    await running
    assert list_ids(bucket) == ITEMS[:7]
    assert shift.pending == 0
    assert "4 rows or 0.4 s of work, and only what is not yet uploaded is lost" in shift.told[0]


async def test_errors_and_slow_answers_cost_nothing(bucket: Bucket, proxy: FaultyProxy) -> None:
    count = 0

    def fault(method: str, path: str) -> int | float | None:
        nonlocal count
        count += 1
        return {0: 500, 3: 503, 5: 0.3}.get(count % 7)

    proxy.fault = fault
    shift = Shift(configure(bucket, proxy.endpoint, "storage.patience_sec=60"), ITEMS)
    await shift.run()
    assert {500, 503} <= {status for _, _, status in proxy.answered}
    assert list_ids(bucket) == ITEMS
    assert shift.pending == 0


async def test_a_store_that_goes_away_stops_nothing_and_the_next_start_uploads(
    bucket: Bucket, proxy: FaultyProxy
) -> None:
    config = configure(bucket, proxy.endpoint)
    first = Shift(config, ITEMS)
    first.may_end.clear()
    running = asyncio.create_task(first.run())
    while not first.done:
        await asyncio.sleep(0.01)
    proxy.is_down = True
    while not any("uploads are tried again" in text for text in first.told):
        await asyncio.sleep(0.05)
    first.may_end.set()
    await running
    assert sorted(first.done) == ITEMS
    assert first.pending > 0
    assert any("work goes on here and uploads are tried again" in text for text in first.told), first.told
    assert first.told[-1].startswith(f"not yet at {config.run_url}: {first.pending} files")

    proxy.is_down = False
    second = Shift(config, ITEMS)
    await second.run()
    assert (second.done, second.pending) == ([], 0)
    assert list_ids(bucket) == ITEMS


async def test_a_dead_machine_costs_what_was_not_sealed_and_doubles_nothing_when_it_is_back(
    bucket: Bucket, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure(bucket, bucket.endpoint)
    first = Shift(config, ITEMS)
    first.item_sec = 0.15
    running = asyncio.create_task(first.run())
    while len(first.done) < 8:
        await asyncio.sleep(0.02)
    # The folder as a kill would leave it: a growing shard, a hold nobody lets go of.
    snapshot = machine.with_name("snapshot")
    shutil.copytree(machine, snapshot)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    hold = next(key for key in bucket.list_keys("runs/x/writers/"))
    bucket.write(hold, orjson.dumps({**orjson.loads(bucket.read(hold)), "released": False}))

    monkeypatch.setenv("TTG_STAGING_DIR", str(machine.with_name("other")))
    other = Shift(configure(bucket, bucket.endpoint), ITEMS)
    await other.run()
    assert any("is silent; taking over" in text for text in other.told)
    assert list_ids(bucket) == ITEMS
    lost = set(first.done) & set(other.done)
    # In a shard of two rows, or sealed and not yet uploaded: a tick of 0.2 s and an upload, two items at once.
    assert len(lost) <= 8, lost

    shutil.rmtree(machine)
    snapshot.rename(machine)
    monkeypatch.setenv("TTG_STAGING_DIR", str(machine))
    back = Shift(config, ITEMS)
    await back.run()
    assert back.done == []
    assert list_ids(bucket) == ITEMS


async def test_a_second_writer_is_refused_while_the_first_lives(
    bucket: Bucket, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Shift(configure(bucket, bucket.endpoint, "storage.lease_sec=8"), ITEMS)
    first.may_end.clear()
    running = asyncio.create_task(first.run())
    while not first.done:
        await asyncio.sleep(0.01)
    monkeypatch.setenv("TTG_STAGING_DIR", str(machine.with_name("other")))
    second = Shift(configure(bucket, bucket.endpoint), ITEMS)
    with pytest.raises(UsageError, match=r"another ttg .* is writing s3://"):
        await second.run()
    assert not machine.with_name("other").exists()
    first.may_end.set()
    await running
    assert list_ids(bucket) == ITEMS


async def test_partitions_on_machines_of_their_own_fill_one_run(
    bucket: Bucket, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shifts = []
    for index in range(3):
        monkeypatch.setenv("TTG_STAGING_DIR", str(machine.with_name(f"machine{index}")))
        shifts.append(Shift(configure(bucket, bucket.endpoint), ITEMS, Partition(index, 3)))
    await asyncio.gather(*(shift.run() for shift in shifts))
    assert list_ids(bucket) == ITEMS
    assert sorted(item for shift in shifts for item in shift.done) == ITEMS
    assert orjson.loads(bucket.read("runs/x/trajectories/solve-rates.jsonl")) == ITEMS


async def test_a_bucket_that_may_not_be_written_leaves_nothing_behind(
    bucket: Bucket, proxy: FaultyProxy, machine: Path
) -> None:
    proxy.fault = lambda method, path: 403 if method == "PUT" else None
    with pytest.raises(UsageError, match=r"cannot write s3://.*the store refuses .*credentials"):
        await Shift(configure(bucket, proxy.endpoint), ITEMS).run()
    assert not machine.exists()
    assert bucket.list_keys() == []


async def test_a_missing_bucket_is_told(bucket: Bucket, machine: Path) -> None:
    missing = Bucket(bucket.endpoint, "is-not-there")
    with pytest.raises(UsageError, match="s3://is-not-there/runs/x: no such bucket; create it"):
        await Shift(configure(missing, bucket.endpoint), ITEMS).run()
    assert not machine.exists()
