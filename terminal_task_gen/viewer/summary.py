"""What a run is and how far its index has come: what the page shows before anything else."""

from __future__ import annotations

from typing import Any

import orjson

from terminal_task_gen.viewer.cuts import MAX_TEXT_BYTES, Json, Scissors, get_text
from terminal_task_gen.viewer.funnel import count_heads
from terminal_task_gen.viewer.run_index import NotReadyError, RunIndex

MAX_DAMAGE_SHOWN = 50
MAX_FILE_BYTES = 4_000_000


def summarise_run(index: RunIndex) -> Json:
    """Also while there is no index yet; then the counts are null."""
    identity = _read_identity(index)
    return {
        "run": index.name,
        "path": str(index.run.path.absolute()),
        "run_id": get_text(identity, "run_id"),
        "created": get_text(identity, "created"),
        "ttg_version": get_text(identity, "ttg_version"),
        "sandbox": get_text(identity, "driver"),
        **look_at_state(index),
        "filtered": (index.run.corpus_dir / "report.json").is_file(),
        "damage": _list_damage(index),
        "notes": {"path": str(index.notes.path.absolute()), "writable": index.notes.writable},
    }


def look_at_state(index: RunIndex) -> Json:
    """Revision, index, counts, writing: what changes while a run goes on."""
    try:
        snapshot, counts = index.take_snapshot(), count_heads(index)
    except NotReadyError:
        return {
            "revision": 0,
            "writing": index.is_being_written(),
            "index": _describe_index(index, {}, 0),
            "counts": None,
        }
    return {
        "revision": snapshot.revision,
        "notes_revision": index.notes.revision,
        "writing": index.is_being_written(),
        "index": _describe_index(index, snapshot.meta, len(snapshot.trajectories)),
        "counts": counts,
    }


def describe_run(index: RunIndex) -> Json:
    """Raises NotReadyError."""
    words = index.take_snapshot().words
    return {
        **summarise_run(index),
        "config": Scissors(MAX_TEXT_BYTES).cut(_read_file(index.run.config_path).decode(errors="replace")),
        "models": sorted(words["model"][1:]),
        "authors": sorted(words["author"][1:]),
    }


def _describe_index(index: RunIndex, meta: dict[str, object], rows: int) -> Json:
    return {
        "state": ("failed" if index.failure else None) or meta.get("state") or "building",
        "error": index.failure or None,
        "done_bytes": meta.get("done_bytes") or 0,
        "total_bytes": meta.get("total_bytes") or 0,
        "rows": rows,
        "seconds": meta.get("seconds") or 0.0,
        "size_bytes": index.measure_index(),
    }


def _list_damage(index: RunIndex) -> Json:
    try:
        rows = index.connect().execute("SELECT path, at, size, why FROM damage LIMIT ?", (MAX_DAMAGE_SHOWN,)).fetchall()
        lines = index.take_snapshot().meta.get("damaged_lines") or 0
    except NotReadyError:
        return {"lines": 0, "first": []}
    first = [{"file": path, "offset": at, "line_bytes": size, "why": why} for path, at, size, why in rows]
    return {"lines": lines, "first": first}


def _read_identity(index: RunIndex) -> dict[str, Any]:
    try:
        identity = orjson.loads(_read_file(index.run.identity_path))
    except orjson.JSONDecodeError:
        return {}
    return identity if isinstance(identity, dict) else {}


def _read_file(path: Any) -> bytes:
    try:
        with path.open("rb") as stream:
            data: bytes = stream.read(MAX_FILE_BYTES)
            return data
    except OSError:
        return b""
