"""Whole rollouts: what they do, what they keep, and every way they stop."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from terminal_task_gen.errors import POLICY, Cause, UsageError
from terminal_task_gen.rollout.attempt import enumerate_attempts, list_due
from terminal_task_gen.trajectory import Trajectory, trajectory_id
from tests.rollout.rollout_bench import (
    COPY,
    DONE,
    MODEL,
    SUM,
    Bench,
    Saying,
    WatchedBubblewrap,
    make_task,
    open_bench,
    say,
)

bubblewrap = pytest.mark.bubblewrap


@pytest.fixture
def factory() -> WatchedBubblewrap:
    return WatchedBubblewrap()


@pytest.fixture
async def bench(factory: WatchedBubblewrap, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(factory, tmp_path) as opened:
        yield opened


# -------------------------------------------------------------------------------------------- what it does


@bubblewrap
async def test_a_solved_task(bench: Bench) -> None:
    first = say("bin/say.sh it\n", "od -An -tx1 blob.bin\n", reasoning="hm")
    result = await bench.finish(first, say(SUM, COPY), DONE)
    assert (result.stop_reason, result.completed) == (Cause.COMPLETED, True)
    assert (result.verdict.reward, result.verdict.passed, result.verdict.tampered) == (1.0, True, False)
    assert [(test.name, test.status, test.weight) for test in result.verdict.tests] == [
        ("test_sum", "passed", 0.75),
        ("test_copy", "passed", 0.25),
    ]
    assert len(result.steps) == 4
    assert "said it" in result.steps[0].observation
    assert "00 ff" in result.steps[0].observation
    assert result.steps[0].observation.startswith("New Terminal Output:\n")
    assert [command.keystrokes for command in result.steps[1].commands] == [SUM, COPY]
    assert result.steps[2].observation.startswith("Current terminal state:\n")
    assert "Are you sure you want to mark the task as complete?" in result.steps[2].observation
    assert result.usage.prompt_tokens == 400
    assert (result.sandbox, result.agent, result.model) == ("bubblewrap", "terminus-2", MODEL)
    timings = result.timings
    assert min(timings.sandbox_start_sec, timings.teacher_sec, timings.terminal_sec, timings.verify_sec) > 0
    assert timings.total_sec < 60


@bubblewrap
async def test_messages_are_what_went_over_the_wire(bench: Bench) -> None:
    first = say("echo hi\n", reasoning="because")
    result = await bench.finish(first, DONE)
    sent = [{"role": m.role, "content": m.content} for m in result.messages]
    assert bench.endpoint.calls[-1] == sent[:-1]
    assert (result.messages[1].content, result.messages[1].reasoning) == (first.content, "because")
    assert make_task().instruction in result.messages[0].content
    assert "Current terminal state:\nCurrent Terminal Screen:\nroot@sandbox:/app#" in result.messages[0].content
    assert "test_sum" not in "".join(message.content for message in result.messages)


@bubblewrap
async def test_the_recording_is_an_asciicast_of_the_terminal(bench: Bench) -> None:
    result = await bench.finish(say("echo se''en\n"), DONE)
    header, *events = (bench.recordings_dir / f"{result.id}.cast").read_text().splitlines()
    assert json.loads(header)["version"] == 2
    assert "seen\r\n" in "".join(json.loads(event)[2] for event in events)


@bubblewrap
async def test_recording_can_be_off(bench: Bench) -> None:
    assert isinstance(await bench.roll(DONE, record=False), Trajectory)
    assert not list(bench.recordings_dir.iterdir())


@bubblewrap
async def test_partial_reward(bench: Bench) -> None:
    verdict = (await bench.finish(say(SUM), DONE)).verdict
    assert (verdict.reward, verdict.passed) == (0.75, False)
    assert [test.status for test in verdict.tests] == ["passed", "crashed"]


@bubblewrap
async def test_malformed_json_is_told_and_recovered_from(bench: Bench) -> None:
    result = await bench.finish(Saying('{"analysis": "touch x'), say("touch y; ls\n"), DONE)
    bad, good, *_ = result.steps
    assert (bad.commands, bad.error) == ((), "No valid JSON found in response")
    assert bad.observation.startswith("Previous response had parsing errors:\nERROR: No valid JSON found in response\n")
    assert good.error is None
    assert "blob.bin" in good.observation
    assert result.completed


@bubblewrap
async def test_sloppy_json_is_carried_out_and_warned_of(bench: Bench) -> None:
    result = await bench.finish(Saying("Sure! " + say("echo hi\n").content), DONE)
    assert result.steps[0].warnings == ("Extra text detected before JSON object",)
    assert result.steps[0].observation.startswith(
        "Previous response had warnings:\nWARNINGS: - Extra text detected before JSON object\n\nNew Terminal Output:\n"
    )


@bubblewrap
@pytest.mark.parametrize(
    ("sayings", "turns"),
    [((DONE,), 2), ((DONE, say(), DONE), 4), ((DONE, Saying("?"), DONE), 3), ((Saying("?"), DONE), 3)],
    ids=["twice", "taken back", "error between", "error before"],
)
async def test_completion_must_be_said_twice_and_an_error_between_does_not_count(
    bench: Bench, sayings: tuple[Saying, ...], turns: int
) -> None:
    result = await bench.finish(*sayings)
    assert (result.stop_reason, len(result.steps)) == (Cause.COMPLETED, turns)


@bubblewrap
async def test_commands_of_the_last_confirmation_are_carried_out(bench: Bench) -> None:
    result = await bench.finish(say(SUM, done=True), say(COPY, done=True))
    assert result.verdict.passed


@bubblewrap
async def test_long_output_is_cut_for_the_teacher(bench: Bench) -> None:
    result = await bench.finish(say("seq 1 20000\n"), DONE, max_observation_bytes=2_000)
    seen = result.steps[0].observation
    assert "[... output limited to 2000 bytes; " in seen
    assert "19999\n20000\n" in seen
    assert len(seen.encode()) < 2_100


# -------------------------------------------------------------------------------------------- how it stops


@bubblewrap
async def test_never_completing_ends_at_max_turns_and_is_judged(bench: Bench) -> None:
    result = await bench.finish(say(SUM), say("true\n"), max_turns=3)
    assert (result.stop_reason, len(result.steps), result.verdict.reward) == (Cause.MAX_TURNS, 3, 0.75)


@bubblewrap
async def test_unreadable_replies_count_as_turns(bench: Bench) -> None:
    result = await bench.finish(Saying("no"), max_turns=2)
    assert (result.stop_reason, len(bench.endpoint.calls)) == (Cause.MAX_TURNS, 2)


@bubblewrap
async def test_tokens_run_out(bench: Bench) -> None:
    result = await bench.finish(say("true\n"), max_tokens=300)
    assert (result.stop_reason, len(result.steps)) == (Cause.MAX_TOKENS, 3)


@bubblewrap
async def test_time_runs_out_in_the_terminal(bench: Bench) -> None:
    result = await bench.finish(say(SUM), say("sleep 50\n", duration=50), timeout_sec=2.0)
    assert (result.stop_reason, len(result.steps), result.verdict.reward) == (Cause.TIMEOUT, 2, 0.75)
    assert result.timings.terminal_sec < 5


@bubblewrap
async def test_time_runs_out_while_the_teacher_thinks(bench: Bench) -> None:
    result = await bench.finish(say(SUM), Saying(hang=True), timeout_sec=2.0)
    assert (result.stop_reason, len(result.steps), result.verdict.reward) == (Cause.TIMEOUT, 1, 0.75)
    assert 1.0 < result.timings.teacher_sec < 5


@bubblewrap
async def test_a_teacher_that_never_says_anything_is_owed(bench: Bench) -> None:
    result = await bench.fail(Saying(hang=True), timeout_sec=0.5)
    assert (result.cause, result.reason) == (Cause.TEACHER_UNAVAILABLE, "no_reply_in_time")


@bubblewrap
async def test_the_session_ends_by_exit_and_is_judged(bench: Bench) -> None:
    result = await bench.finish(say(SUM, "exit\n", "echo never\n"), say("echo unreachable\n"))
    assert (result.stop_reason, len(result.steps), result.verdict.reward) == (Cause.SESSION_ENDED, 1, 0.75)


@bubblewrap
async def test_a_truncated_reply_is_not_carried_out(bench: Bench) -> None:
    cut = Saying(say(SUM).content, finish_reason="length")
    result = await bench.finish(cut, DONE)
    assert (result.steps[0].commands, result.verdict.reward) == ((), 0.0)
    assert result.steps[0].error is not None
    assert result.steps[0].observation.startswith("ERROR!! NONE of the actions you just requested were performed")
    assert result.messages[1].content == cut.content


@bubblewrap
async def test_a_full_context_ends_a_rollout_that_has_begun(bench: Bench) -> None:
    full = Saying(status=400, code="context_length_exceeded")
    result = await bench.finish(say(SUM), full)
    assert (result.stop_reason, len(result.steps), result.verdict.reward) == (Cause.CONTEXT_FULL, 1, 0.75)


@bubblewrap
async def test_a_context_full_from_the_start_is_a_refusal(bench: Bench) -> None:
    result = await bench.fail(Saying(status=400, code="context_length_exceeded"))
    assert result.cause is Cause.TEACHER_REFUSED


@bubblewrap
async def test_a_refusal_in_mid_rollout_is_a_rejection(bench: Bench) -> None:
    result = await bench.fail(say("true\n"), Saying(status=422))
    assert (result.cause, POLICY[result.cause].retry) == (Cause.TEACHER_REFUSED, False)
    assert result.usage.calls == 1


@bubblewrap
async def test_a_teacher_that_is_down_is_owed(bench: Bench) -> None:
    result = await bench.fail(say("true\n"), Saying(status=503))
    assert (result.cause, POLICY[result.cause].retry) == (Cause.TEACHER_UNAVAILABLE, True)
    assert len(bench.endpoint.calls) == 3  # the client tried again; the rollout did not start over


@bubblewrap
async def test_a_wrong_key_ends_the_run(bench: Bench, factory: WatchedBubblewrap) -> None:
    with pytest.raises(UsageError):
        await bench.roll(Saying(status=401))
    assert not list(bench.recordings_dir.iterdir())


@bubblewrap
async def test_an_interrupted_rollout_leaves_nothing(bench: Bench, factory: WatchedBubblewrap) -> None:
    asked = asyncio.Event()
    rolling = asyncio.create_task(bench.roll(Saying(hang=True, meanwhile=asked.set)))
    await asked.wait()
    rolling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rolling
    assert not list(bench.recordings_dir.iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(factory.started[0].pid, 0)


@bubblewrap
async def test_any_keys_may_be_asked_for(bench: Bench) -> None:
    document = "cat > big.txt <<'EOF'\n" + "x" * 99 + "\n" + ("é中😀" * 20 + "\n") * 500 + "EOF\nwc -l big.txt;\n"
    odd = say("\x00\x1b[A\x7f", "C-c", "Escape", ";", "C-u", "", "echo done {} #{x} $'\\t' \\;\n", duration=0.2)
    result = await bench.finish(odd, say(document), DONE)
    assert "done {}" in result.steps[0].observation
    assert "501 big.txt" in result.steps[1].observation
    assert result.completed


def test_attempts_are_enumerated_with_ids_known_beforehand() -> None:
    task = make_task()
    attempts = list(enumerate_attempts([task], MODEL, 3))
    assert [attempt.id for attempt in attempts] == [trajectory_id(task.id, model=MODEL, attempt=n) for n in range(3)]
    assert [attempt.id for attempt in enumerate_attempts([task], MODEL, 2)] == [a.id for a in attempts[:2]]


@pytest.mark.parametrize(
    ("until", "seen", "due"),
    [
        ("success", [], True),
        ("success", [False, None], True),
        ("success", [False, True], False),
        ("both", [True, True], True),
        ("both", [True, False], False),
        ("both", [False, None], True),
    ],
)
def test_a_task_has_another_attempt_until_it_has_had_enough(until: str, seen: list[bool | None], due: bool) -> None:
    task = make_task()
    outcomes = {trajectory_id(task.id, model=MODEL, attempt=n): passed for n, passed in enumerate(seen)}
    found = list_due([task], MODEL, len(seen), outcomes=outcomes, until=until)  # type: ignore[arg-type]
    assert [attempt.number for attempt in found] == ([len(seen)] if due else [])


def test_no_attempt_is_due_while_an_earlier_one_is_owed() -> None:
    assert list_due([make_task()], MODEL, 1, outcomes={}, until="success") == []
