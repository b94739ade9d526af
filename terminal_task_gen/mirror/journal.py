"""What a staging folder knows to be at its URL: `.mirror.json`, replaced as a whole.

It decides which side is newer, as a third copy does in a merge. Losing it costs a comparison, never data.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from pathlib import Path

from pydantic import Field, ValidationError

from terminal_task_gen.places import JOURNAL
from terminal_task_gen.records import Record
from terminal_task_gen.store import explain_os_error


class Journal(Record):
    """Format 1. Names are relative to the run, with forward slashes."""

    url: str
    staging_id: str = Field(default_factory=lambda: uuid.uuid4().hex[:12])
    shards: dict[str, int] = {}
    """Sealed shard → its bytes here when both sides were last the same."""
    files: dict[str, str] = {}
    """Small file, or a folder's manifest → SHA-256 when both sides were last the same."""

    def with_shard(self, name: str, size_bytes: int) -> Journal:
        return self.model_copy(update={"shards": {**self.shards, name: size_bytes}})

    def without_shards(self, names: Iterable[str]) -> Journal:
        gone = set(names)
        return self.model_copy(update={"shards": {n: size for n, size in self.shards.items() if n not in gone}})

    def with_file(self, name: str, digest: str) -> Journal:
        return self.model_copy(update={"files": {**self.files, name: digest}})


def read_journal(folder: Path, url: str) -> Journal:
    """The folder's journal; an empty one where there is none, or it is torn or another URL's."""
    try:
        journal = Journal.model_validate_json((folder / JOURNAL).read_bytes())
    except (OSError, ValidationError):
        return Journal(url=url)
    return journal if journal.url == url else Journal(url=url)


def read_mirrored_url(folder: Path) -> str:
    """The URL whose staging folder this is; empty for any other folder."""
    try:
        return Journal.model_validate_json((folder / JOURNAL).read_bytes()).url
    except (OSError, ValidationError):
        return ""


def write_journal(folder: Path, journal: Journal) -> None:
    """Raises UsageError when the disk refuses."""
    path = folder / JOURNAL
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        temporary.write_text(journal.model_dump_json(), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise explain_os_error(error, path) from error


def digest_file(path: Path) -> str:
    """SHA-256 of a file; empty when it is not there."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
