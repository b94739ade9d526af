"""What a run left on disk, and how two of them differ."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

KEPT_CAUSES = ("teacher_unavailable", "sandbox_failed")
"""Such failures are owed: their items are tried again, and the lines stay."""


@dataclass(frozen=True)
class Outcome:
    """What a run left, read as plain JSON; reading is the check that every shard parses."""

    generated: dict[str, str]
    """Request → what became of it."""
    rolled_out: dict[str, str]
    """Attempt → its stop reason and reward, or why it failed."""
    corpus: str
    """SHA-256 of all lines of the corpus, sorted."""
    doubled: tuple[str, ...]
    parts: tuple[str, ...]
    """Shards that were not sealed."""


def read_outcome(run: Path) -> Outcome:
    doubled: list[str] = []
    generated = _account(run, "tasks", lambda row: row["lineage"]["request_id"], lambda row: str(row["id"]), doubled)
    rolled_out = _account(
        run,
        "trajectories",
        lambda row: str(row["id"]),
        lambda row: f"{row['stop_reason']} {row['verdict']['reward']}",
        doubled,
    )
    lines = [line for path in (run / "corpus").rglob("*.jsonl") for line in path.read_bytes().splitlines()]
    return Outcome(
        generated,
        rolled_out,
        hashlib.sha256(b"\n".join(sorted(lines))).hexdigest(),
        tuple(doubled),
        tuple(str(path) for path in run.rglob("*.part")),
    )


def _account(
    run: Path,
    folder: str,
    get_id: Callable[[dict[str, Any]], str],
    describe: Callable[[dict[str, Any]], str],
    doubled: list[str],
) -> dict[str, str]:
    refused = {"tasks": "rejected", "trajectories": "failed"}[folder]
    found: dict[str, str] = {}
    for prefix in (folder, refused):
        for path in sorted((run / folder).glob(f"{prefix}-*.jsonl")):
            for line in path.read_bytes().splitlines():
                row = orjson.loads(line)
                if prefix == refused and row["cause"] in KEPT_CAUSES:
                    continue
                key, word = (get_id(row), describe(row)) if prefix == folder else (row["id"], row["reason"])
                if key in found:
                    doubled.append(key)
                found[key] = word
    return found


def find_differences(calm: Outcome, found: Outcome) -> list[str]:
    """In words; none is what is wanted."""
    differences = [f"twice: {key}" for key in found.doubled] + [f"not sealed: {name}" for name in found.parts]
    for name in ("generated", "rolled_out"):
        wanted, had = getattr(calm, name), getattr(found, name)
        differences += [f"{name}: lost {key}" for key in sorted(wanted.keys() - had.keys())]
        differences += [f"{name}: {key} is new" for key in sorted(had.keys() - wanted.keys())]
        differences += [
            f"{name}: {key}: {wanted[key]} became {had[key]}"
            for key in sorted(wanted.keys() & had.keys())
            if wanted[key] != had[key]
        ]
    if calm.corpus != found.corpus:
        differences.append("the corpus is another")
    return differences
