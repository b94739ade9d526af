"""What a rollout needs, all of it real: an endpoint over HTTP that says what a test tells it to, and sandboxes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from terminal_task_gen.config import EndpointConfig, RolloutConfig, SandboxConfig
from terminal_task_gen.records import Usage
from terminal_task_gen.rollout.attempt import Attempt
from terminal_task_gen.rollout.rollout import Roller
from terminal_task_gen.sandbox import SandboxFactory, SandboxSpec
from terminal_task_gen.sandbox.bubblewrap import BubblewrapFactory, BubblewrapSandbox
from terminal_task_gen.task import Limits, Lineage, Rejection, Task, TaskFile
from terminal_task_gen.teacher.client import OpenAITeacher
from terminal_task_gen.trajectory import Trajectory, trajectory_id
from terminal_task_gen.verifier.bench import KIT_ITEM_ID

MODEL = "scripted"
TESTS = """
from pathlib import Path

def test_sum():
    assert Path("/app/sum.txt").read_text().strip() == "6"

def test_copy():
    assert Path("/app/copy.txt").read_text() == Path("/app/data/numbers.txt").read_text()
"""
SUM = "awk '{ n += $1 } END { print n }' data/numbers.txt > sum.txt\n"
COPY = "cp data/numbers.txt copy.txt\n"


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
    respond: Callable[[list[dict[str, str]]], Saying] | None = None
    """Where the number of turns does not tell what to say: from the messages, in place of the sayings."""

    async def answer(self, request: web.Request) -> web.Response:
        messages = orjson.loads(await request.read())["messages"]
        self.calls.append(messages)
        turn = sum(message["role"] == "assistant" for message in messages)
        saying = self.respond(messages) if self.respond else self.sayings[min(turn, len(self.sayings) - 1)]
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
    """Remembers what it started for attempts, so that a test can kill it."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[BubblewrapSandbox] = []

    async def start(self, spec: SandboxSpec) -> BubblewrapSandbox:
        sandbox = await super().start(spec)
        if spec.item_id != KIT_ITEM_ID:
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
    try:
        yield Bench(factory, endpoint, teacher, folder)
    finally:
        await teacher.close()
        await runner.cleanup()
        await factory.close()
