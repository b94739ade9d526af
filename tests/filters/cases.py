"""One task, one trajectory, one ruling: what the tests of single rules are made of."""

from __future__ import annotations

import json
from collections.abc import Sequence

from terminal_task_gen.config import FilterConfig
from terminal_task_gen.errors import Cause
from terminal_task_gen.filters.criteria import build_criteria
from terminal_task_gen.filters.rules import judge_tasks, judge_trajectories
from terminal_task_gen.finding import Finding, RuleName, Ruling
from terminal_task_gen.records import Usage
from terminal_task_gen.task import Lineage, Task
from terminal_task_gen.trajectory import Message, TestOutcome, Timings, Trajectory, Verdict

INSTRUCTION = (
    "Sum the column hours of /app/hours.csv and write the total as one number to /app/total.txt, nothing else."
)


def make_task(instruction: str = INSTRUCTION) -> Task:
    return Task(
        id="data_processing-0011223344556677",
        domain="data_processing",
        image="data_processing",
        difficulty="easy",
        title="Hours",
        instruction=instruction,
        files=(),
        tests="def test_total(): assert True",
        weights={"test_total": 1.0},
        lineage=Lineage(request_id="req-1", mode="skill", index=0, author_model="local/tutor-7b", prompt_version="1"),
    )


def reply(analysis: str = "Empty screen.", keystrokes: str = "ls\n", *, escape: bool = False) -> str:
    body = {"analysis": analysis, "plan": "Look.", "commands": [{"keystrokes": keystrokes, "duration": 0.1}]}
    return json.dumps(body, ensure_ascii=escape)


def make_trajectory(
    *said: Message | str,
    observation: str = "root@sandbox:/app# ",
    stop_reason: Cause = Cause.COMPLETED,
    tests: Sequence[TestOutcome] = (TestOutcome(name="test_total", status="passed", weight=1.0),),
) -> Trajectory:
    messages = [Message(role="user", content=INSTRUCTION)]
    for message in said:
        spoken = Message(role="assistant", content=message) if isinstance(message, str) else message
        messages += [spoken, Message(role="user", content=observation)]
    passed = all(test.status == "passed" for test in tests)
    reward = sum(test.weight for test in tests if test.status == "passed")
    return Trajectory(
        id="traj-0123456789abcdef",
        task_id="data_processing-0011223344556677",
        domain="data_processing",
        attempt=0,
        agent="terminus-2",
        model="local/tutor-7b",
        messages=tuple(messages),
        steps=(),
        stop_reason=stop_reason,
        verdict=Verdict(reward=reward, passed=passed, tests=tuple(tests)),
        usage=Usage(),
        sandbox="bubblewrap",
        timings=Timings(started_at="2025-01-01T00:00:00Z"),
    )


def judge(trajectory: Trajectory, config: FilterConfig | None = None, task: Task | None = None) -> Ruling:
    """As the filter stage does, with one task and one trajectory."""
    task = task or make_task()
    criteria = build_criteria(config or FilterConfig())
    findings = {name: (finding,) for name, finding in judge_tasks([task], criteria).findings.items()}
    return judge_trajectories([(task, trajectory)], criteria, findings).rulings[0]


def make_config(preset: str = "paper", **rules: object) -> FilterConfig:
    return FilterConfig.model_validate({"preset": preset, "rules": rules})


def list_flags(trajectory: Trajectory, task: Task | None = None, **rules: object) -> dict[RuleName, Finding]:
    """What each rule says when all of them only flag."""
    return {flag.rule: flag for flag in judge(trajectory, make_config("labels-only", **rules), task).flags}
