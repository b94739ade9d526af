"""Writes a synthetic run for the viewer, the same bytes each time: tasks, drafts, trajectories, a corpus' rulings.

    python -m benchmarks.viewer.make_run /tmp/run --rows 500000 --words 60      # some 2.8 kB a trajectory
    python -m benchmarks.viewer.make_run /tmp/run --rows 40000 --words 1130     # longer: 13 kB
    python -m benchmarks.viewer.make_run /tmp/run --rows 15000 --like runs/demo # rows of a real run, again and again

Domains, skills, models, stop reasons, rewards and drop reasons are drawn with unequal shares; words are those of the
filter's benchmark (Zipf, 60,000).
"""

from __future__ import annotations

import argparse
import random
import shutil
from pathlib import Path
from typing import Any

import orjson

from benchmarks.filter.make_run import Shards, Turns, Writer, make_trajectory, write_identity

ATTEMPTS = 4
SKILLS = 793
DOMAINS = (
    *("data_processing", "data_querying", "data_science", "debugging", "dependency_management", "file_operations"),
    *("model_training", "scientific_computing", "security", "software_engineering", "system_administration"),
)
MODELS = ("local/actor-1", "local/actor-2", "local/actor-3")
STOPS = ("completed", "max_turns", "timeout", "max_tokens", "context_full", "session_ended")
DROPS = ("identity_claim", "benchmark_ngram", "foreign_characters", "repeated_turns", "too_few_turns", "similar_task")
REASONS = ("oracle", "fail_first", "leak_literal", "weights_sum", "no_task_block", "flaky")


def make_short_turns(writer: Writer, words: int) -> Turns:
    count = writer.random.randint(2, 4) if words < 400 else writer.random.randint(5, 8)
    return [
        (
            " ".join(writer.write(words * 7 // 16 // count)),
            " ".join(writer.write(4)),
            " ".join(writer.write(words * 8 // 16 // count)),
        )
        for _ in range(count)
    ]


def make_task(random_: random.Random, number: int, instruction: str) -> dict[str, Any]:
    domain = random_.choices(DOMAINS, weights=range(1, len(DOMAINS) + 1))[0]
    mode = random_.choices(("skill", "seed", "adapt"), weights=(6, 3, 1))[0]
    lineage = {"request_id": f"req-{number:016x}", "mode": mode, "index": number, "author_model": "local/author"}
    return {
        "id": f"{domain}-{number * 0x9E3779B97F4A7C15 % 2**64:016x}",
        "domain": domain,
        "image": domain,
        "difficulty": random_.choices(("easy", "medium", "hard"), weights=(3, 5, 2))[0],
        "title": f"Task {number}",
        "instruction": instruction,
        "files": [],
        "tests": "def test_a(): ...\ndef test_b(): ...\n",
        "weights": {"test_a": 0.5, "test_b": 0.5},
        "skills": [f"skill number {random_.randrange(SKILLS)}" for _ in range(random_.randint(3, 5))],
        "tags": [],
        "gates": [{"gate": "static", "evidence": "2 tests"}],
        "lineage": {**lineage, "prompt_version": "1"},
    }


def vary(random_: random.Random, row: dict[str, Any]) -> dict[str, Any]:
    """Outcomes drawn anew; repeated parts of the row are left out, so that its size is its text."""
    reward = random_.choices((0.0, 0.2, 0.4, 0.6, 0.8, 1.0), weights=(20, 10, 10, 10, 10, 40))[0]
    usage = {"calls": len(row["steps"]), "prompt_tokens": random_.randrange(1_000, 400_000), "cost_usd": 0.01}
    return {
        **row,
        "model": random_.choices(MODELS, weights=(6, 3, 1))[0],
        "stop_reason": random_.choices(STOPS, weights=(70, 12, 8, 5, 3, 2))[0],
        "verdict": {**row["verdict"], "reward": reward, "passed": reward == 1.0},
        "usage": {**usage, "completion_tokens": random_.randrange(100, 40_000)},
        "wasted_usage": {},
        "steps": [{k: step[k] for k in ("turn", "commands", "observation")} for step in row["steps"]],
        "timings": {"started_at": "2026-01-01T00:00:00Z", "total_sec": round(random_.uniform(5, 900), 3)},
    }


def make_ruling(random_: random.Random, row: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
    """Dropped or not, and the row of the corpus; the conversation is one short message."""
    ruled = {
        "conversations": [{"role": "user", "content": "left out"}],
        "agent": "terminus-2",
        "id": row["id"],
        "flags": ["not_solved"] if row["verdict"]["reward"] < 1 else [],
    }
    if random_.random() < 0.8:
        return False, ruled
    reason = random_.choices(DROPS, weights=(6, 5, 4, 3, 2, 1))[0]
    return True, {**ruled, "drop_reason": reason, "findings": [{"reason": reason, "where": "message 1", "match": "x"}]}


def write_run(folder: Path, rows: int, words: int) -> None:
    writer = Writer(20260101)
    for name in ("tasks", "trajectories", "corpus", "recordings", "logs"):
        (folder / name).mkdir(parents=True)
    with (
        (folder / "tasks/tasks-00000.jsonl").open("wb") as tasks,
        (folder / "tasks/rejected-00000.jsonl").open("wb") as rejected,
        (folder / "corpus/train-00000-of-00001.jsonl").open("wb") as kept,
        (folder / "corpus/dropped-00000-of-00001.jsonl").open("wb") as dropped,
        Shards(folder / "trajectories") as shards,
    ):
        task: dict[str, Any] = {}
        for number in range(rows):
            if number % ATTEMPTS == 0:
                task = make_task(writer.random, number // ATTEMPTS, " ".join(writer.write(90)) + ".")
                tasks.write(orjson.dumps(task) + b"\n")
                if number % (5 * ATTEMPTS) == 0:
                    rejected.write(orjson.dumps(make_rejection(writer.random, number)) + b"\n")
            turns = make_short_turns(writer, words)
            row = vary(writer.random, make_trajectory(number, task, "{}", turns, passed=True))
            shards.write(orjson.dumps(row) + b"\n")
            is_dropped, ruled = make_ruling(writer.random, row)
            (dropped if is_dropped else kept).write(orjson.dumps(ruled) + b"\n")


def repeat_run(folder: Path, rows: int, original: Path) -> None:
    """The original's tasks, and its trajectories over and over, each time with ids of its own; no corpus."""
    (folder / "trajectories").mkdir(parents=True)
    shutil.copytree(original / "tasks", folder / "tasks")
    lines = [
        line for path in sorted((original / "trajectories").glob("trajectories-*.jsonl")) for line in path.open("rb")
    ]
    with Shards(folder / "trajectories") as shards:
        for number in range(rows):
            row_id, line = orjson.loads(lines[number % len(lines)])["id"], lines[number % len(lines)]
            shards.write(line.replace(row_id.encode(), f"traj-{number:016x}".encode(), 1))


def make_rejection(random_: random.Random, number: int) -> dict[str, Any]:
    reason = random_.choice(REASONS)
    return {
        "id": f"req-x{number:015x}",
        "stage": "generate",
        "cause": "merit",
        "reason": reason,
        "evidence": f"gate {reason}: made up",
        "domain": random_.choice(DOMAINS),
        "mode": "skill",
        "difficulty": "easy",
        "refusals": [{"gate": "static", "reasons": [reason]}],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--words", type=int, default=60)
    parser.add_argument("--like", type=Path, help="a finished run")
    arguments = parser.parse_args()
    if arguments.like:
        repeat_run(arguments.folder, arguments.rows, arguments.like)
    else:
        write_run(arguments.folder, arguments.rows, arguments.words)
    write_identity(arguments.folder)


if __name__ == "__main__":
    main()
