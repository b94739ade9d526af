"""Rows that a start left in its staging folder without uploading them, when the run went on elsewhere meanwhile."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from terminal_task_gen.errors import POLICY, Cause
from terminal_task_gen.store import RunDirectory, ShardKind, explain_os_error, parse_key


class Unsent(NamedTuple):
    """A shard that is here alone: sealed, growing when its writer died, or set aside because its name is taken."""

    kind: ShardKind
    path: Path


def settle_unsent(directory: RunDirectory, unsent: Sequence[Unsent], sent: Mapping[ShardKind, Sequence[Path]]) -> int:
    """Drop the rows of `unsent` whose items are done in `sent`, and give what is left names that are free.

    How many were dropped. A kill in the middle leaves nothing that the next call does not put right.
    """
    done = {
        key
        for kind, shards in sent.items()
        for key, cause in directory.read_keys(kind, shards)
        if cause is None or not POLICY[Cause(cause)].retry
    }
    dropped = 0
    for kind, path in unsent:
        try:
            dropped += _drop_done(kind, path, done)
            if path.stat().st_size:
                path.rename(_find_free_name(path))
            else:
                path.unlink()
        except OSError as error:
            raise explain_os_error(error, path) from error
    return dropped


def _drop_done(kind: ShardKind, path: Path, done: set[str]) -> int:
    """Rewrites the file in its place; a torn last line goes, too."""
    temporary = path.with_name(f"{path.name}.tmp")
    dropped = 0
    with path.open("rb") as source, temporary.open("wb") as target:
        for line in source:
            key = parse_key(line, kind)
            if key is not None and key[0] in done:
                dropped += 1
            elif line.endswith(b"\n"):
                target.write(line)
        target.flush()
        os.fsync(target.fileno())
    temporary.replace(path)
    return dropped


def _find_free_name(path: Path) -> Path:
    """`<prefix>-NNNNN.jsonl` beside it, behind all that are there."""
    prefix = path.name.partition(".")[0].rpartition("-")[0]
    numbers = [int(other.name.partition(".")[0].rpartition("-")[2]) for other in path.parent.glob(f"{prefix}-*.jsonl")]
    return path.with_name(f"{prefix}-{max(numbers, default=-1) + 1:05d}.jsonl")
