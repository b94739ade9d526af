"""Which bytes of a run's files the index lacks, and their lines taken apart, in worker processes where it is much.

A file is known again by its first and last indexed bytes: it may have grown, and been renamed when it was sealed. One
that is gone or was changed (damaged lines moved out, a run made anew) means that the index is made anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from terminal_task_gen.chunks import Chunk, read_lines
from terminal_task_gen.store import DUPLICATES, FAILED, REJECTED, TASKS, TRAJECTORIES, RunDirectory, ShardKind
from terminal_task_gen.viewer.extract import (
    DuplicateFacts,
    FailureFacts,
    ItemFacts,
    RulingFacts,
    TrajectoryFacts,
    extract_duplicate,
    extract_failure,
    extract_rejection,
    extract_ruling,
    extract_task,
    extract_trajectory,
)
from terminal_task_gen.viewer.shapes import UnusableLineError

CHUNK_BYTES = 8_000_000
FINGERPRINT_BYTES = 4_096
RULINGS = "rulings"
KINDS: tuple[ShardKind, ...] = (TASKS, REJECTED, TRAJECTORIES, FAILED)
"""In the order in which they are indexed: tasks first, for what trajectories say of them."""

Facts = TrajectoryFacts | ItemFacts | FailureFacts | DuplicateFacts | RulingFacts
Columns = Mapping[str, Sequence[Any]]
"""By the name of a fact, its value in each row; `offset` and `size` say where the row lies in its file."""
_EXTRACTORS: dict[str, tuple[type[Facts], Callable[[bytes], Facts]]] = {
    TASKS.prefix: (ItemFacts, extract_task),
    REJECTED.prefix: (ItemFacts, extract_rejection),
    TRAJECTORIES.prefix: (TrajectoryFacts, extract_trajectory),
    FAILED.prefix: (FailureFacts, extract_failure),
    DUPLICATES.prefix: (DuplicateFacts, extract_duplicate),
    RULINGS: (RulingFacts, extract_ruling),
}


class Replaced(Exception):  # noqa: N818 - a signal to begin anew, not an error
    """What was indexed is no longer there."""


class Place(NamedTuple):
    """Where a line lies in its file."""

    offset: int
    size_bytes: int


class BadLine(NamedTuple):
    place: Place
    why: str


class Extracted(NamedTuple):
    """What a chunk holds, by columns: between processes a list of texts costs a tenth of as many small objects."""

    columns: Columns
    bad: list[BadLine]
    end: int
    """Behind its last whole line; 0 where none begins in it."""


class KnownShard(NamedTuple):
    """A file as far as it is indexed."""

    number: int
    kind: str
    path: str
    """Relative to the run."""
    done_bytes: int
    head_bytes: int
    head: bytes
    tail: bytes


class Pending(NamedTuple):
    """A file with bytes to do; `number` is None for a new one."""

    number: int | None
    kind: str
    path: Path
    start: int
    end: int


def extract_chunk(kind: str, chunk: Chunk) -> Extracted:
    """Raises OSError where the file has gone."""
    facts, extract = _EXTRACTORS[kind]
    rows: list[Facts] = []
    places: list[tuple[int, int]] = []
    bad: list[BadLine] = []
    end = 0
    for line in read_lines(chunk):
        end = line.offset + line.size_bytes
        try:
            if line.content is None:
                raise UnusableLineError(f"too long to be read ({line.size_bytes // 1_000_000} MB)")
            rows.append(extract(line.content))
            places.append((line.offset, line.size_bytes))
        except UnusableLineError as error:
            bad.append(BadLine(Place(line.offset, line.size_bytes), str(error)))
    return Extracted({**_turn(rows, facts._fields), **_turn(places, ("offset", "size"))}, bad, end)


def _turn(rows: Sequence[tuple[Any, ...]], names: Sequence[str]) -> Columns:
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(names)
    return dict(zip(names, columns, strict=True))


def find_pending(run: RunDirectory, known: Sequence[KnownShard]) -> tuple[list[Pending], dict[int, Path]]:
    """Bytes to do, and where each known file lies now. Raises Replaced."""
    pending: list[Pending] = []
    found: dict[int, Path] = {}
    for kind in KINDS:
        paths = [path for path in run.list_shards(kind) if path.name.endswith((".jsonl", ".jsonl.part"))]
        matched = _match(run, [shard for shard in known if shard.kind == kind.prefix], paths)
        found |= {shard.number: path for path, shard in matched.items()}
        for path in paths:
            shard = matched.get(path)
            start, size_bytes = (shard.done_bytes if shard else 0), path.stat().st_size
            if size_bytes > start:
                pending.append(Pending(shard.number if shard else None, kind.prefix, path, start, size_bytes))
    return pending, found


def split(pending: Pending) -> list[Chunk]:
    return [
        Chunk(pending.path, start, min(start + CHUNK_BYTES, pending.end))
        for start in range(pending.start, pending.end, CHUNK_BYTES)
    ]


def take_fingerprint(path: Path, done_bytes: int) -> tuple[int, bytes, bytes]:
    """How many bytes the head has, and digests of head and tail of what is indexed."""
    head_bytes = min(FINGERPRINT_BYTES, done_bytes)
    with path.open("rb") as stream:
        head = hashlib.sha256(stream.read(head_bytes)).digest()
        stream.seek(done_bytes - head_bytes)
        return head_bytes, head, hashlib.sha256(stream.read(head_bytes)).digest()


def list_views(run: RunDirectory) -> list[tuple[str, Path]]:
    """Files that say something of rows of the shards, and are written anew as a whole: duplicates, the corpus."""
    corpus = [*sorted(run.corpus_dir.glob("dropped-*.jsonl")), *sorted(run.corpus_dir.glob("**/train-*.jsonl"))]
    return [*((DUPLICATES.prefix, path) for path in run.list_shards(DUPLICATES)), *((RULINGS, path) for path in corpus)]


def sign_views(run: RunDirectory) -> str:
    """Other when one of the views was written anew; empty when there is none."""
    try:
        stats = [(path.name, path.stat()) for _, path in list_views(run)]
    except OSError:
        return ""
    text = "\n".join(f"{name} {stat.st_size} {stat.st_mtime_ns} {stat.st_ino}" for name, stat in stats)
    return hashlib.sha256(text.encode()).hexdigest() if stats else ""


def _match(run: RunDirectory, known: Sequence[KnownShard], paths: Sequence[Path]) -> dict[Path, KnownShard]:
    matched: dict[Path, KnownShard] = {}
    for shard in known:
        own = run.path / shard.path
        nearest = sorted(paths, key=lambda path: (path != own, path.with_suffix("") != own.with_suffix("")))
        for path in nearest:
            if path not in matched and _is_same(shard, path):
                matched[path] = shard
                break
        else:
            raise Replaced(f"{shard.path} has changed")
    return matched


def _is_same(shard: KnownShard, path: Path) -> bool:
    try:
        if path.stat().st_size < shard.done_bytes:
            return False
        return take_fingerprint(path, shard.done_bytes) == (shard.head_bytes, shard.head, shard.tail)
    except OSError:
        return False
