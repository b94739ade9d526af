"""Calls that are no turns: a full conversation is handed over, and a mistake is asked for, checked and marked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from terminal_task_gen.errors import Cause
from terminal_task_gen.rollout.injection import KINDS, Injector
from terminal_task_gen.sandbox.bubblewrap import BubblewrapFactory
from terminal_task_gen.trajectory import Trajectory
from tests.rollout.rollout_bench import COPY, DONE, SUM, Bench, Saying, open_bench, say

Messages = list[dict[str, str]]

pytestmark = pytest.mark.bubblewrap


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(BubblewrapFactory(), tmp_path) as opened:
        yield opened


async def roll(bench: Bench, **options: object) -> Trajectory:
    result = await bench.roll(**options)  # type: ignore[arg-type]
    assert isinstance(result, Trajectory), result
    return result


# ---------------------------------------------------------------------------------------- a full context

FULL = Saying(status=400, code="context_length_exceeded")


async def test_a_full_context_stops_the_rollout(bench: Bench) -> None:
    """Each call of the endpoint counts 110 tokens; what the terminal shows next is counted by its length."""
    result = await bench.finish(say("echo a\n"), say("seq 1000\n"), DONE, max_context_tokens=500)
    assert (result.stop_reason, len(result.steps)) == (Cause.CONTEXT_FULL, 2)
    assert result.steps[-1].observation == ""
    assert (await bench.finish(say("echo a\n"), DONE, max_context_tokens=100_000)).completed


def hand_over(messages: Messages) -> Saying:
    last = messages[-1]["content"]
    if "hand this work over" in last:
        return Saying("SUMMARY")
    if "You take over work" in last:
        assert len(messages) == 1
        return Saying("QUESTIONS")
    if "QUESTIONS" in last:
        assert messages[-2]["content"] == "SUMMARY"
        return Saying("ANSWERS")
    if "ANSWERS" in last:
        return say(SUM, COPY)
    return DONE if len(messages) > 1 else say("echo fi''rst; seq 300\n")


async def test_a_full_context_is_handed_over_where_that_is_wanted(bench: Bench) -> None:
    bench.endpoint.respond = hand_over
    result = await roll(bench, max_context_tokens=400, summarize=True)
    first = result.earlier[0]
    assert [message.role for message in first] == ["user", "assistant"]
    assert "seq 300" in first[1].content
    begin = [message.content for message in result.messages[:4]]
    assert begin[0] == first[0].content
    assert "SUMMARY" in begin[1]
    assert "first\n" in begin[1], "what the terminal showed is in the questions' prompt"
    assert begin[2] == "QUESTIONS"
    assert "ANSWERS" in begin[3]
    assert result.steps[0].observation == begin[3]
    assert result.usage.prompt_tokens == sum(step.usage.prompt_tokens for step in result.steps)
    assert result.steps[1].usage.calls == 4, "three calls of the handover and the turn's own"
    assert (len(result.earlier), result.verdict.passed) == (1, True)


async def test_the_endpoints_own_limit_is_met_by_a_handover_too(bench: Bench) -> None:
    refused: list[int] = []

    def respond(messages: Messages) -> Saying:
        if len(messages) == 3 and "hand this work over" not in messages[-1]["content"] and not refused:
            refused.append(1)
            return FULL
        return hand_over(messages)

    bench.endpoint.respond = respond
    result = await roll(bench, summarize=True)
    assert refused
    assert (result.completed, len(result.earlier)) == (True, 1)


async def test_a_context_that_stays_full_ends_the_rollout_with_what_was_said(bench: Bench) -> None:
    bench.endpoint.respond = lambda messages: say("echo a\n") if len(messages) == 1 else FULL
    result = await roll(bench, summarize=True)
    assert (result.stop_reason, result.earlier) == (Cause.CONTEXT_FULL, ())
    assert [message.role for message in result.messages] == ["user", "assistant"]


async def test_a_handover_that_nobody_answers_is_undone(bench: Bench) -> None:
    bench.endpoint.respond = lambda messages: FULL if "ANSWERS" in messages[-1]["content"] else hand_over(messages)
    result = await roll(bench, max_context_tokens=400, summarize=True)
    assert (result.stop_reason, result.earlier) == (Cause.CONTEXT_FULL, ())
    assert [message.role for message in result.messages] == ["user", "assistant"]
    assert result.usage.calls == sum(step.usage.calls for step in result.steps) == 4


# ----------------------------------------------------------------------------------------- injected mistakes


def make_answerer(verdicts: list[str]) -> object:
    def respond(messages: Messages) -> Saying:
        last = messages[-1]["content"]
        if "Somebody intended the turn to contain" in last:
            return Saying(verdicts.pop(0))
        if "one plausible mistake" in last:
            return say("ls /wrong\n")
        turn = sum(message["role"] == "assistant" for message in messages)
        return DONE if turn >= 2 else say("ls\n")

    return respond


async def test_a_checked_mistake_stands_as_the_actors_own_turn(bench: Bench) -> None:
    bench.endpoint.respond = make_answerer(['Thinking… {"good": true, "why": "a slip"}'] * 9)  # type: ignore[assignment]
    result = await roll(bench, inject_errors=1.0, max_turns=2)
    assert {step.injected for step in result.steps} <= set(KINDS)
    assert [step.commands[0].keystrokes for step in result.steps] == ["ls /wrong\n"] * 2
    said = "".join(message.content for message in result.messages)
    assert "mistake" not in said
    assert [step.usage.calls for step in result.steps] == [2, 2]


async def test_a_mistake_that_is_refused_twice_is_given_up(bench: Bench) -> None:
    bench.endpoint.respond = make_answerer(['{"good": false, "why": "says so"}', "no verdict"])  # type: ignore[assignment]
    result = await roll(bench, inject_errors=1.0, max_turns=1)
    assert (result.steps[0].injected, result.steps[0].commands[0].keystrokes) == (None, "ls\n")
    assert result.steps[0].usage.calls == 5, "two tries with a check each, then the turn"


async def test_a_claim_of_completion_is_never_made_wrong(bench: Bench) -> None:
    bench.endpoint.respond = lambda messages: DONE
    result = await roll(bench, inject_errors=1.0)
    assert result.completed
    assert [step.injected for step in result.steps] == [None, None]


def test_which_turns_are_drawn_follows_from_the_id_and_the_rate() -> None:
    drawn = [Injector(f"traj-{n}", 0.2).draw(turn) for n in range(200) for turn in range(1, 21)]
    assert drawn == [Injector(f"traj-{n}", 0.2).draw(turn) for n in range(200) for turn in range(1, 21)]
    share = sum(kind is not None for kind in drawn) / len(drawn)
    assert 0.18 < share < 0.22
    assert {kind for kind in drawn if kind} == set(KINDS)
    assert Injector("traj-1", 0.0).draw(1) is None
