"""The yield report: each request once, whatever became of it on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from terminal_task_gen.errors import Cause
from terminal_task_gen.generate.yields import count_yield
from terminal_task_gen.records import Record, Usage
from terminal_task_gen.store import DUPLICATES, REJECTED, TASKS, Damage, RunDirectory
from terminal_task_gen.task import Lineage, Refusal, Rejection, Task

ORACLE = Refusal(gate="oracle", reasons=("oracle",))
STATIC = Refusal(gate="static", reasons=("weights_sum", "no_assertion"))
DRAFT = Refusal(gate="draft", reasons=("no_task_block",))
ONE_CALL = Usage(calls=1, prompt_tokens=100, completion_tokens=10, cost_usd=0.5)


def make_task(number: int, *refusals: Refusal, domain: str = "security", skills: tuple[str, ...] = ("a",)) -> Task:
    lineage = Lineage(
        request_id=f"req-{number}",
        mode="skill",
        index=number,
        skills=skills,
        author_model="m",
        prompt_version="1",
        repair_rounds=len(refusals),
        refusals=refusals,
    )
    return Task(
        id=f"task-{number}",
        domain=domain,
        image=domain,
        difficulty="easy",
        title="t",
        instruction="i",
        files=(),
        tests="",
        weights={},
        lineage=lineage,
        usage=ONE_CALL,
    )


def reject(number: int, reason: str, *refusals: Refusal, cause: Cause = Cause.MERIT, evidence: str = "") -> Rejection:
    return Rejection(
        id=f"req-{number}",
        stage="generate",
        cause=cause,
        reason=reason,
        evidence=evidence,
        domain="security",
        mode="skill",
        difficulty="hard",
        skills=("a", "b"),
        refusals=refusals,
        usage=ONE_CALL,
    )


def make_run(folder: Path, **shards: list[Record]) -> RunDirectory:
    run = RunDirectory(folder)
    run.lock()
    for name, kind in (("tasks", TASKS), ("rejected", REJECTED), ("duplicates", DUPLICATES)):
        writer = run.open_writer(kind, max_bytes=1_000_000)
        for record in shards.get(name, []):
            writer.write(record)
        writer.close()
    run.unlock()
    return run


def log(run: RunDirectory, *events: dict[str, Any]) -> None:
    torn = b'{"event":"ItemFinis'
    run.events_path.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in events) + torn)


def test_each_request_ends_once(tmp_path: Path) -> None:
    down = {"cause": Cause.TEACHER_UNAVAILABLE}
    run = make_run(
        tmp_path,
        tasks=[make_task(1), make_task(2, ORACLE), make_task(3, domain="debugging", skills=()), make_task(4)],
        rejected=[
            reject(1, "teacher_unavailable", **down),
            reject(5, "teacher_unavailable", **down),
            reject(5, "oracle", ORACLE, ORACLE, evidence="gate oracle:\n- oracle: exit code 1"),
            reject(6, "teacher_unavailable", **down),
            reject(6, "teacher_unavailable", DRAFT, **down),
            reject(7, "no_task_block", DRAFT, DRAFT),
            reject(8, "weights_sum", STATIC, STATIC),
        ],
        duplicates=[reject(4, "duplicate").model_copy(update={"task_id": "task-4", "evidence": "near task-1"})],
    )
    damages: list[Damage] = []
    report = count_yield(run, damages.append)
    total = report.total
    assert (damages, total.requested, total.passed, total.repaired, total.owed) == ([], 8, 3, 1, 1)
    assert total.rejected == {"duplicate": 1, "no_task_block": 1, "oracle": 1, "weights_sum": 1}
    assert total.requested == total.passed + total.owed + sum(total.rejected.values())
    assert total.authored == 6  # all but 6 and 7, which never sent a task
    # Of the eight requests, and of three failed tries that did not end theirs.
    assert (total.usage.calls, total.usage.cost_usd) == (11, 5.5)
    assert {one.name: one.requested for one in report.domains} == {"debugging": 1, "security": 7}
    assert [(one.name, one.requested) for one in report.difficulties] == [("easy", 4), ("hard", 4)]
    assert {one.name: (one.requested, one.passed) for one in report.skills} == {"a": (7, 2), "b": (4, 0)}
    assert [(one.number, one.examined, one.passed) for one in report.rounds] == [(0, 8, 2), (1, 4, 1)]
    reasons = {one.reason: one for one in report.reasons}
    assert (reasons["oracle"].replies, reasons["oracle"].ended, reasons["oracle"].example_id) == (3, 1, "req-5")
    assert reasons["oracle"].evidence == "exit code 1"
    assert (reasons["no_assertion"].replies, reasons["no_assertion"].ended) == (2, 0)


def test_seconds_gates_and_replays_come_from_the_log(tmp_path: Path) -> None:
    run = make_run(tmp_path, tasks=[make_task(1, ORACLE)], rejected=[reject(2, "no_task_block", DRAFT)])
    ended = {"event": "ItemFinished", "stage": "generate"}
    usage = ONE_CALL.model_dump(mode="json")
    log(
        run,
        {"event": "DraftExamined", "gate": "oracle", "reasons": ["oracle"], "seconds": {"static": 0.1, "oracle": 2.0}},
        {"event": "DraftExamined", "gate": "", "reasons": [], "seconds": {"static": 0.3, "oracle": 4.0}},
        {"event": "RepliesReplayed", "item_id": "req-1", "usage": usage},
        ended | {"item_id": "req-1", "seconds": 7.0},
        {"event": "DraftExamined", "gate": "draft", "reasons": ["no_task_block"], "seconds": {}},
        ended | {"item_id": "req-2", "seconds": 1.0},
        {"event": "RepliesReplayed", "item_id": "traj-1", "usage": usage},
        ended | {"stage": "rollout", "item_id": "traj-1", "seconds": 50.0},
    )
    report = count_yield(run, lambda _: None)
    assert report.total.seconds == 8.0
    assert [(one.gate, one.examined, one.refused, one.seconds) for one in report.gates] == [
        ("draft", 1, 1, 0.0),
        ("static", 2, 0, 0.4),
        ("oracle", 2, 1, 6.0),
    ]
    assert report.replayed == ONE_CALL


def test_an_empty_run_and_one_with_damaged_lines(tmp_path: Path) -> None:
    assert count_yield(make_run(tmp_path / "empty"), lambda _: None).total.requested == 0
    run = make_run(tmp_path / "damaged", tasks=[make_task(1), make_task(2)])
    (path,) = run.list_shards(TASKS)
    path.write_bytes(b"{broken}\n" + path.read_bytes())
    damages: list[Damage] = []
    assert count_yield(run, damages.append).total.passed == 2
    assert [damage.line_number for damage in damages] == [1]
