"""A small run on disk, made without teacher or sandbox: two streams, several levels, awkward conversations."""

from __future__ import annotations

from pathlib import Path

from terminal_task_gen.config import Config, dump_config
from terminal_task_gen.errors import Cause
from terminal_task_gen.export.card import CardFacts
from terminal_task_gen.export.corpus import RunRecords, export_corpus
from terminal_task_gen.export.rows import RunStamp
from terminal_task_gen.finding import Action, FilterFacts, Finding, Judged, Reason, RuleName, Ruling
from terminal_task_gen.records import Usage, content_id
from terminal_task_gen.store import TASKS, TRAJECTORIES, RunDirectory
from terminal_task_gen.task import Difficulty, Lineage, Task, TaskFile
from terminal_task_gen.trajectory import Command, Message, Step, TestOutcome, Timings, Trajectory, Verdict

LEVELS: tuple[Difficulty, ...] = ("easy", "medium", "hard")
DOMAINS = ("data_processing", "security")
SKILLS = ("parse logs", "read hashes", "merge tables", "sign files")
TESTS = """
from pathlib import Path


def test_total():
    assert Path("/app/total.txt").read_text().strip() == "6"


def test_note():
    assert Path("/app/note.txt").exists()
"""


def make_sample_task(number: int) -> Task:
    """Every fourth is of a seed that four tasks share; the others are of skills. Two of three have files."""
    seeded = number % 4 == 3
    lineage = Lineage(
        request_id=f"req-{number:04d}",
        mode="seed" if seeded else "skill",
        index=number,
        seed_id=f"seed-{number // 16}" if seeded else None,
        author_model="local/author",
        prompt_version="1",
    )
    files = (
        TaskFile(path="data/numbers.txt", content="1\n2\n3\n"),
        TaskFile(path="bin/show", content="#!/bin/sh\ncat /app/data/numbers.txt\n", executable=True),
    )
    return Task(
        id=f"{DOMAINS[number % 2]}-{number:016x}",
        domain=DOMAINS[number % 2],
        image="base",
        difficulty=LEVELS[number % 3],
        title=f'Add "{number}" up \\ \x7f',
        instruction="Write the sum of 1, 2 and 3 to /app/total.txt, and a note to /app/note.txt.",
        files=files if number % 3 else (),
        tests=TESTS,
        weights={"test_total": 0.75, "test_note": 0.25},
        skills=(SKILLS[number % 4], SKILLS[(number + 1) % 4]) if not seeded else (),
        tags=("sums",),
        solution="echo 6 > /app/total.txt\ntouch /app/note.txt\n" if number % 5 else None,
        lineage=lineage,
    )


def make_sample_trajectory(task: Task, attempt: int = 0) -> Trajectory:
    reply = '{"analysis": "Three numbers.", "plan": "Add.", "commands": [{"keystrokes": "ls\\n", "duration": 0.1}]}'
    done = '{"analysis": "Done.", "plan": "-", "commands": [], "task_complete": true}'
    number = task.lineage.index
    messages = [
        Message(role="user", content=f"Task Description: {task.instruction}\u2028é {'x' * 100 * number}"),
        Message(role="assistant", content=reply, reasoning="Let me look."),
        Message(role="user", content="Previous response had warnings:\n- none"),
        Message(role="user", content="New Terminal Output:\nroot@sandbox:/app# "),
        Message(role="assistant", content=done),
    ]
    steps = (
        Step(
            turn=1,
            commands=(Command(keystrokes="ls\n", duration_sec=0.1),),
            observation="New Terminal Output:\nroot@sandbox:/app# ",
        ),
        Step(turn=2, task_complete=True),
    )
    reward = (number % 3) / 2
    tests = tuple(
        TestOutcome(name=n, status="passed" if reward == 1 else "failed", weight=w) for n, w in task.weights.items()
    )
    return Trajectory(
        id=content_id("traj", [task.id, attempt]),
        task_id=task.id,
        domain=task.domain,
        attempt=attempt,
        agent="terminus-2",
        model="local/actor",
        messages=tuple(messages),
        steps=steps,
        stop_reason=Cause.COMPLETED,
        verdict=Verdict(reward=reward, passed=reward == 1, tests=tests),
        usage=Usage(calls=2, prompt_tokens=100, completion_tokens=20),
        sandbox="docker",
        timings=Timings(started_at="2025-01-01T00:00:00Z"),
    )


def make_run(
    output_dir: Path, name: str = "first", *, tasks: int = 16, attempts: int = 1, dropped: RuleName | None = None
) -> Path:
    """A run with its corpus; with `dropped`, the first trajectory is dropped by that rule."""
    run = RunDirectory(output_dir / name)
    run.lock()
    run.unlock()
    run.write_file(run.config_path, dump_config(Config(name=name, output_dir=output_dir)))
    made = [make_sample_task(number) for number in range(tasks)]
    tried = [(task, make_sample_trajectory(task, attempt)) for task in made for attempt in range(attempts)]
    for kind, records in ((TASKS, made), (TRAJECTORIES, [trajectory for _, trajectory in tried])):
        writer = run.open_writer(kind, max_bytes=1_000_000)
        for record in records:
            writer.write(record)
        writer.close()
    judged = [
        Judged(task, trajectory, _rule(trajectory, dropped if place == 0 else None))
        for place, (task, trajectory) in enumerate(tried)
    ]
    export_corpus(
        run.corpus_dir,
        RunRecords(tasks=made, rejections=[], failures=[], judged=judged),
        stamp=RunStamp(run_id=f"run-{name}", date="2025-12-31"),
        filters=FilterFacts(preset="paper", actions={RuleName.CONTAMINATION: Action.DROP}, settings={}, benchmarks={}),
        card=CardFacts(name=name, licence="cc-by-4.0"),
    )
    return run.path


def _rule(trajectory: Trajectory, rule: RuleName | None) -> Ruling:
    if rule is None:
        return Ruling(trajectory_id=trajectory.id)
    finding = Finding(rule=rule, reason=Reason.BENCHMARK_NGRAM, where="instruction", match="m", evidence="e")
    return Ruling(trajectory_id=trajectory.id, findings=(finding,))
