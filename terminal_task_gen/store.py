"""The run directory: the output is the checkpoint.

    <output_dir>/<name>/
      config.yaml            resolved configuration
      run.json               identity: run id, versions, fingerprints, image digests
      tasks/                 tasks-00000.jsonl …          rejected-00000.jsonl …     duplicates-00000.jsonl
      trajectories/          trajectories-00000.jsonl …   failed-00000.jsonl …
      recordings/            <trajectory id>.cast
      images/                <image>-<16 hex>.json: all packages with versions; none on bubblewrap
      corpus/                what `ttg filter` writes
      logs/                  events.jsonl
      .lock                  held while a `ttg` writes here

Shards have one writer and one line per finished item, written whole. The growing shard is called `….jsonl.part` and is
renamed when it is sealed. Which items are done is read from the lines alone: a torn last line is owed again; a damaged
line in the middle is reported with its number, the rest is used. Nothing is deleted.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from weakref import WeakSet

import orjson
from pydantic import ValidationError

from terminal_task_gen.errors import POLICY, Cause, UsageError
from terminal_task_gen.records import Record

RecordT = TypeVar("RecordT", bound=Record)


class ShardKind(NamedTuple):
    """A family of shards and where in its lines the id of the finished item stands."""

    folder: str
    prefix: str
    key: tuple[str, ...]


TASKS = ShardKind("tasks", "tasks", ("lineage", "request_id"))
REJECTED = ShardKind("tasks", "rejected", ("id",))
DUPLICATES = ShardKind("tasks", "duplicates", ("id",))
TRAJECTORIES = ShardKind("trajectories", "trajectories", ("id",))
FAILED = ShardKind("trajectories", "failed", ("id",))


class Damage(NamedTuple):
    """A line that cannot be used."""

    path: Path
    line_number: int
    why: str

    def __str__(self) -> str:
        return f"{self.path} line {self.line_number}: {self.why}"


class Sealing(NamedTuple):
    """When a shard is sealed besides by its size: what a mirror needs, since only sealed shards are uploaded."""

    max_rows: float = math.inf
    max_age_sec: float = math.inf
    """Since its first row."""


class ShardWriter:
    """Appends whole lines to `<folder>/<prefix>-NNNNN.jsonl.part` and seals it past `max_bytes` and on close.

    A part left by a killed process is taken up again, its torn tail cut off.
    """

    def __init__(
        self, folder: Path, prefix: str, *, max_bytes: int = 256_000_000, sealing: Sealing | None = None
    ) -> None:
        self._folder = folder
        self._prefix = prefix
        self._max_bytes = max_bytes
        self._sealing = sealing or Sealing()
        self._rows = 0
        self._opened_at = 0.0
        self._fd: int | None = None
        self._path = folder / ""
        self._size_bytes = 0
        leftovers = sorted(folder.glob(f"{prefix}-*.jsonl.part"))
        for leftover in leftovers:
            self._open(leftover)
            self._cut_torn_tail()
            self._seal()

    def write(self, record: Record) -> None:
        """Append one record as one line; on the disk's refusal nothing of it stays. Raises UsageError."""
        line = record.model_dump_json().encode() + b"\n"
        if self._fd is None:
            self._open(self._folder / f"{self._prefix}-{self._next_number():05d}.jsonl.part")
        assert self._fd is not None
        try:
            written = 0
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError as error:
            os.ftruncate(self._fd, self._size_bytes)
            raise explain_os_error(error, self._path) from error
        self._size_bytes += len(line)
        self._rows += 1
        if self._size_bytes >= self._max_bytes or self._rows >= self._sealing.max_rows:
            self._seal()

    def seal_if_old(self) -> None:
        """Seal a shard whose first row is older than `sealing` allows. For a timer, since rows may stay away."""
        if self._fd is not None and time.monotonic() - self._opened_at >= self._sealing.max_age_sec:
            self._seal()

    def close(self) -> None:
        """Seal what was written. Idempotent."""
        self._seal()

    def _open(self, path: Path) -> None:
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise explain_os_error(error, path) from error
        self._path = path
        self._size_bytes = os.fstat(self._fd).st_size
        self._rows = 0
        self._opened_at = time.monotonic()

    def _cut_torn_tail(self) -> None:
        assert self._fd is not None
        end = self._size_bytes
        while end > 0:
            start = max(0, end - 65536)
            newline = os.pread(self._fd, end - start, start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        os.ftruncate(self._fd, end)
        self._size_bytes = end

    def _seal(self) -> None:
        if self._fd is None:
            return
        try:
            os.fsync(self._fd)
            os.close(self._fd)
            self._fd = None
            if self._size_bytes == 0:
                self._path.unlink()
            else:
                self._path.rename(self._folder / f"{self._prefix}-{self._next_number():05d}.jsonl")
        except OSError as error:
            raise explain_os_error(error, self._path) from error

    def _next_number(self) -> int:
        numbers = [int(p.name.split(".")[0].rsplit("-", 1)[1]) for p in self._folder.glob(f"{self._prefix}-*.jsonl")]
        return max(numbers, default=-1) + 1


class RunDirectory:
    """One run on disk. Reading needs no lock; `lock()` before writing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sealing = Sealing()
        """Of writers opened from now on."""
        self._lock_fd: int | None = None
        self._writers: WeakSet[ShardWriter] = WeakSet()

    @property
    def config_path(self) -> Path:
        return self.path / "config.yaml"

    @property
    def identity_path(self) -> Path:
        return self.path / "run.json"

    @property
    def recordings_dir(self) -> Path:
        return self.path / "recordings"

    @property
    def images_dir(self) -> Path:
        return self.path / "images"

    @property
    def corpus_dir(self) -> Path:
        return self.path / "corpus"

    @property
    def events_path(self) -> Path:
        return self.path / "logs" / "events.jsonl"

    def lock(self) -> None:
        """Make the directory and hold it for writing; UsageError when it cannot be written or another ttg holds it."""
        try:
            for folder in ("tasks", "trajectories", "recordings", "logs"):
                (self.path / folder).mkdir(parents=True, exist_ok=True)
            self._lock_fd = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"another ttg is writing {self.path}; wait for it, or choose another --name") from error
        except OSError as error:
            raise explain_os_error(error, self.path) from error

    def unlock(self) -> None:
        """Let go. Idempotent; the end of the process does it too."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def open_writer(self, kind: ShardKind, *, max_bytes: int) -> ShardWriter:
        writer = ShardWriter(self.path / kind.folder, kind.prefix, max_bytes=max_bytes, sealing=self.sealing)
        self._writers.add(writer)
        return writer

    def seal_old_shards(self) -> None:
        """Of all open writers, those that `sealing` says. In their own thread."""
        for writer in list(self._writers):
            writer.seal_if_old()

    def write_file(self, path: Path, text: str) -> None:
        """Replace a small file of the run as a whole (temp file and rename)."""
        temporary = path.with_name(path.name + ".tmp")
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise explain_os_error(error, path) from error

    def list_shards(self, kind: ShardKind) -> list[Path]:
        """Sealed shards in order, then the growing one."""
        folder = self.path / kind.folder
        return [*sorted(folder.glob(f"{kind.prefix}-*.jsonl")), *sorted(folder.glob(f"{kind.prefix}-*.jsonl.part"))]

    def read_records(
        self, kind: ShardKind, model: type[RecordT], on_damage: Callable[[Damage], None]
    ) -> Iterator[RecordT]:
        """Records of a kind in the order written; each unusable line goes to `on_damage` and is passed over."""
        for path in self.list_shards(kind):
            for number, line in _read_whole_lines(path):
                try:
                    yield model.model_validate_json(line)
                except ValidationError as error:
                    on_damage(Damage(path, number, explain_line(line, error)))

    def read_final_rejections(
        self, kind: ShardKind, accepted: ShardKind, model: type[RecordT], on_damage: Callable[[Damage], None]
    ) -> list[RecordT]:
        """The last rejection of every item that was not accepted after all; sorted by id."""
        done = {key for key, _ in self.read_keys(accepted)}
        final: dict[str, RecordT] = {}
        for record in self.read_records(kind, model, on_damage):
            key = _dig(record.model_dump(mode="json"), kind.key)
            if key not in done:
                final[key] = record
        return [final[key] for key in sorted(final)]

    def read_done_ids(self, accepted: ShardKind, rejected: ShardKind) -> set[str]:
        """Ids that need no more work: accepted, or rejected for a cause that would not pass."""
        done = {key for key, _ in self.read_keys(accepted)}
        done.update(key for key, cause in self.read_keys(rejected) if cause and not POLICY[Cause(cause)].retry)
        return done

    def find_damage(self, kind: ShardKind, model: type[Record]) -> list[Damage]:
        """Every line of a kind that cannot be used."""
        found: list[Damage] = []
        for _ in self.read_records(kind, model, found.append):
            pass
        return found

    def move_out(self, damages: Sequence[Damage]) -> Path:
        """Move damaged lines from their shards to logs/damaged-lines.txt, whose path is returned. Needs the lock."""
        bin_path = self.path / "logs" / "damaged-lines.txt"
        for path in sorted({damage.path for damage in damages}):
            bad = {damage.line_number for damage in damages if damage.path == path}
            temporary = path.with_name(path.name + ".tmp")
            try:
                with path.open("rb") as source, temporary.open("wb") as good, bin_path.open("ab") as moved:
                    for number, line in enumerate(source, start=1):
                        if number in bad:
                            moved.write(f"# {path.name} line {number}\n".encode() + line.rstrip(b"\n") + b"\n")
                        else:
                            good.write(line)
                    os.fsync(good.fileno())
                temporary.replace(path)
            except OSError as error:
                temporary.unlink(missing_ok=True)
                raise explain_os_error(error, path) from error
        return bin_path

    def read_keys(self, kind: ShardKind, shards: Sequence[Path] | None = None) -> Iterator[tuple[str, str | None]]:
        """Id and cause (of a rejection) of every usable line of these shards, by default of all of the kind."""
        for path in self.list_shards(kind) if shards is None else shards:
            for _, line in _read_whole_lines(path):
                parsed = parse_key(line, kind)
                if parsed is not None:
                    yield parsed


def explain_os_error(error: OSError, path: Path) -> UsageError:
    """The one line for a disk that refuses."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UsageError(f"disk full while writing {path}; free some space and run the same command to go on")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return UsageError(f"cannot write {path}: {error.strerror}; make it writable or choose another --output-dir")
    return UsageError(f"cannot write {path}: {error.strerror}")


def _read_whole_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that end in a newline; in a growing shard an unterminated last one is torn, not damage."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if line.endswith(b"\n") or path.suffix != ".part":
                yield number, line


def parse_key(line: bytes, kind: ShardKind) -> tuple[str, str | None] | None:
    """Id and cause on a line; None for a damaged one."""
    try:
        data = orjson.loads(line)
        key = _dig(data, kind.key)
        cause = data.get("cause")
        return key, (str(Cause(cause)) if cause is not None else None)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _dig(data: Any, path: tuple[str, ...]) -> str:
    for part in path:
        data = data[part]
    if not isinstance(data, str):
        raise TypeError("the id is not a string")
    return data


def explain_line(line: bytes, error: ValidationError) -> str:
    """Why a line is no record, for a person."""
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError as bad:
        return f"not valid JSON ({bad})"
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
