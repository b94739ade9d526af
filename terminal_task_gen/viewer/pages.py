"""What the page of a trajectory and the page of a task show: the whole row from its shard, cut where it is large."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from typing import Any
from urllib.parse import quote

from terminal_task_gen.viewer.cuts import (
    USAGE,
    Json,
    Scissors,
    get_dict,
    get_dicts,
    get_number,
    get_plain,
    get_text,
    get_texts,
)
from terminal_task_gen.viewer.heads import make_task_heads, make_trajectory_heads, summarise_solving
from terminal_task_gen.viewer.reading import GoneError
from terminal_task_gen.viewer.recording import find_recording, find_turn_starts, read_recording
from terminal_task_gen.viewer.run_index import RunIndex
from terminal_task_gen.viewer.shapes import UnusableLineError
from terminal_task_gen.viewer.tables import TaskTable, TrajectoryTable
from terminal_task_gen.viewer.turns import MAX_TURNS, list_conversations, list_keys, list_replies, make_turns

MAX_FILES = 200
MAX_TESTS = 500
MAX_ATTEMPTS = 200
MAX_FINDINGS = 200
MAX_REJECTIONS = 20
_TIMINGS = ("started_at", "sandbox_start_sec", "teacher_sec", "terminal_sec", "verify_sec", "total_sec")
_TRAJECTORY_FIELDS = {
    *("id", "task_id", "domain", "attempt", "agent", "model", "messages", "earlier", "steps", "stop_reason", "verdict"),
    *("usage", "wasted_usage", "sandbox", "timings"),
}
_TASK_FIELDS = {
    *("id", "domain", "image", "difficulty", "title", "instruction", "files", "tests", "weights", "skills", "tags"),
    *("solution", "foreign", "limits", "gates", "lineage", "usage"),
}
_LINEAGE = (
    *("request_id", "mode", "index", "seed_id", "dataset", "dataset_row", "author_model", "prompt_version"),
    *("repair_rounds", "image_digest", "image_manifest"),
)
_MESSAGE_NUMBER = re.compile(r"message (\d+)")
_TURN_NUMBER = re.compile(r"turn (\d+)")


def show_trajectory(index: RunIndex, row_id: str, *, text_bytes: int, turn: int | None) -> Json:
    """Raises NotReadyError, UnknownIdError, GoneError, UnusableLineError."""
    table, _ = index.take_tables()
    number = index.find_trajectory(row_id)
    row = index.read_trajectory(number)
    scissors = Scissors(text_bytes)
    path = find_recording(index.run.recordings_dir, row_id)
    recording = read_recording(path) if path else None
    starts = find_turn_starts(recording, list_keys(row)) if recording else []
    turns = make_turns(row, scissors, starts, recording.seconds if recording else None, turn)
    steps = len(get_dicts(row, "steps"))
    note = index.notes.get(row_id)
    head = make_trajectory_heads(index, table, [number])[0]
    return {
        "run": index.name,
        "id": row_id,
        "head": head,
        "agent": get_text(row, "agent"),
        "sandbox": get_text(row, "sandbox"),
        **_show_beginning(index, table, number, row, scissors),
        "turns": turns,
        "turns_total": steps,
        "turns_cut": max(0, steps - MAX_TURNS) if turn is None else 0,
        "verdict": _show_verdict(get_dict(row, "verdict"), scissors),
        "filter": {"drop": head["drop"], **_show_findings(index, row_id, row, scissors)},
        "usage": get_plain(get_dict(row, "usage"), USAGE),
        "wasted_usage": get_plain(get_dict(row, "wasted_usage"), USAGE),
        "timings": get_plain(get_dict(row, "timings"), _TIMINGS),
        "recording": None
        if recording is None
        else {
            "size_bytes": recording.size_bytes,
            "seconds": recording.seconds,
            "columns": recording.columns,
            "rows": recording.rows,
            "cut": recording.cut,
            "url": f"/api/runs/{quote(index.name, safe='')}/trajectories/{quote(row_id, safe='')}/recording",
        },
        "neighbours": {"attempts": _list_attempts(index, table, number)},
        "note": note.model_dump(mode="json") if note else None,
        "more": _list_more(row, _TRAJECTORY_FIELDS),
    }


def show_task(index: RunIndex, row_id: str, *, text_bytes: int) -> Json:
    """A task, or a draft that was given up. Raises NotReadyError, UnknownIdError, GoneError, UnusableLineError."""
    trajectories, tasks = index.take_tables()
    number = index.find_item(row_id)
    head = make_task_heads(index, tasks, [number])[0]
    scissors = Scissors(text_bytes)
    row = index.read_item(number)
    note = index.notes.get(str(head["id"]))
    common = {
        "run": index.name,
        "state": head["state"],
        "evidence": head["evidence"],
        "id": head["id"],
        "request_id": head["request_id"],
        "domain": head["domain"],
        "mode": head["mode"],
        "difficulty": head["difficulty"],
        "rejections": _list_rejections(index, tasks, str(head["request_id"]), scissors),
        "note": note.model_dump(mode="json") if note else None,
    }
    if head["state"] not in ("task", "duplicate"):
        return common
    return {**common, **_show_task_row(row, scissors), **_show_outcomes(index, trajectories, tasks, number, scissors)}


def _show_beginning(index: RunIndex, table: TrajectoryTable, number: int, row: Json, scissors: Scissors) -> Json:
    said = next((m for messages in list_conversations(row) for m in messages if m.get("role") == "user"), {})
    instruction: Any = said.get("content")
    item = int(table.snapshot.item_of[number])
    if item >= 0:
        with contextlib.suppress(GoneError, UnusableLineError):
            instruction = index.read_item(item).get("instruction")
    return {"instruction": scissors.cut(instruction), "prompt": scissors.cut(said.get("content"))}


def _show_verdict(verdict: Json, scissors: Scissors) -> Json:
    tests = get_dicts(verdict, "tests")
    return {
        "reward": get_number(verdict, "reward"),
        "passed": verdict.get("passed") is True,
        "judged": verdict.get("judged", True) is True,
        "tampered": verdict.get("tampered") is True,
        "tests": [
            {
                "name": get_text(test, "name"),
                "status": get_text(test, "status"),
                "weight": get_number(test, "weight"),
                "message": scissors.cut(test.get("message")),
            }
            for test in tests[:MAX_TESTS]
        ],
        "tests_cut": max(0, len(tests) - MAX_TESTS),
        "system_changes": get_texts(verdict, "system_changes"),
        "log": scissors.cut(verdict.get("log")),
    }


def _show_findings(index: RunIndex, row_id: str, row: Json, scissors: Scissors) -> Json:
    place = index.connect().execute("SELECT path, at, size FROM ruling WHERE id = ?", (row_id,)).fetchone()
    findings: list[Json] = []
    flags: list[str] = []
    if place is not None:
        with contextlib.suppress(GoneError, UnusableLineError):
            path, offset, size_bytes = place
            ruled = index.read_at(path, offset, size_bytes, row_id)
            findings, flags = get_dicts(ruled, "findings"), get_texts(ruled, "flags")
    turns = {message: turn for turn, (_, message, _) in enumerate(list_replies(row), start=1) if message >= 0}
    return {
        "findings": [_show_finding(finding, turns, scissors) for finding in findings[:MAX_FINDINGS]],
        "flags": flags,
    }


def _show_finding(finding: Json, turns: dict[int, int], scissors: Scissors) -> Json:
    where = get_text(finding, "where") or ""
    turn = None
    if message := _MESSAGE_NUMBER.match(where):
        # What a screen held is shown with the turn that it answered.
        number = int(message.group(1)[:9])
        turn = turns.get(number) or turns.get(number - 1)
    elif told := _TURN_NUMBER.match(where):
        turn = int(told.group(1)[:9])
    plain = get_plain(finding, ("rule", "reason", "where", "evidence", "benchmark", "entry"))
    return {**plain, "turn": turn, "match": scissors.cut(finding.get("match"))}


def _list_attempts(index: RunIndex, table: TrajectoryTable, number: int) -> list[str]:
    task = table.snapshot.trajectories["task"][number]
    rows = (table.snapshot.trajectories["task"] == task).nonzero()[0][:MAX_ATTEMPTS].tolist()
    query = "SELECT id FROM trajectory WHERE row = ?"
    return [index.connect().execute(query, (row,)).fetchone()[0] for row in rows if row != number]


def _list_rejections(index: RunIndex, tasks: TaskTable, request_id: str, scissors: Scissors) -> list[Json]:
    query = "SELECT row FROM item WHERE request_id = ? AND given_up AND row < ? ORDER BY row DESC LIMIT ?"
    found = index.connect().execute(query, (request_id, tasks.rows, MAX_REJECTIONS)).fetchall() if request_id else []
    rejections = []
    for (row,) in reversed(found):
        try:
            rejections.append(_show_rejection(index.read_item(row), scissors))
        except (GoneError, UnusableLineError):
            continue
    return rejections


def _show_rejection(row: Json, scissors: Scissors) -> Json:
    return {
        **get_plain(row, ("id", "stage", "cause", "reason", "repair_rounds", "task_id")),
        "evidence": scissors.cut(row.get("evidence")),
        "refusals": _show_refusals(row),
        "usage": get_plain(get_dict(row, "usage"), USAGE),
    }


def _show_refusals(row: Json) -> list[Json]:
    refusals = get_dicts(row, "refusals")[:50]
    return [{"gate": get_text(refusal, "gate"), "reasons": get_texts(refusal, "reasons")} for refusal in refusals]


def _show_task_row(row: Json, scissors: Scissors) -> Json:
    lineage, foreign = get_dict(row, "lineage"), get_dict(row, "foreign")
    files = get_dicts(row, "files")
    weights = get_dict(row, "weights")
    return {
        "title": get_text(row, "title"),
        "image": get_text(row, "image"),
        "skills": get_texts(row, "skills"),
        "tags": get_texts(row, "tags"),
        "instruction": scissors.cut(row.get("instruction")),
        "tests": scissors.cut(row.get("tests")),
        "weights": {str(name)[:500]: get_number(weights, name) for name in list(weights)[:MAX_TESTS]},
        "solution": scissors.cut_or_none(row.get("solution")),
        "files": [_show_file(file, scissors) for file in files[:MAX_FILES]],
        "files_cut": max(0, len(files) - MAX_FILES),
        "limits": get_plain(get_dict(row, "limits"), tuple(list(get_dict(row, "limits"))[:20])),
        "foreign": {
            "origin": get_text(foreign, "origin"),
            "files": [_show_file(file, scissors) for file in get_dicts(foreign, "test_files")[:MAX_FILES]],
        }
        if foreign
        else None,
        "gates": [get_plain(gate, ("gate", "evidence")) for gate in get_dicts(row, "gates")[:50]],
        "lineage": {
            **get_plain(lineage, _LINEAGE),
            "axes": get_plain(get_dict(lineage, "axes"), ("scenario", "artifact", "constraint", "check")),
            "refusals": _show_refusals(lineage),
        },
        "usage": get_plain(get_dict(row, "usage"), USAGE),
        "more": _list_more(row, _TASK_FIELDS),
    }


def _show_file(file: Json, scissors: Scissors) -> Json:
    content = file.get("content")
    text = content if isinstance(content, str) else ""
    size_bytes, binary = len(text.encode(errors="replace")), False
    if file.get("encoding") == "base64":
        try:
            data = base64.b64decode(text)
            size_bytes, text = len(data), data.decode()
        except (binascii.Error, ValueError):
            binary = True
    return {
        "path": get_text(file, "path"),
        "size_bytes": size_bytes,
        "executable": file.get("executable") is True,
        "binary": binary or "\x00" in text,
        "content": None if binary or "\x00" in text else scissors.cut(text),
    }


def _show_outcomes(
    index: RunIndex, trajectories: TrajectoryTable, tasks: TaskTable, number: int, scissors: Scissors
) -> Json:
    rows = trajectories.find_rows_of_task(number).nonzero()[0].tolist()
    solving = tasks.solving
    return {
        "attempts": make_trajectory_heads(index, trajectories, rows[:MAX_ATTEMPTS]),
        "attempts_cut": max(0, len(rows) - MAX_ATTEMPTS),
        "failures": _list_failures(
            index, trajectories.snapshot.words["task"][int(tasks.snapshot.items["task"][number])], scissors
        ),
        "solve": {
            **summarise_solving(tasks, number),
            "mean_reward": round(float(solving.mean_rewards[number]), 6) if solving.judged[number] else None,
        },
    }


def _list_failures(index: RunIndex, task_id: str, scissors: Scissors) -> list[Json]:
    query = (
        "SELECT f.id, s.path, f.at, f.size FROM failure f JOIN shard s ON s.number = f.shard"
        " WHERE f.task_id = ? LIMIT 50"
    )
    failures = []
    for row_id, path, offset, size_bytes in index.connect().execute(query, (task_id,)).fetchall():
        try:
            failures.append(_show_rejection(index.read_at(path, offset, size_bytes, row_id), scissors))
        except (GoneError, UnusableLineError):
            continue
    return failures


def _list_more(row: Json, known: set[str]) -> Json:
    """Plain fields that this version does not know."""
    return get_plain(row, tuple(name for name in list(row)[:100] if name not in known and len(name) < 100))
