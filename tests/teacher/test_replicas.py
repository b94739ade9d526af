"""Several servers for one endpoint: who gets which call, and what happens when one of them fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from terminal_task_gen.config import EndpointConfig
from terminal_task_gen.errors import PrerequisiteError, TeacherError, UsageError
from terminal_task_gen.teacher import replica as replica_module
from terminal_task_gen.teacher.client import OpenAITeacher
from terminal_task_gen.teacher.replica import TRIP
from tests.teacher.bench import ASK, KEY, Bench, Endpoint, completion, drop, give, hang, refuse, serve_endpoint


@pytest.fixture
async def others() -> AsyncIterator[list[Endpoint]]:
    """Two more servers, which answer as the first test in need of them says."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(serve_endpoint(give(completion()))) for _ in range(2)]


def list_replicas(servers: list[Endpoint]) -> list[dict[str, str]]:
    return [{"base_url": server.base_url} for server in servers]


async def ask(teacher: OpenAITeacher, times: int) -> None:
    await asyncio.gather(*(teacher.complete(ASK) for _ in range(times)))


async def test_calls_are_spread_over_all_servers(bench: Bench, others: list[Endpoint]) -> None:
    slow = give(completion(), delay_sec=0.05)
    for server in others:
        server.responses = [slow]
    teacher = bench.open(slow, replicas=list_replicas(others), parallel=4)
    await ask(teacher, 12)
    assert [len(server.arrivals) for server in (bench.endpoint, *others)] == [4, 4, 4]


async def test_a_slow_server_gets_fewer_calls(bench: Bench, others: list[Endpoint]) -> None:
    others[0].responses = [give(completion(), delay_sec=0.3)]
    teacher = bench.open(give(completion(), delay_sec=0.01), replicas=list_replicas(others[:1]), parallel=2)
    await ask(teacher, 40)
    assert len(others[0].arrivals) <= 6


async def test_each_server_has_its_own_key_name_and_ceiling(bench: Bench, others: list[Endpoint]) -> None:
    slow = give(completion(), delay_sec=0.05)
    others[0].responses = others[1].responses = [slow]
    first, second = list_replicas(others)
    replicas = [{**first, "model": "its-own", "parallel": 1}, {**second, "api_key_env": ""}]
    teacher = bench.open(slow, replicas=replicas, parallel=3)
    replies = await asyncio.gather(*(teacher.complete(ASK) for _ in range(7)))
    assert [len(server.arrivals) for server in (bench.endpoint, *others)] == [3, 1, 3]
    assert others[0].arrivals[0].body["model"] == "its-own"
    assert others[0].arrivals[0].headers["Authorization"] == f"Bearer {KEY}"
    assert "Authorization" not in others[1].arrivals[0].headers
    assert {reply.model for reply in replies} == {"served-model"}
    assert teacher.model == "m"


async def test_a_retry_goes_to_another_server_and_waits_for_no_retry_after(
    bench: Bench, others: list[Endpoint]
) -> None:
    busy = refuse(429, headers={"Retry-After": "60"})
    teacher = bench.open(busy, replicas=list_replicas(others[:1]), max_backoff_sec=0.1)
    started = time.monotonic()
    await ask(teacher, 10)
    assert time.monotonic() - started < 2.0
    assert len(bench.endpoint.arrivals) <= 10
    assert teacher.stats.replicas[1].replies == 10


async def test_a_dead_server_rests_and_is_tried_again(
    bench: Bench, others: list[Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_module, "FIRST_REST_SEC", 0.2)
    teacher = bench.open(drop, replicas=list_replicas(others[:1]), parallel=2)
    for _ in range(30):
        await teacher.complete(ASK)
    dead = len(bench.endpoint.arrivals)
    assert TRIP <= dead <= TRIP + 2
    assert [replica.well for replica in teacher.stats.replicas] == [False, True]
    bench.endpoint.responses = [give(completion())]
    await asyncio.sleep(0.25)
    await ask(teacher, 20)
    assert len(bench.endpoint.arrivals) > dead + 3
    assert all(replica.well for replica in teacher.stats.replicas)


async def test_where_none_is_well_calls_end_as_with_one_server(bench: Bench, others: list[Endpoint]) -> None:
    others[0].responses = [drop]
    teacher = bench.open(drop, replicas=list_replicas(others[:1]), max_retries=3)
    started = time.monotonic()
    results = await asyncio.gather(*(teacher.complete(ASK) for _ in range(8)), return_exceptions=True)
    assert all(isinstance(result, TeacherError) for result in results)
    assert time.monotonic() - started < 2.0
    assert teacher.stats.attempts == 32


async def test_a_server_that_refuses_the_key_is_left_out_while_another_serves(
    bench: Bench, others: list[Endpoint]
) -> None:
    slow = give(completion(), delay_sec=0.02)
    others[0].responses = [slow]
    teacher = bench.open(slow, refuse(401), replicas=list_replicas(others[:1]), parallel=1)
    await ask(teacher, 8)
    assert len(bench.endpoint.arrivals) == 2
    assert len(others[0].arrivals) == 7
    [notice] = [text for text in bench.notices if text.startswith("left out")]
    assert bench.endpoint.base_url in notice
    assert "set OPENAI_API_KEY" in notice
    others[0].responses = [refuse(401)]
    with pytest.raises(UsageError, match=others[0].base_url):
        await teacher.complete(ASK)


async def test_a_call_that_is_cancelled_while_it_waits_takes_no_slot(bench: Bench) -> None:
    teacher = bench.open(hang, give(completion()), parallel=1)
    first = asyncio.create_task(teacher.complete(ASK))
    await bench.endpoint.arrived.wait()
    waiting = [asyncio.create_task(teacher.complete(ASK)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    first.cancel()
    await asyncio.sleep(0)
    waiting[1].cancel()
    assert (await waiting[2]).content == "Hi."
    assert (await teacher.complete(ASK)).content == "Hi."


async def test_an_overloaded_server_gets_fewer_calls_at_once(bench: Bench) -> None:
    """It takes four at a time; of 300 calls by 64 callers, adaptive or not, all are answered, but how is different."""

    async def count_refused(*, adaptive: bool) -> int:
        teacher = bench.open(parallel=64, adaptive=adaptive, max_retries=500, max_backoff_sec=0.05)
        bench.endpoint.most_at_once = 4
        bench.endpoint.responses = [give(completion(), delay_sec=0.02)]
        await ask(teacher, 300)
        return teacher.stats.attempts - 300

    assert await count_refused(adaptive=True) * 3 < await count_refused(adaptive=False)


async def test_configured_requests_per_minute_hold(bench: Bench) -> None:
    teacher = bench.open(give(completion()), requests_per_minute=1200, parallel=50)
    started = time.monotonic()
    await ask(teacher, 40)
    assert 0.9 < time.monotonic() - started < 3.0, "20 at once, then 20 a second"


async def test_x_ratelimit_headers_are_believed(bench: Bench) -> None:
    spent = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "300ms"}
    teacher = bench.open(give(completion(), headers=spent), give(completion()), parallel=1, max_backoff_sec=0.1)
    await ask(teacher, 3)
    first, second, third = bench.endpoint.arrivals
    assert 0.29 < second.at_sec - first.at_sec < 1.5
    assert third.at_sec - second.at_sec < 0.29


def test_a_replica_without_its_key_is_named() -> None:
    endpoint = EndpointConfig.model_validate(
        {
            "base_url": "http://h/v1",
            "model": "m",
            "api_key_env": "",
            "replicas": [{"base_url": "http://i/v1"}, {"base_url": "http://j/v1", "api_key_env": "MINE"}],
        }
    )
    with pytest.raises(PrerequisiteError, match=r"MINE is not set.*teacher\.author\.replicas\.1\.api_key_env"):
        OpenAITeacher(endpoint, environ={})
