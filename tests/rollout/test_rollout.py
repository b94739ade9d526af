"""Whole rollouts: a real endpoint over HTTP that says what a test tells it to, real terminals, sandboxes and tests."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from terminal_task_gen.config import EndpointConfig, RolloutConfig, SandboxConfig
from terminal_task_gen.errors import POLICY, Cause, UsageError
from terminal_task_gen.records import Usage
from terminal_task_gen.rollout.attempt import Attempt, enumerate_attempts
from terminal_task_gen.rollout.rollout import Roller
from terminal_task_gen.sandbox import SandboxFactory, SandboxSpec
from terminal_task_gen.sandbox.bubblewrap import BubblewrapFactory, BubblewrapSandbox
from terminal_task_gen.sandbox.docker import DockerFactory
from terminal_task_gen.task import Limits, Lineage, Rejection, Task, TaskFile
from terminal_task_gen.teacher.client import OpenAITeacher
from terminal_task_gen.trajectory import Trajectory, trajectory_id

MODEL = "scripted"
TESTS = """
from pathlib import Path

def test_sum():
    assert Path("/app/sum.txt").read_text().strip() == "6"

def test_copy():
    assert Path("/app/copy.txt").read_text() == Path("/app/data/numbers.txt").read_text()
"""
SERVER_TESTS = """
from urllib.request import urlopen

def test_serves():
    assert urlopen("http://127.0.0.1:8765/data/numbers.txt", timeout=5).read() == b"1\\n2\\n3\\n"
"""
SUM = "awk '{ n += $1 } END { print n }' data/numbers.txt > sum.txt\n"
COPY = "cp data/numbers.txt copy.txt\n"


# -------------------------------------------------------------------------------------------- the bench


@dataclass(frozen=True)
class Saying:
    """One answer of the endpoint: a reply, or with `status` an error body."""

    content: str = ""
    reasoning: str | None = None
    finish_reason: str = "stop"
    status: int = 200
    code: str = ""
    hang: bool = False
    meanwhile: Callable[[], None] | None = None
    """What happens elsewhere while the teacher thinks."""


def say(*keystrokes: str, done: bool = False, duration: float = 5.0, **more: Any) -> Saying:
    """A clean reply that types these."""
    commands = [{"keystrokes": keys, "duration": duration} for keys in keystrokes]
    return Saying(json.dumps({"analysis": "a", "plan": "p", "commands": commands, "task_complete": done}), **more)


DONE = say(done=True)


@dataclass
class Endpoint:
    """Answers by turn (how many assistant messages the conversation has); after the last one the last goes on."""

    sayings: Sequence[Saying] = ()
    calls: list[list[dict[str, str]]] = field(default_factory=list)
    """The messages of each call, as they came."""

    async def answer(self, request: web.Request) -> web.Response:
        messages = orjson.loads(await request.read())["messages"]
        self.calls.append(messages)
        turn = sum(message["role"] == "assistant" for message in messages)
        saying = self.sayings[min(turn, len(self.sayings) - 1)]
        if saying.meanwhile is not None:
            saying.meanwhile()
        if saying.hang:
            await asyncio.Event().wait()
        if saying.status != 200:
            return web.json_response({"error": {"message": "no", "code": saying.code}}, status=saying.status)
        message = {"role": "assistant", "content": saying.content, "reasoning_content": saying.reasoning}
        choice = {"index": 0, "message": message, "finish_reason": saying.finish_reason}
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        reply = {"id": "x", "object": "chat.completion", "created": 0, "model": MODEL, "choices": [choice]}
        return web.json_response({**reply, "usage": usage})


class WatchedBubblewrap(BubblewrapFactory):
    """Remembers what it started, so that a test can kill it."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[BubblewrapSandbox] = []

    async def start(self, spec: SandboxSpec) -> BubblewrapSandbox:
        sandbox = await super().start(spec)
        self.started.append(sandbox)
        return sandbox

    def kill_first(self) -> None:
        if len(self.started) == 1:
            self.kill_last()

    def kill_last(self) -> None:
        os.kill(self.started[-1].pid, signal.SIGKILL)


def make_task(tests: str = TESTS, weights: dict[str, float] | None = None, verifier_timeout_sec: float = 60.0) -> Task:
    return Task(
        id="data_processing-0123456789abcdef",
        domain="data_processing",
        image="base",
        difficulty="easy",
        title="Sum",
        instruction="Write the sum of /app/data/numbers.txt to /app/sum.txt, and copy the file to /app/copy.txt.",
        files=(
            TaskFile(path="data/numbers.txt", content="1\n2\n3\n"),
            TaskFile(path="bin/say.sh", content="#!/bin/sh\necho said $1\n", executable=True),
            TaskFile(path="blob.bin", content="AP8=", encoding="base64"),
        ),
        tests=tests,
        weights=weights or {"test_sum": 0.75, "test_copy": 0.25},
        limits=Limits(agent_timeout_sec=60.0, verifier_timeout_sec=verifier_timeout_sec, memory_mb=512),
        lineage=Lineage(request_id="r", mode="skill", index=0, author_model="m", prompt_version="v"),
    )


@dataclass
class Bench:
    """Everything a rollout needs, over one driver."""

    factory: SandboxFactory
    endpoint: Endpoint
    teacher: OpenAITeacher
    recordings_dir: Path

    async def roll(self, *sayings: Saying, task: Task | None = None, **options: Any) -> Trajectory | Rejection:
        self.endpoint.sayings = sayings
        roller = Roller(
            teacher=self.teacher,
            factory=self.factory,
            rollout=RolloutConfig(**options),
            sandbox=SandboxConfig(),
            run_id="rollout-tests",
            recordings_dir=self.recordings_dir,
        )
        return await roller.run(Attempt(task=task or make_task(), model=MODEL, number=0))

    async def finish(self, *sayings: Saying, task: Task | None = None, **options: Any) -> Trajectory:
        """A rollout that must run to an end; what holds for all of them is checked."""
        result = await self.roll(*sayings, task=task, **options)
        assert isinstance(result, Trajectory), result
        roles = [message.role for message in result.messages]
        assert roles == ["user", "assistant"] * len(result.steps)
        assert [step.turn for step in result.steps] == list(range(1, len(result.steps) + 1))
        assert [step.observation for step in result.steps] == [*(m.content for m in result.messages[2::2]), ""]
        assert result.usage == sum((step.usage for step in result.steps), Usage())
        assert [path.name for path in self.recordings_dir.iterdir()] == [f"{result.id}.cast"]
        return result

    async def fail(self, *sayings: Saying, task: Task | None = None, **options: Any) -> Rejection:
        """A rollout that must break; nothing of it may stay behind."""
        result = await self.roll(*sayings, task=task, **options)
        assert isinstance(result, Rejection), result
        expected = (
            trajectory_id(make_task().id, model=MODEL, attempt=0),
            "rollout",
            "data_processing",
            "skill",
            "easy",
        )
        assert (result.id, result.stage, result.domain, result.mode, result.difficulty) == expected
        assert not list(self.recordings_dir.iterdir())
        return result


@asynccontextmanager
async def open_bench(factory: SandboxFactory, folder: Path) -> AsyncIterator[Bench]:
    endpoint = Endpoint()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", endpoint.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    config = EndpointConfig(base_url=base_url, model=MODEL, api_key_env="", max_retries=1, max_backoff_sec=0.01)
    teacher = OpenAITeacher(config)
    folder.mkdir()
    try:
        yield Bench(factory, endpoint, teacher, folder)
    finally:
        await teacher.close()
        await runner.cleanup()
        await factory.close()


@pytest.fixture
def factory() -> WatchedBubblewrap:
    return WatchedBubblewrap()


@pytest.fixture
async def bench(factory: WatchedBubblewrap, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(factory, tmp_path / "recordings") as opened:
        yield opened


@pytest.fixture
async def docker_bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(DockerFactory(), tmp_path / "recordings") as opened:
        yield opened


bubblewrap = pytest.mark.bubblewrap
docker = pytest.mark.docker


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


# -------------------------------------------------------------------------------------------- a sandbox that dies


@bubblewrap
async def test_a_dead_sandbox_is_owed_and_never_shown(bench: Bench, factory: WatchedBubblewrap) -> None:
    result = await bench.fail(
        say("echo fine\n"), say("echo dead\n", meanwhile=factory.kill_last), DONE, max_sandbox_retries=1
    )
    assert (result.cause, POLICY[result.cause].retry) == (Cause.SANDBOX_FAILED, True)
    assert result.reason
    assert len(factory.started) == 2
    assert [len(call) for call in bench.endpoint.calls] == [1, 3, 1, 3]  # nothing was said after the death
    assert result.usage.calls == 4


@bubblewrap
async def test_a_fresh_sandbox_starts_the_conversation_over(bench: Bench, factory: WatchedBubblewrap) -> None:
    result = await bench.finish(say(SUM), say(COPY, meanwhile=factory.kill_first), DONE)
    assert result.verdict.passed
    assert (len(factory.started), result.usage.calls) == (2, 4)


@bubblewrap
async def test_a_sandbox_that_dies_before_the_verdict_gives_none(bench: Bench, factory: WatchedBubblewrap) -> None:
    result = await bench.fail(DONE, say(done=True, meanwhile=factory.kill_last), max_sandbox_retries=0)
    assert result.cause is Cause.SANDBOX_FAILED


# -------------------------------------------------------------------------------------------- the verdict


@bubblewrap
async def test_a_hanging_test_is_missing_and_what_finished_counts(bench: Bench) -> None:
    tests = TESTS + "\ndef test_hangs():\n    import time\n    time.sleep(600)\n"
    task = make_task(tests, {"test_sum": 0.5, "test_hangs": 0.5}, verifier_timeout_sec=5.0)
    verdict = (await bench.finish(say(SUM), DONE, task=task)).verdict
    assert (verdict.reward, [test.status for test in verdict.tests]) == (0.5, ["passed", "missing"])


@bubblewrap
async def test_background_servers_are_up_when_the_tests_run(bench: Bench) -> None:
    await check_server_is_up(bench)


@docker
async def test_background_servers_are_up_when_the_tests_run_in_docker(docker_bench: Bench) -> None:
    await check_server_is_up(docker_bench)


async def check_server_is_up(bench: Bench) -> None:
    serve = "python3 -m http.server 8765 >/dev/null 2>&1 &\n"
    wait = "until (: < /dev/tcp/127.0.0.1/8765) 2>/dev/null; do sleep 0.1; done\n"
    task = make_task(SERVER_TESTS, {"test_serves": 1.0})
    verdict = (await bench.finish(say(serve, duration=0.1), say(wait), DONE, task=task)).verdict
    assert verdict.passed, verdict


@docker
async def test_a_solved_task_in_docker(docker_bench: Bench) -> None:
    begun = time.monotonic()
    result = await docker_bench.finish(say(SUM, COPY), DONE)
    assert (result.sandbox, result.stop_reason, result.verdict.passed) == ("docker", Cause.COMPLETED, True)
    assert (result.verdict.tampered, result.verdict.system_changes) == (False, ())
    assert time.monotonic() - begun < 30


@docker
@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ("cp --remove-destination /bin/true $(readlink -f /usr/bin/python3)\n", "/usr/bin/python3"),
        ("echo libc.so.6 > /etc/ld.so.preload\n", "/etc/ld.so.preload"),
    ],
)
async def test_tampering_is_flagged_in_docker(docker_bench: Bench, keys: str, path: str) -> None:
    result = await docker_bench.finish(say(SUM, keys), DONE)
    assert result.verdict.tampered
    assert any(change.startswith(path) for change in result.verdict.system_changes)
    assert not any(change.startswith("/app") for change in result.verdict.system_changes)


def test_attempts_are_enumerated_with_ids_known_beforehand() -> None:
    task = make_task()
    attempts = list(enumerate_attempts([task], MODEL, 3))
    assert [attempt.id for attempt in attempts] == [trajectory_id(task.id, model=MODEL, attempt=n) for n in range(3)]
    assert [attempt.id for attempt in enumerate_attempts([task], MODEL, 2)] == [a.id for a in attempts[:2]]
