"""The funnel of a run counted from its index, so that it is right while the run goes on; rules from its report."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from terminal_task_gen.errors import POLICY, Cause
from terminal_task_gen.viewer.columns import Mask
from terminal_task_gen.viewer.cuts import Json, get_dict, get_dicts, get_plain
from terminal_task_gen.viewer.extract import JUDGED, PASSED, TAMPERED
from terminal_task_gen.viewer.run_index import RunIndex
from terminal_task_gen.viewer.snapshot import Snapshot
from terminal_task_gen.viewer.tables import STATES, TaskTable, TrajectoryTable

MAX_REPORT_BYTES = 16_000_000
_RULE = ("rule", "action", "hits", "alone", "first")


def count_funnel(index: RunIndex) -> Json:
    """Raises NotReadyError."""
    trajectories, tasks = index.take_tables()
    snapshot = trajectories.snapshot
    return {
        "run": index.name,
        "revision": snapshot.revision,
        "generate": _count_generated(tasks),
        "rollout": _count_rolled_out(trajectories, index.connect()),
        "filter": _count_filtered(index, trajectories),
        **_count_groups(trajectories, tasks),
        "usage": {
            "prompt_tokens": int(snapshot.trajectories["prompt_tokens"].sum()),
            "completion_tokens": int(snapshot.trajectories["completion_tokens"].sum()),
            "cost_usd": round(float(snapshot.trajectories["cost_usd"].astype(np.float64).sum()), 4),
        },
    }


def count_heads(index: RunIndex) -> Json:
    """The few numbers that stand beside a run's name. Raises NotReadyError."""
    trajectories, tasks = index.take_tables()
    states = np.bincount(tasks.states, minlength=len(STATES)).tolist()
    kept = _count_words(trajectories.snapshot.drops, trajectories.snapshot.words["ruling"]).get("kept", 0)
    failed, owed = _count_failures(index.connect())
    return {
        "tasks": states[0],
        "rejected": states[1],
        "owed": states[2] + owed,
        "trajectories": trajectories.rows,
        "failed": failed,
        "kept": kept,
        "dropped": int((trajectories.snapshot.drops != 0).sum()) - kept,
        "notes": len(index.notes.list_notes()),
    }


def _count_generated(tasks: TaskTable) -> Json:
    snapshot, states = tasks.snapshot, tasks.states
    made, refused, owed, repeated = (states == STATES.index(s) for s in ("task", "rejected", "owed", "duplicate"))
    return {
        "requests": int((states != STATES.index("superseded")).sum()),
        "tasks": int(made.sum() + repeated.sum()),
        "duplicates": int(repeated.sum()),
        "repaired": int((made & (snapshot.items["repairs"] > 0)).sum()),
        "rejected": int(refused.sum()),
        "owed": int(owed.sum()),
        "reasons": _count_words(snapshot.items["reason"][refused | owed], snapshot.words["reason"]),
    }


def _count_rolled_out(trajectories: TrajectoryTable, connection: sqlite3.Connection) -> Json:
    columns, words = trajectories.snapshot.trajectories, trajectories.snapshot.words
    judged, passed = (columns["flags"] & JUDGED) != 0, (columns["flags"] & PASSED) != 0
    failed, owed = _count_failures(connection)
    reasons = connection.execute("SELECT reason, count(*) FROM failure WHERE final GROUP BY 1 ORDER BY 2 DESC, 1")
    return {
        "attempts": trajectories.rows + failed + owed,
        "trajectories": trajectories.rows,
        "failed": failed,
        "owed": owed,
        "reasons": dict(reasons.fetchall()),
        "stop_reasons": _count_words(columns["stop"], words["stop"]),
        "passed": int((judged & passed).sum()),
        "partial": int((judged & ~passed & (columns["reward"] > 0)).sum()),
        "zero": int((judged & ~passed & (columns["reward"] <= 0)).sum()),
        "unjudged": int((~judged).sum()),
        "tampered": int(((columns["flags"] & TAMPERED) != 0).sum()),
    }


def _count_failures(connection: sqlite3.Connection) -> tuple[int, int]:
    """Given up for good, and owed."""
    owed = [cause.value for cause in Cause if POLICY[cause].retry]
    query = f"SELECT cause IN ({','.join('?' * len(owed))}), count(*) FROM failure WHERE final GROUP BY 1"
    counts = dict(connection.execute(query, owed).fetchall())
    return int(counts.get(0, 0)), int(counts.get(1, 0))


def _count_filtered(index: RunIndex, trajectories: TrajectoryTable) -> Json | None:
    snapshot = trajectories.snapshot
    report = _read_report(index)
    counts = _count_words(snapshot.drops, snapshot.words["ruling"])
    if not counts and not report:
        return None
    kept = counts.pop("kept", 0)
    filtered = get_dict(report, "filtered")
    preset = filtered.get("preset")
    return {
        "preset": preset if isinstance(preset, str) else None,
        "kept": kept,
        "dropped": sum(counts.values()),
        "not_filtered": int((snapshot.drops == 0).sum()),
        "drop_reasons": counts,
        "rules": [get_plain(rule, _RULE) for rule in get_dicts(filtered, "rules")],
    }


def _read_report(index: RunIndex) -> dict[str, Any]:
    path = index.run.corpus_dir / "report.json"
    try:
        if path.stat().st_size > MAX_REPORT_BYTES:
            return {}
        report = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return report if isinstance(report, dict) else {}


def _count_groups(trajectories: TrajectoryTable, tasks: TaskTable) -> Json:
    snapshot = trajectories.snapshot
    of_task = np.append(snapshot.items["mode"], np.uint16(0)), np.append(snapshot.items["difficulty"], np.uint16(0))
    by = {
        "domains": ("domain", snapshot.items["domain"], snapshot.trajectories["domain"]),
        "modes": ("mode", snapshot.items["mode"], of_task[0][snapshot.item_of]),
        "difficulties": ("difficulty", snapshot.items["difficulty"], of_task[1][snapshot.item_of]),
    }
    return {
        name: _count_group(snapshot, tasks, snapshot.words[kind], own, of_rows)
        for name, (kind, own, of_rows) in by.items()
    }


def _count_group(
    snapshot: Snapshot,
    tasks: TaskTable,
    words: list[str],
    own: NDArray[np.uint16],
    of_rows: NDArray[np.uint16],
) -> list[Json]:
    columns, size = snapshot.trajectories, len(words)
    judged = (columns["flags"] & JUDGED) != 0
    kept_code = snapshot.words["ruling"].index("kept") if "kept" in snapshot.words["ruling"] else -1

    def count(codes: NDArray[np.uint16], mask: Mask) -> list[int]:
        counts: list[int] = np.bincount(codes[mask], minlength=size).tolist()
        return counts

    def average(values: NDArray[Any], mask: Mask) -> list[float | None]:
        sums = np.bincount(of_rows[mask], weights=values[mask], minlength=size).tolist()
        counts = count(of_rows, mask)
        return [round(s / n, 6) if n else None for s, n in zip(sums, counts, strict=True)]

    whole = np.ones(len(columns), dtype=np.bool_)
    counted: dict[str, Sequence[float | None]] = {
        "tasks": count(own, tasks.states == 0),
        "rejected": count(own, (tasks.states == 1) | (tasks.states == 2)),
        "trajectories": count(of_rows, whole),
        "passed": count(of_rows, judged & ((columns["flags"] & PASSED) != 0)),
        "judged": count(of_rows, judged),
        "kept": count(of_rows, snapshot.drops == kept_code),
        "dropped": count(of_rows, (snapshot.drops != 0) & (snapshot.drops != kept_code)),
        "mean_reward": average(columns["reward"], judged),
        "mean_turns": average(columns["turns"], whole),
    }
    groups = [
        {"name": word, **{name: values[code] for name, values in counted.items()}} for code, word in enumerate(words)
    ]
    return sorted(
        (group for group in groups if group["name"] and any(group[n] for n in ("tasks", "rejected", "trajectories"))),
        key=lambda group: str(group["name"]),
    )


def _count_words(codes: NDArray[np.uint16], words: list[str]) -> dict[str, int]:
    """Word → number, the most frequent first; code 0 (none) is left out."""
    totals = np.bincount(codes, minlength=len(words)).tolist()
    pairs = [(word, n) for word, n in zip(words, totals, strict=False) if n and word]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))
