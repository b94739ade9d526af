"""One line of a list: a trajectory, or a task or given-up draft, from the index alone."""

from __future__ import annotations

from collections.abc import Sequence

from terminal_task_gen.viewer.cuts import Json
from terminal_task_gen.viewer.extract import JUDGED, PASSED, TAMPERED
from terminal_task_gen.viewer.run_index import RunIndex
from terminal_task_gen.viewer.snapshot import Snapshot
from terminal_task_gen.viewer.tables import NOT_FILTERED, STATES, TaskTable, TrajectoryTable


def make_trajectory_heads(index: RunIndex, table: TrajectoryTable, rows: Sequence[int]) -> list[Json]:
    """Raises NotReadyError."""
    connection = index.connect()
    heads = []
    for row in rows:
        (row_id,) = connection.execute("SELECT id FROM trajectory WHERE row = ?", (row,)).fetchone()
        item = int(table.snapshot.item_of[row])
        title = connection.execute("SELECT title FROM item WHERE row = ?", (item,)).fetchone() if item >= 0 else None
        heads.append(_make_trajectory_head(index, table.snapshot, row, row_id, title[0] if title else None))
    return heads


def _make_trajectory_head(index: RunIndex, snapshot: Snapshot, row: int, row_id: str, title: str | None) -> Json:
    columns, words, item = snapshot.trajectories[row], snapshot.words, int(snapshot.item_of[row])
    flags, drop = int(columns["flags"]), int(snapshot.drops[row])
    note = index.notes.get(row_id)
    tokens = int(columns["prompt_tokens"]), int(columns["completion_tokens"])
    return {
        "id": row_id,
        "task_id": words["task"][int(columns["task"])],
        "title": title,
        "domain": words["domain"][int(columns["domain"])],
        "mode": words["mode"][int(snapshot.items["mode"][item])] if item >= 0 else None,
        "difficulty": words["difficulty"][int(snapshot.items["difficulty"][item])] if item >= 0 else None,
        "model": words["model"][int(columns["model"])],
        "attempt": int(columns["attempt"]),
        "reward": round(float(columns["reward"]), 6),
        "passed": bool(flags & PASSED),
        "judged": bool(flags & JUDGED),
        "tampered": bool(flags & TAMPERED),
        "stop_reason": words["stop"][int(columns["stop"])],
        "turns": int(columns["turns"]),
        "prompt_tokens": tokens[0],
        "completion_tokens": tokens[1],
        "tokens": sum(tokens),
        "seconds": round(float(columns["seconds"]), 3),
        "drop": words["ruling"][drop] if drop else NOT_FILTERED,
        "found": _list_found(snapshot, row),
        "labels": list(note.labels) if note else [],
        "noted": note is not None,
        "row_bytes": int(columns["size"]),
    }


def make_task_heads(index: RunIndex, table: TaskTable, rows: Sequence[int]) -> list[Json]:
    """Raises NotReadyError."""
    connection = index.connect()
    query = (
        "SELECT item.id, request_id, title, coalesce(duplicate.evidence, item.evidence) FROM item"
        " LEFT JOIN duplicate ON task_id = item.id WHERE row = ?"
    )
    return [_make_task_head(index, table, row, connection.execute(query, (row,)).fetchone()) for row in rows]


def _make_task_head(index: RunIndex, table: TaskTable, row: int, texts: tuple[str, str, str, str]) -> Json:
    snapshot, solving = table.snapshot, table.solving
    columns, words = snapshot.items[row], snapshot.words
    row_id, request_id, title, evidence = texts
    note = index.notes.get(row_id)
    return {
        "state": STATES[int(table.states[row])],
        "id": row_id,
        "request_id": request_id,
        "title": title or None,
        "domain": words["domain"][int(columns["domain"])],
        "mode": words["mode"][int(columns["mode"])] or None,
        "difficulty": words["difficulty"][int(columns["difficulty"])] or None,
        "skills": list_skills(snapshot, row),
        "reason": words["reason"][int(columns["reason"])] or None,
        "cause": words["cause"][int(columns["cause"])] or None,
        "gate": words["gate"][int(columns["gate"])] or None,
        "evidence": evidence or None,
        "repair_rounds": int(columns["repairs"]),
        **summarise_solving(table, row),
        "mean_reward": round(float(solving.mean_rewards[row]), 6) if solving.judged[row] else None,
        "labels": list(note.labels) if note else [],
        "noted": note is not None,
    }


def summarise_solving(table: TaskTable, row: int) -> Json:
    solving = table.solving
    return {
        "attempts": int(solving.attempts[row]),
        "judged": int(solving.judged[row]),
        "passed": int(solving.passed[row]),
    }


def list_skills(snapshot: Snapshot, row: int) -> list[str]:
    """The pairs lie in the order of the items."""
    begin, end = snapshot.skills["item"].searchsorted([row, row + 1]).tolist()
    return [snapshot.words["skill"][int(code)] for code in snapshot.skills["skill"][begin:end]]


def _list_found(snapshot: Snapshot, row: int) -> list[str]:
    bits = int(snapshot.found[row])
    return [word for code, word in enumerate(snapshot.words["ruling"][:64]) if bits >> code & 1]
