"""A run to look at: sample rows, and a task with two recorded attempts of four turns, which part at the third."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from terminal_task_gen.errors import Cause
from terminal_task_gen.finding import RuleName
from terminal_task_gen.records import Usage, content_id
from terminal_task_gen.store import REJECTED, TASKS, TRAJECTORIES, RunDirectory
from terminal_task_gen.task import Refusal, Rejection, Task
from terminal_task_gen.trajectory import Command, Message, Step, TestOutcome, Timings, Trajectory, Verdict
from tests.export.samples import make_run, make_sample_task

PROMPT = "root@sandbox:/app# "
STARTS_SEC = (1.0, 3.0, 45.0, 47.5)
"""When each turn's keys show; before the third there is a wait that the player shortens."""


class WatchedRun(NamedTuple):
    path: Path
    task: Task
    passed: Trajectory
    failed: Trajectory
    refused: Rejection


def make_watched_run(folder: Path, name: str = "watched") -> WatchedRun:
    """33 tasks (32 of them samples), 34 trajectories, one refused draft, a corpus of the samples' trajectories."""
    path = make_run(folder, name, tasks=32, dropped=RuleName.CONTAMINATION)
    run = RunDirectory(path)
    task = make_watched_task()
    passed, failed = make_attempt(task, 0, "sum"), make_attempt(task, 1, "wc -l")
    refused = make_refused()
    for kind, records in ((TASKS, [task]), (TRAJECTORIES, [passed, failed]), (REJECTED, [refused])):
        writer = run.open_writer(kind, max_bytes=1_000_000)
        for record in records:
            writer.write(record)
        writer.close()
    (path / "recordings").mkdir(exist_ok=True)
    for trajectory in (passed, failed):
        (path / "recordings" / f"{trajectory.id}.cast").write_text(make_recording(trajectory))
    return WatchedRun(path, task, passed, failed, refused)


def make_watched_task() -> Task:
    sample = make_sample_task(400)
    return sample.model_copy(update={"title": "Ledger of the quartermaster", "tags": ("ledgers",)})


def make_refused() -> Rejection:
    return Rejection(
        id="req-9999",
        stage="generate",
        cause=Cause.MERIT,
        reason="fail_first",
        evidence="gate fail_first:\n- fail_first: test_total passes on an untouched machine",
        domain="security",
        mode="skill",
        difficulty="easy",
        refusals=(Refusal(gate="fail_first", reasons=("fail_first",)),),
    )


def make_attempt(task: Task, attempt: int, tool: str) -> Trajectory:
    """Four turns; the third uses `tool`, which decides whether the tests pass."""
    typed = ("ls -l data", "cat data/numbers.txt", f"{tool} data/numbers.txt > total.txt", "touch note.txt")
    steps = tuple(
        Step(
            turn=number,
            commands=(Command(keystrokes=f"{keys}\n", duration_sec=0.5),),
            observation=f"New Terminal Output:\n{PROMPT}{keys}\nanswer {number} to {keys}\n{PROMPT}",
            task_complete=number == len(typed),
        )
        for number, keys in enumerate(typed, 1)
    )
    messages = [Message(role="user", content=f"Task Description:\n{task.instruction}")]
    for step in steps:
        reply = {
            "analysis": f"Before turn {step.turn} I look.",
            "plan": f"Plan of turn {step.turn}.",
            "commands": [{"keystrokes": step.commands[0].keystrokes, "duration": 0.5}],
            "task_complete": step.task_complete,
        }
        messages.append(Message(role="assistant", content=json.dumps(reply), reasoning=f"Thought {step.turn}."))
        messages.append(Message(role="user", content=step.observation))
    good = tool == "sum"
    tests = (
        TestOutcome(name="test_note", status="passed", weight=0.25),
        TestOutcome(
            name="test_total",
            status="passed" if good else "failed",
            weight=0.75,
            message="" if good else "AssertionError: assert '3' == '6'",
        ),
    )
    return Trajectory(
        id=content_id("traj", ["watched", task.id, attempt]),
        task_id=task.id,
        domain=task.domain,
        attempt=attempt,
        agent="terminus-2",
        model="local/actor",
        messages=tuple(messages[:-1]),
        steps=steps,
        stop_reason=Cause.COMPLETED,
        verdict=Verdict(reward=1.0 if good else 0.25, passed=good, tests=tests),
        usage=Usage(calls=4, prompt_tokens=4000, completion_tokens=400),
        sandbox="docker",
        timings=Timings(started_at="2025-01-01T00:00:00Z"),
    )


def make_recording(trajectory: Trajectory) -> str:
    """Each turn's keys echoed at its start, its answer half a second later."""
    lines = [json.dumps({"version": 2, "width": 100, "height": 24, "timestamp": 0}), json.dumps([0.2, "o", PROMPT])]
    for step, start in zip(trajectory.steps, STARTS_SEC, strict=True):
        keys = step.commands[0].keystrokes.strip()
        lines.append(json.dumps([start, "o", f"{keys}\r\n"]))
        lines.append(json.dumps([start + 0.5, "o", f"answer {step.turn} to {keys}\r\n{PROMPT}"]))
    return "\n".join(lines) + "\n"
