"""The client against a real HTTP server on loopback that answers what each test tells it to."""

from __future__ import annotations

import asyncio
from email.utils import formatdate

import pytest

from terminal_task_gen.errors import TeacherError, TeacherRefusedError, UsageError
from terminal_task_gen.records import Usage
from terminal_task_gen.teacher import Teacher
from terminal_task_gen.trajectory import Message
from tests.teacher.bench import (
    ASK,
    KEY,
    Bench,
    Respond,
    break_off,
    completion,
    drop,
    flood,
    give,
    hang,
    refuse,
    trickle,
)


async def test_a_call_sends_what_is_configured_and_no_more(bench: Bench) -> None:
    teacher: Teacher = bench.open(give(completion()))
    reply = await teacher.complete([*ASK, Message(role="assistant", content="a", reasoning="secret thought")])
    assert (reply.content, reply.reasoning, reply.finish_reason) == ("Hi.", None, "stop")
    assert reply.model == "served-model"
    assert teacher.model == "m"
    [arrival] = bench.endpoint.arrivals
    assert arrival.headers["Authorization"] == f"Bearer {KEY}"
    assert arrival.headers["Content-Type"] == "application/json"
    assert arrival.body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello?"},
            {"role": "assistant", "content": "a"},
        ],
    }


async def test_sampling_and_extra_body_are_sent_when_set(bench: Bench) -> None:
    extra = {"chat_template_kwargs": {"enable_thinking": True}}
    teacher = bench.open(give(completion()), temperature=0.0, top_p=0.9, max_tokens=7, extra_body=extra)
    await teacher.complete(ASK, seed=0)
    [arrival] = bench.endpoint.arrivals
    assert arrival.body.keys() == {"model", "messages", "temperature", "top_p", "max_tokens", "seed", *extra}
    assert [arrival.body[k] for k in ("temperature", "top_p", "max_tokens", "seed")] == [0.0, 0.9, 7, 0]
    assert arrival.body["chat_template_kwargs"] == {"enable_thinking": True}


async def test_a_response_format_is_passed_on(bench: Bench) -> None:
    response_format = {"type": "json_schema", "json_schema": {"name": "task", "schema": {}}}
    await bench.open(give(completion())).complete(ASK, response_format=response_format)
    assert bench.endpoint.arrivals[0].body["response_format"] == response_format


async def test_an_endpoint_without_a_key_gets_no_authorization(bench: Bench) -> None:
    await bench.open(give(completion()), api_key_env="").complete(ASK)
    assert "Authorization" not in bench.endpoint.arrivals[0].headers


async def test_loopback_is_reached_whatever_proxy_is_set(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert (await bench.open(give(completion()), max_retries=0).complete(ASK)).content == "Hi."


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_reasoning_is_kept_apart_and_think_is_left_in_the_content(bench: Bench, name: str) -> None:
    reply = await bench.open(give(completion("<think>x</think>Yes", **{name: "because"}))).complete(ASK)
    assert (reply.content, reply.reasoning) == ("<think>x</think>Yes", "because")


async def test_usage_and_cost(bench: Bench) -> None:
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 500,
        "prompt_tokens_details": {"cached_tokens": 900},
        "completion_tokens_details": {"reasoning_tokens": 400},
    }
    teacher = bench.open(
        refuse(500), give(completion() | {"usage": usage}), prompt_usd_per_mtok=2.0, completion_usd_per_mtok=10.0
    )
    reply = await teacher.complete(ASK)
    assert reply.usage == Usage(
        calls=1, prompt_tokens=1000, completion_tokens=500, cached_tokens=900, reasoning_tokens=400, cost_usd=0.007
    )


async def test_missing_usage_counts_nothing_but_the_call(bench: Bench) -> None:
    reply = await bench.open(give(completion() | {"usage": None})).complete(ASK)
    assert reply.usage == Usage(calls=1)


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        *((refuse(status), "teacher_server_error") for status in (409, 425, 500, 502, 503, 529)),
        (refuse(408), "teacher_timeout"),
        (refuse(429), "teacher_rate_limited"),
        (drop, "teacher_connection"),
        (break_off, "teacher_connection"),
        (flood, "teacher_malformed"),
        (give(b'{"choices": [{"mess'), "teacher_malformed"),
        (give(b""), "teacher_malformed"),
        (give([1]), "teacher_malformed"),
        (give(completion() | {"choices": []}), "teacher_malformed"),
        (give({"error": {"message": "upstream", "code": 429}}), "teacher_rate_limited"),
        (give(completion("")), "teacher_empty"),
        (give(completion(" \n", reasoning_content="thought")), "teacher_empty"),
        (give(completion(None)), "teacher_empty"),
        (give(completion("half", "error")), "teacher_server_error"),
    ],
)
async def test_trouble_that_may_pass_is_tried_again(bench: Bench, trouble: Respond, kind: str) -> None:
    teacher = bench.open(trouble, trouble, give(completion()))
    assert (await teacher.complete(ASK)).content == "Hi."
    assert teacher.stats.retries == {kind: 2}
    assert (teacher.stats.calls, teacher.stats.attempts, teacher.stats.replies) == (1, 3, 1)
    assert 0.0 < teacher.stats.wait_sec < 0.02 * 2
    assert len(bench.notices) == 1, "one line a kind, however often it comes"


async def test_retries_end(bench: Bench) -> None:
    teacher = bench.open(refuse(503, "overloaded"), max_retries=3)
    with pytest.raises(TeacherError) as caught:
        await teacher.complete(ASK)
    assert not isinstance(caught.value, TeacherRefusedError)
    assert str(caught.value) == f"teacher_server_error: HTTP 503: overloaded (4 tries at {bench.endpoint.base_url})"
    assert len(bench.endpoint.arrivals) == 4
    assert teacher.stats.given_up == 1


async def test_a_server_that_is_not_there(bench: Bench) -> None:
    teacher = bench.open(base_url="http://127.0.0.1:9/v1", max_retries=1)
    with pytest.raises(TeacherError, match=r"teacher_connection: .*Refused.*http://127\.0\.0\.1:9/v1"):
        await teacher.complete(ASK)


@pytest.mark.parametrize("trouble", [hang, trickle])
async def test_the_time_limit_covers_the_whole_call(bench: Bench, trouble: Respond) -> None:
    teacher = bench.open(trouble, give(completion()), timeout_sec=0.2)
    assert (await teacher.complete(ASK)).content == "Hi."
    waited_sec = bench.endpoint.arrivals[1].at_sec - bench.endpoint.arrivals[0].at_sec
    assert 0.15 < waited_sec < 2.0
    assert teacher.stats.retries == {"teacher_timeout": 1}


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "0.3"},
        {"Retry-After": "60", "retry-after-ms": "300"},
        {"Retry-After": formatdate(1_000_000_001, usegmt=True), "Date": formatdate(1_000_000_000, usegmt=True)},
        {"Retry-After": "3600"},
    ],
    ids=["seconds", "milliseconds", "date", "longer-than-we-wait"],
)
async def test_retry_after_is_honoured_up_to_ten_times_the_longest_backoff(
    bench: Bench, headers: dict[str, str]
) -> None:
    teacher = bench.open(refuse(429, headers=headers), give(completion()), max_backoff_sec=0.03)
    await teacher.complete(ASK)
    first, second = bench.endpoint.arrivals
    assert 0.29 < second.at_sec - first.at_sec < 1.5
    assert 0.29 < teacher.stats.wait_sec <= 11 * 0.03


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (refuse(400, "bad parameter"), "teacher_refused"),
        (refuse(413, "too large"), "teacher_refused"),
        (refuse(422, "cannot"), "teacher_refused"),
        (refuse(400, "long", code="context_length_exceeded"), "context_full"),
        (refuse(400, "This model's maximum context length is 4096 tokens."), "context_full"),
        (give(completion("half a reply", "content_filter")), "content_filter"),
        (give(completion(None, refusal="I will not")), "teacher_refused"),
    ],
)
async def test_a_refusal_is_not_tried_again(bench: Bench, trouble: Respond, reason: str) -> None:
    teacher = bench.open(trouble)
    with pytest.raises(TeacherRefusedError) as caught:
        await teacher.complete(ASK)
    assert caught.value.reason == reason
    assert caught.value.evidence
    assert len(bench.endpoint.arrivals) == 1
    assert teacher.stats.refused == 1


@pytest.mark.parametrize(
    ("trouble", "remedy"),
    [
        (refuse(401), "set OPENAI_API_KEY"),
        (refuse(403), "set OPENAI_API_KEY"),
        (refuse(404), r"check teacher\.author\.base_url .* teacher\.author\.model \('m'\)"),
        (refuse(402), "no credit"),
        (refuse(429, code="insufficient_quota"), "no credit"),
    ],
)
async def test_what_can_never_succeed_says_what_to_mend(bench: Bench, trouble: Respond, remedy: str) -> None:
    with pytest.raises(UsageError, match=remedy) as caught:
        await bench.open(trouble).complete(ASK)
    assert "\n" not in str(caught.value)
    assert bench.endpoint.base_url in str(caught.value)
    assert len(bench.endpoint.arrivals) == 1


@pytest.mark.parametrize("status", [200, 400, 401, 404, 500])
async def test_the_key_is_in_no_message(bench: Bench, status: int, caplog: pytest.LogCaptureFixture) -> None:
    echo = b"x" * 290 + KEY.encode() + b" is wrong"  # half of it would survive if the text were cut first
    body = b'{"error": {"message": "%b"}}' % echo if status > 200 else echo
    with caplog.at_level(0), pytest.raises((TeacherError, UsageError)) as caught:
        await bench.open(give(body, status), max_retries=1).complete(ASK)
    error: BaseException | None = caught.value
    shown = [*bench.notices, *(record.getMessage() for record in caplog.records)]
    while error is not None:
        shown.append(f"{error} {error!r}")
        error = error.__cause__ or error.__context__
    assert not any(KEY[:8] in text for text in shown)
    assert "xxx" in shown[0] or "xxx" in shown[-1]


async def test_messages_of_an_endpoint_are_cut(bench: Bench) -> None:
    with pytest.raises(TeacherRefusedError) as caught:
        await bench.open(refuse(400, "word\n" * 100_000)).complete(ASK)
    assert len(caught.value.evidence) <= 300
    assert "\n" not in caught.value.evidence


async def test_parallel_bounds_the_calls_in_flight(bench: Bench) -> None:
    teacher = bench.open(give(completion(), delay_sec=0.02), parallel=3)
    await asyncio.gather(*(teacher.complete(ASK) for _ in range(12)))
    assert bench.endpoint.most_in_flight == 3


async def test_a_call_that_waits_to_retry_holds_no_slot(bench: Bench) -> None:
    later = {"Retry-After": "0.3"}
    teacher = bench.open(refuse(429, headers=later), give(completion()), parallel=1, max_backoff_sec=0.03)
    waiting = asyncio.create_task(teacher.complete(ASK))
    await bench.noticed.wait()
    await teacher.complete(ASK)
    assert not waiting.done()
    await waiting
    assert len(bench.endpoint.arrivals) == 3


async def test_a_message_that_is_no_unicode_is_refused_alone(bench: Bench) -> None:
    teacher = bench.open(give(completion()))
    with pytest.raises(TeacherRefusedError, match="surrogates"):
        await teacher.complete([Message.model_construct(role="user", content="\ud800")])
    assert bench.endpoint.arrivals == []


async def test_a_cancelled_call_frees_its_slot_and_connection(bench: Bench) -> None:
    teacher = bench.open(hang, give(completion()), parallel=1)
    call = asyncio.create_task(teacher.complete(ASK))
    await bench.endpoint.arrived.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await teacher.complete(ASK)).content == "Hi."
    await teacher.close()  # and once more by the fixture: closing is idempotent
