"""Where the index of a run lies, and its notes: never inside of what a run promises, and also for read-only disks.

<folder of the run>/.cache/view/<name>-<8 hex>/     beside the run, where that can be written; else
$XDG_CACHE_HOME/ttg/view/<name>-<8 hex>/            (~/.cache/ttg/view)
    index.sqlite      can be deleted at any time
    lock              held by the process that builds it
    notes.jsonl       only where RUN/notes.jsonl cannot be written
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from terminal_task_gen.errors import UsageError
from terminal_task_gen.store import RunDirectory

INDEX = "index.sqlite"
LOCK = "lock"
NOTES = "notes.jsonl"


def check_run(path: Path) -> RunDirectory:
    """Raises UsageError where `path` is no run."""
    run = RunDirectory(path)
    if not run.identity_path.is_file() and not run.config_path.is_file():
        what = "is not there" if not path.exists() else "is not a run directory (no run.json or config.yaml in it)"
        raise UsageError(f"{path} {what}; give the folder of a run, e.g. runs/demo (make one: ttg demo)")
    return run


def choose_index_folder(run: Path, wanted: Path | None = None) -> Path:
    """The folder, made. Raises UsageError when nothing can be written anywhere."""
    path = run.resolve()
    name = f"{path.name}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:8]}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    bases = [wanted] if wanted else [path.parent / ".cache" / "view", cache / "ttg" / "view"]
    why = ""
    for base in bases:
        folder = base / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = error.strerror or str(error)
            continue
        if os.access(folder, os.W_OK):
            return folder
        why = "not writable"
    raise UsageError(f"no place for the index of {run}: {bases[-1]}: {why}; choose one with --index-dir")


def choose_notes_path(run: Path, index_folder: Path) -> Path:
    """RUN/notes.jsonl, or the index folder's where the run cannot be written."""
    own = run / NOTES
    spare = index_folder / NOTES
    return own if os.access(run, os.W_OK) or (own.exists() and not spare.exists()) else spare
