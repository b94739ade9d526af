"""Notes and labels that people give to tasks and trajectories: a small JSON-lines file, replaced whole on each change.

It is the only file that the viewer writes beside a run's own, and it is read again when somebody else has changed it.
Unreadable lines are kept as they are and shown to nobody.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import orjson
from pydantic import Field, StringConstraints, ValidationError

from terminal_task_gen.errors import UsageError
from terminal_task_gen.records import Record
from terminal_task_gen.store import explain_os_error

MAX_LABELS = 20
MAX_TEXT = 20_000

Label = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$")
]


class NoteDraft(Record):
    """What a person writes."""

    labels: tuple[Label, ...] = Field(default=(), max_length=MAX_LABELS)
    text: str = Field(default="", max_length=MAX_TEXT)


class Note(NoteDraft):
    """One line of notes.jsonl."""

    id: str
    """Of a trajectory, a task or a request."""
    updated: str | None = None
    """UTC, ISO 8601, seconds."""


class Notebook:
    """The notes of one run. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.revision = 0
        """Grows with every change, whoever made it."""
        self._lock = threading.Lock()
        self._notes: dict[str, Note] = {}
        self._strange: list[bytes] = []
        self._stamp: tuple[int, int, int] | None = None

    @property
    def writable(self) -> bool:
        return os.access(self.path.parent, os.W_OK)

    def list_notes(self) -> list[Note]:
        with self._lock:
            self._refresh()
            return sorted(self._notes.values(), key=lambda note: (note.updated or "", note.id), reverse=True)

    def get(self, key: str) -> Note | None:
        with self._lock:
            self._refresh()
            return self._notes.get(key)

    def count_labels(self) -> dict[str, int]:
        return dict(sorted(Counter(label for note in self.list_notes() for label in note.labels).items()))

    def put(self, key: str, draft: NoteDraft) -> Note:
        """Save a note; one without labels and text is removed. Raises UsageError when the disk refuses."""
        if not self.writable:
            raise UsageError(f"cannot write {self.path}: its folder is read-only")
        labels = tuple(dict.fromkeys(draft.labels))
        note = Note(id=key, labels=labels, text=draft.text, updated=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        with self._lock:
            self._refresh()
            notes = {**self._notes, key: note}
            if not note.labels and not note.text.strip():
                del notes[key]
                note = Note(id=key)
            self._write(notes)
            self._refresh()
        return note

    def _refresh(self) -> None:
        try:
            stat = self.path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            lines = [] if stamp == self._stamp else self.path.read_bytes().splitlines()
        except OSError:
            stamp, lines = (0, 0, 0), []
        if stamp == self._stamp:
            return
        self._notes, self._strange = {}, []
        for line in lines:
            try:
                note = Note.model_validate_json(line)
                self._notes[note.id] = note
            except ValidationError:
                self._strange.append(line)
        self._stamp = stamp
        self.revision += 1

    def _write(self, notes: dict[str, Note]) -> None:
        lines = [*self._strange, *(orjson.dumps(note.model_dump(mode="json")) for note in notes.values())]
        temporary = ""
        try:
            handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".notes-")
            with os.fdopen(handle, "wb") as stream:
                stream.write(b"".join(line + b"\n" for line in lines))
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
            raise explain_os_error(error, self.path) from error
