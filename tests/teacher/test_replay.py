"""The replay cache: what is answered from disk, what never is, and what a damaged file does."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from terminal_task_gen.config import EndpointConfig
from terminal_task_gen.errors import TeacherError
from terminal_task_gen.events import Event, RepliesReplayed
from terminal_task_gen.records import Usage
from terminal_task_gen.teacher import Reply
from terminal_task_gen.teacher.replay import ReplayingTeacher, follow_items
from terminal_task_gen.teacher.reply_store import FILE_NAME, ReplyStore, measure_store
from terminal_task_gen.trajectory import Message
from tests.teacher.bench import ASK, Bench, completion, give, refuse

BILL = {"usage": {"prompt_tokens": 100, "completion_tokens": 10}}


def number(count: int) -> list[Any]:
    """Responses that differ, so that it shows which call an answer was given to."""
    return [give(completion(f"reply {n}") | BILL) for n in range(1, count + 1)]


@asynccontextmanager
async def open_replay(
    bench: Bench, folder: Path, *, run_seed: int = 0, **config: Any
) -> AsyncIterator[ReplayingTeacher]:
    endpoint = EndpointConfig.model_validate({"base_url": bench.endpoint.base_url, "model": "m"} | config)
    client = bench.open(**config)
    teacher = ReplayingTeacher(client, endpoint, ReplyStore(folder, on_trouble=bench.notices.append), run_seed=run_seed)
    yield teacher
    await teacher.close()


async def ask(teacher: ReplayingTeacher, item: str, times: int = 1, **options: Any) -> list[Reply]:
    async def work(item: str) -> list[Reply]:
        return [await teacher.complete(ASK, **options) for _ in range(times)]

    return await follow_items(work, str, lambda event: None)(item)


async def ask_texts(teacher: ReplayingTeacher, item: str, times: int = 1, **options: Any) -> list[str]:
    return [reply.content for reply in await ask(teacher, item, times, **options)]


async def test_a_rerun_is_answered_from_disk_with_the_same_usage(bench: Bench, tmp_path: Path) -> None:
    bench.endpoint.responses = number(9)
    async with open_replay(bench, tmp_path) as teacher:
        first = await ask(teacher, "task-1")
        assert teacher.replayed.calls == 0
    async with open_replay(bench, tmp_path, base_url=bench.endpoint.base_url + "/", parallel=3) as teacher:
        assert await ask(teacher, "task-1") == first
        assert teacher.replayed.prompt_tokens == 100
    assert len(bench.endpoint.arrivals) == 1


async def test_items_and_repeated_calls_never_share_a_reply(bench: Bench, tmp_path: Path) -> None:
    """Two attempts at a task begin with the same words; the second try at an unlucky reply is the very same call."""
    bench.endpoint.responses = number(9)
    async with open_replay(bench, tmp_path) as teacher:
        assert await ask_texts(teacher, "attempt-0", times=2) == ["reply 1", "reply 2"]
        assert await ask_texts(teacher, "attempt-1") == ["reply 3"]
    async with open_replay(bench, tmp_path) as teacher:
        assert await ask_texts(teacher, "attempt-1") == ["reply 3"]
        assert await ask_texts(teacher, "attempt-0", times=3) == ["reply 1", "reply 2", "reply 4"]


@pytest.mark.parametrize(
    "change",
    [{"model": "other"}, {"temperature": 0.5}, {"max_tokens": 7}, {"extra_body": {"top_k": 4}}, {"run_seed": 1}],
    ids=lambda change: next(iter(change)),
)
async def test_what_decides_the_reply_is_in_the_key(bench: Bench, tmp_path: Path, change: dict[str, Any]) -> None:
    bench.endpoint.responses = number(9)
    async with open_replay(bench, tmp_path) as teacher:
        assert await ask_texts(teacher, "a") == ["reply 1"]
        assert await ask_texts(teacher, "a", seed=3) == ["reply 2"]
        assert await ask_texts(teacher, "a", response_format={"type": "json_object"}) == ["reply 3"]
    async with open_replay(bench, tmp_path, **change) as teacher:
        assert await ask_texts(teacher, "a") == ["reply 4"]


async def test_only_usable_replies_are_kept(bench: Bench, tmp_path: Path) -> None:
    bench.endpoint.responses = [give(completion("cut", finish_reason="length")), refuse(500), *number(3)]
    async with open_replay(bench, tmp_path, max_retries=0) as teacher:
        assert await ask_texts(teacher, "a") == ["cut"]
        with pytest.raises(TeacherError):
            await ask(teacher, "a")
        assert await ask_texts(teacher, "a") == ["reply 1"]
    assert measure_store(tmp_path).replies == 1


async def test_a_call_of_no_item_is_passed_on_and_not_kept(bench: Bench, tmp_path: Path) -> None:
    bench.endpoint.responses = number(9)
    async with open_replay(bench, tmp_path) as teacher:
        assert [(await teacher.complete(ASK)).content for _ in range(2)] == ["reply 1", "reply 2"]
    assert measure_store(tmp_path).replies == 0


async def test_prices_of_today_count(bench: Bench, tmp_path: Path) -> None:
    bench.endpoint.responses = number(1)
    async with open_replay(bench, tmp_path) as teacher:
        assert (await ask(teacher, "a"))[0].usage.cost_usd == 0.0
    async with open_replay(bench, tmp_path, completion_usd_per_mtok=5.0) as teacher:
        assert (await ask(teacher, "a"))[0].usage.cost_usd == pytest.approx(0.00005)


async def test_what_was_not_spent_is_told_per_item(bench: Bench, tmp_path: Path) -> None:
    bench.endpoint.responses = number(9)
    events: list[Event] = []
    for _ in range(2):
        async with open_replay(bench, tmp_path) as teacher:

            async def work(item: str, teacher: ReplayingTeacher = teacher) -> Reply:
                return await teacher.complete([*ASK, Message(role="user", content=item)])

            followed = follow_items(work, str, events.append)
            await asyncio.gather(*(followed(f"item-{n}") for n in range(8)))
    told = {event.item_id: event.usage.calls for event in events if isinstance(event, RepliesReplayed)}
    assert told == {f"item-{n}": 1 for n in range(8)}


async def test_who_no_longer_waits_takes_nobody_along(tmp_path: Path) -> None:
    """More at once than one statement takes; every third coroutine is cancelled while its reply is on its way."""
    notices: list[str] = []
    store = ReplyStore(tmp_path, on_trouble=notices.append)
    reply = Reply(content="kept", usage=Usage(calls=1), model="m")
    keys = [n.to_bytes(4, "big") for n in range(1200)]
    writers = [asyncio.create_task(store.put(key, reply)) for key in keys]
    await asyncio.sleep(0)
    for writer in writers[::3]:
        writer.cancel()
    await asyncio.gather(*writers, return_exceptions=True)
    found = await asyncio.gather(*(store.get(key) for key in [*keys, b"unknown"]))
    await store.close()
    assert found == [reply] * len(keys) + [None]
    assert (measure_store(tmp_path).replies, notices) == (len(keys), [])


async def test_a_torn_entry_is_a_miss_and_is_mended(bench: Bench, tmp_path: Path) -> None:
    bench.endpoint.responses = number(9)
    async with open_replay(bench, tmp_path) as teacher:
        await ask(teacher, "a")
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("UPDATE replies SET reply = substr(reply, 1, length(reply) / 2)")
    connection.close()
    for _ in range(2):
        async with open_replay(bench, tmp_path) as teacher:
            assert await ask_texts(teacher, "a") == ["reply 2"]
    assert bench.notices == []


async def test_a_file_that_is_no_cache_is_told_once_and_left_out(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"no database" * 500)
    bench.endpoint.responses = number(9)
    async with open_replay(bench, tmp_path) as teacher:
        assert await ask_texts(teacher, "a", times=2) == ["reply 1", "reply 2"]
    assert len(bench.notices) == 1
    assert "replies are not kept from here on" in bench.notices[0]


WRITER = """
import asyncio, sys
from pathlib import Path
from terminal_task_gen.records import Usage
from terminal_task_gen.teacher import Reply
from terminal_task_gen.teacher.reply_store import ReplyStore

async def main():
    store = ReplyStore(Path(sys.argv[1]), on_trouble=lambda text: sys.exit(text))
    async def put(n):
        await store.put(b"%s %d" % (sys.argv[2].encode(), n), Reply(content=f"{n}", usage=Usage(), model="m"))
    await asyncio.gather(*(put(n) for n in range(200)))
    for n in range(200):
        assert (await store.get(b"%s %d" % (sys.argv[2].encode(), n))).content == str(n)
    await store.close()

asyncio.run(main())
"""


def test_several_processes_write_one_cache(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name]) for name in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert measure_store(tmp_path).replies == 600
