"""The shards of a corpus, each a job of its own: sizes are known before a byte is copied, so any process may copy one.

Cut as shards.py cuts a stream: in the order of ids, before the row that would not fit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from terminal_task_gen.export.shards import DataFile, write_shard
from terminal_task_gen.export.spool import Places, SpoolIndex


@dataclass(frozen=True)
class ShardJob:
    """One shard: which rows of which spools, and where they go."""

    folder: Path
    """Of the corpus."""
    part: str
    """Empty: at the top."""
    name: str
    spools: tuple[Path, ...]
    places: Places


def plan_shards(
    indexes: Sequence[SpoolIndex], part: str, *, folder: Path, place: str, prefix: str, max_bytes: int
) -> list[ShardJob]:
    """Jobs for the rows of `part` in all spools, in order; `place` is the folder below `folder`."""
    holding = [index for index in indexes if part in index.parts]
    rows = Places.sort_together([index.parts[part] for index in holding])
    spools = tuple(index.path for index in holding)
    cuts = _cut(rows.sizes, max_bytes)
    return [
        ShardJob(folder, place, f"{prefix}-{n:05d}-of-{len(cuts):05d}.jsonl", spools, rows.take(cut))
        for n, cut in enumerate(cuts)
    ]


def copy_shard(job: ShardJob) -> DataFile:
    """Write the shard. Called in any process."""
    return write_shard(_read(job), job.folder, f"{job.part}/{job.name}" if job.part else job.name)


def _read(job: ShardJob) -> Iterator[bytes]:
    fds = [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in job.spools]
    try:
        places = job.places
        rows = zip(places.spools.tolist(), places.sizes.tolist(), places.offsets.tolist(), strict=True)
        for spool, size_bytes, offset in rows:
            yield os.pread(fds[spool], size_bytes, offset)
    finally:
        for fd in fds:
            os.close(fd)


def _cut(sizes: NDArray[np.int32], max_bytes: int) -> list[slice]:
    ends = np.cumsum(sizes, dtype=np.int64)
    cuts: list[slice] = []
    start = 0
    while start < len(ends):
        before = int(ends[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(ends, before + max_bytes, side="right")))
        cuts.append(slice(start, end))
        start = end
    return cuts
