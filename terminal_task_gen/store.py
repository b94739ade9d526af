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
      .lock*                 who writes here (run_lock.py)

Shards have one writer and one line per finished item, written whole. The growing shard is called `….jsonl.part` and is
renamed when it is sealed. Which items are done is read from the lines alone: a torn last line is owed again; a damaged
line in the middle is reported with its number, the rest is used. Nothing is deleted.

Several processes may fill one run: each has a name (run_lock.py) that stands in its shards' names, as in
`tasks-p0of4-00000.jsonl`, and in that of its event log. To merge them is to list them, and every reader does.
"""

from __future__ import annotations

import errno
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar
from weakref import WeakSet

import orjson
from pydantic import ValidationError

from terminal_task_gen.errors import POLICY, Cause, UsageError
from terminal_task_gen.records import Record
from terminal_task_gen.run_lock import RunLock, Writer

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
SHARD_KINDS = (TASKS, REJECTED, DUPLICATES, TRAJECTORIES, FAILED)


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
        for leftover in self._list_own():
            if leftover.suffix != ".part":
                continue
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
        numbers = [int(p.stem.rsplit("-", 1)[1]) for p in self._list_own() if p.suffix != ".part"]
        return max(numbers, default=-1) + 1

    def _list_own(self) -> list[Path]:
        return _list_shards(self._folder, self._prefix)


class RunDirectory:
    """One run on disk. Reading needs no lock; `lock()` before writing, as `writer`."""

    def __init__(self, path: Path, writer: Writer | None = None) -> None:
        self.path = path
        self.writer = writer or Writer()
        self.sealing = Sealing()
        """Of shards written from now on."""
        self.ask_last_word: Callable[[], bool] | None = None
        """Asked in `say_last_word` where the writers of the run do not share this folder."""
        self._lock = RunLock(path, self.writer)
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
        """Of this writer."""
        return self.path / "logs" / f"events{self.writer.tag}.jsonl"

    def list_event_logs(self) -> list[Path]:
        """Of all writers there ever were."""
        return sorted((self.path / "logs").glob("events*.jsonl"))

    def lock(self, *, patience_sec: float = 0.0) -> None:
        """Make the directory and hold it for writing, and seal what a killed writer left.

        Raises UsageError when it cannot be written, or when another ttg still holds it after `patience_sec`.
        """
        try:
            for folder in ("tasks", "trajectories", "recordings", "logs"):
                (self.path / folder).mkdir(parents=True, exist_ok=True)
            self._lock.take(patience_sec=patience_sec)
        except OSError as error:
            raise explain_os_error(error, self.path) from error
        self.seal_leftovers()

    def unlock(self) -> None:
        """Let go. Idempotent; the end of the process does it too."""
        self._lock.release()

    @contextmanager
    def hold_door(self) -> Iterator[None]:
        """Keep other writers from changing what all share (run.json, config.yaml) between reading and replacing it."""
        try:
            with self._lock.hold_door():
                yield
        except OSError as error:
            raise explain_os_error(error, self.path) from error

    @contextmanager
    def say_last_word(self) -> Iterator[bool]:
        """Around the writing of what is told of all shards together: True for the writer that should do it.

        Of several that work side by side it is the one that ends last; each lets go of the run here.
        """
        if self.ask_last_word is not None:
            yield self.ask_last_word()
            return
        with self.hold_door():
            yield self.writer.is_alone or self._lock.list_names() == {self.writer.name}
            if not self.writer.is_alone:
                self._lock.release()

    def is_writing(self, name: str) -> bool:
        """Whether the writer of this family that has the name is here."""
        with self.hold_door():
            return name in self._lock.list_names()

    def seal_leftovers(self) -> None:
        """Growing shards whose writer is gone: their torn ends are cut off, the rest is as good as any."""
        with self.hold_door():
            working = self._lock.list_names()
            for folder in sorted({kind.folder for kind in SHARD_KINDS}):
                for prefix in {_get_prefix(path) for path in (self.path / folder).glob("*.jsonl.part")}:
                    if prefix.partition("-")[2] not in working:
                        ShardWriter(self.path / folder, prefix).close()

    def open_writer(self, kind: ShardKind, *, max_bytes: int) -> ShardWriter:
        prefix = f"{kind.prefix}{self.writer.tag}"
        writer = ShardWriter(self.path / kind.folder, prefix, max_bytes=max_bytes, sealing=self.sealing)
        self._writers.add(writer)
        return writer

    def seal_old_shards(self) -> None:
        """Of all open writers, those that `sealing` says. In their own thread."""
        for writer in list(self._writers):
            writer.seal_if_old()

    def write_file(self, path: Path, text: str) -> None:
        """Replace a small file of the run as a whole (temp file and rename)."""
        temporary = path.with_name(f"{path.name}{self.writer.tag}.tmp")
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise explain_os_error(error, path) from error

    def list_shards(self, kind: ShardKind) -> list[Path]:
        """Of all writers: sealed shards in order, then the growing ones."""
        return _list_shards(self.path / kind.folder, f"{kind.prefix}(-[a-z0-9]+)?")

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
        """The last rejection of every item that was not accepted after all; sorted by id.

        One on the merits is the last whatever the order: with several writers the order of lines is not that of time.
        """
        done = {key for key, _ in self.read_keys(accepted)}
        final: dict[str, RecordT] = {}
        settled: set[str] = set()
        for record in self.read_records(kind, model, on_damage):
            row = record.model_dump(mode="json")
            key = _dig(row, kind.key)
            if key in done or key in settled:
                continue
            final[key] = record
            if not POLICY[Cause(row["cause"])].retry:
                settled.add(key)
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


def open_shard(path: Path) -> BinaryIO:
    """A shard for reading; one that was sealed since it was listed is found under its new name."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        if path.suffix != ".part":
            raise
        return path.with_suffix("").open("rb")


def _list_shards(folder: Path, prefix_pattern: str) -> list[Path]:
    """Shards whose prefix matches; each once, though another process may be sealing them just now."""
    pattern = re.compile(rf"(?:{prefix_pattern})-\d+\.jsonl(?:\.part)?")
    # The parts are looked for first, so that one that is renamed meanwhile is seen twice rather than not at all.
    parts = sorted(path for path in folder.glob("*.jsonl.part") if pattern.fullmatch(path.name))
    sealed = sorted(path for path in folder.glob("*.jsonl") if pattern.fullmatch(path.name))
    return [*sealed, *(path for path in parts if path.with_suffix("") not in sealed)]


def _get_prefix(path: Path) -> str:
    """`tasks-p0of4` of tasks-p0of4-00000.jsonl.part."""
    return path.name.partition(".")[0].rpartition("-")[0]


def explain_os_error(error: OSError, path: Path) -> UsageError:
    """The one line for a disk that refuses."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UsageError(f"disk full while writing {path}; free some space and run the same command to go on")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return UsageError(f"cannot write {path}: {error.strerror}; make it writable or choose another --output-dir")
    return UsageError(f"cannot write {path}: {error.strerror}")


def _read_whole_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that end in a newline; in a growing shard an unterminated last one is torn, not damage."""
    with open_shard(path) as stream:
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
