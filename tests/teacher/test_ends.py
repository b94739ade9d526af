"""When a client gives up: silence, the early stop, the end of a budget."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from terminal_task_gen.errors import TeacherError, TeacherRefusedError, UsageError
from terminal_task_gen.ledger import Ledger, Spent
from terminal_task_gen.records import Usage
from terminal_task_gen.teacher.budget import Budget, Limit
from tests.teacher.bench import ASK, Bench, Respond, completion, drop, give, hang, refuse, trickle


def bill(prompt: int, completion_tokens: int, **more: Any) -> dict[str, Any]:
    return {"usage": {"prompt_tokens": prompt, "completion_tokens": completion_tokens, **more}}


async def test_silence_ends_a_try_and_bytes_that_come_keep_it_alive(bench: Bench) -> None:
    teacher = bench.open(hang, give(completion()), idle_timeout_sec=0.15)
    assert (await teacher.complete(ASK)).content == "Hi."
    assert teacher.stats.retries == {"teacher_timeout": 1}
    teacher = bench.open(trickle, idle_timeout_sec=0.15, timeout_sec=0.5, max_retries=0)
    with pytest.raises(TeacherError, match=r"teacher_timeout: no whole answer within 0\.5 s"):
        await teacher.complete(ASK)


@pytest.mark.parametrize(
    ("trouble", "error", "cause", "remedy"),
    [
        (drop, TeacherError, "teacher_connection", "their items are owed"),
        (refuse(400, "max_tokens is too large"), TeacherRefusedError, "teacher_refused", "asks for what the endpoint"),
    ],
)
async def test_many_failures_for_one_cause_end_the_run(
    bench: Bench, trouble: Respond, error: type[Exception], cause: str, remedy: str
) -> None:
    teacher = bench.open(trouble, max_retries=1, stop_after_failures=4)
    for _ in range(3):
        with pytest.raises(error):
            await teacher.complete(ASK)
    with pytest.raises(UsageError) as caught:
        await teacher.complete(ASK)
    assert f"4 calls in a row failed for one cause ({cause})" in str(caught.value)
    assert remedy in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_reply_in_between_starts_the_count_anew_and_0_never_stops(bench: Bench) -> None:
    ok = give(completion())
    teacher = bench.open(drop, drop, ok, drop, drop, ok, max_retries=0, stop_after_failures=3)
    results = [await asyncio.gather(teacher.complete(ASK), return_exceptions=True) for _ in range(6)]
    assert [isinstance(result, TeacherError) for [result] in results] == [True, True, False, True, True, False]
    teacher = bench.open(drop, max_retries=0, stop_after_failures=0)
    for _ in range(60):
        with pytest.raises(TeacherError):
            await teacher.complete(ASK)


async def test_cached_prompt_tokens_have_a_price_of_their_own(bench: Bench) -> None:
    prices: dict[str, Any] = {"prompt_usd_per_mtok": 2.0, "completion_usd_per_mtok": 10.0, "cached_usd_per_mtok": 0.2}
    for field in ({"prompt_tokens_details": {"cached_tokens": 900}}, {"prompt_cache_hit_tokens": 900}):
        reply = await bench.open(give(completion() | bill(1000, 500, **field)), **prices).complete(ASK)
        assert reply.usage.cached_tokens == 900
        assert reply.usage.cost_usd == pytest.approx((100 * 2 + 900 * 0.2 + 500 * 10) / 1e6)


async def test_a_spent_budget_lets_what_is_under_way_finish_and_starts_nothing(bench: Bench) -> None:
    ends: list[str] = []
    limit = Limit("teacher.budget_tokens", 1000, used=700)
    teacher = bench.open(
        give(completion() | bill(80, 20), delay_sec=0.05), parallel=4, budget=Budget([limit], on_spent=ends.append)
    )
    results = await asyncio.gather(*(teacher.complete(ASK) for _ in range(20)), return_exceptions=True)
    replies = [result for result in results if not isinstance(result, BaseException)]
    assert 3 <= len(replies) <= 3 + 4, "the calls in flight may overstep it"
    assert len(bench.endpoint.arrivals) == len(replies)
    refused = [result for result in results if isinstance(result, TeacherError)]
    assert {error.reason for error in refused} == {"budget_spent"}
    assert len(ends) == 1
    assert ends[0].startswith("teacher.budget_tokens is spent: ")


async def test_replies_that_cannot_be_used_are_on_the_bill_too(bench: Bench) -> None:
    limit = Limit("teacher.author.budget_usd", 0.01, in_usd=True)
    empty = give(completion("", "length", reasoning_content="long thought") | bill(0, 1000))
    teacher = bench.open(empty, completion_usd_per_mtok=4.0, budget=Budget([limit]), max_retries=9)
    with pytest.raises(TeacherError, match=r"budget_spent: teacher.author.budget_usd is spent: 0\.01 of 0\.01 USD"):
        await teacher.complete(ASK)
    assert len(bench.endpoint.arrivals) == 3


def test_roles_share_the_budget_of_the_run_and_have_their_own_beside_it() -> None:
    ledger = Ledger()
    ledger.charge("teacher.author", Usage(prompt_tokens=500))
    first = Budget([Limit("teacher.budget_tokens", 1000, used=700)], role="teacher.actors.0", ledger=ledger)
    own = [Limit("teacher.budget_tokens", 1000, used=700), Limit("teacher.actors.1.budget_tokens", 200)]
    second = Budget(own, role="teacher.actors.1", ledger=ledger)
    first.charge(Usage(prompt_tokens=150, completion_tokens=100))
    assert (first.explain_end(), second.explain_end()) == (None, None), "what the ledger held before is in `used`"
    ledger.elsewhere = {"teacher.actors.0": Spent(50)}
    assert first.explain_end() == second.explain_end() == "teacher.budget_tokens is spent: 1,000 of 1,000 tokens"


def test_a_budget_without_limits_never_ends() -> None:
    budget = Budget([Limit("teacher.budget_usd", 0.0, in_usd=True)])
    budget.charge(Usage(calls=1, prompt_tokens=10**9, cost_usd=1e6))
    assert budget.explain_end() is None
