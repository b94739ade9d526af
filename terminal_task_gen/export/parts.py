"""The parts of a corpus: which folder a row lies in, and which configs `datasets` offers.

adapters/<data set>/                     rows of existing data sets
seed_based/                              tasks made from seeds
skill_based/<difficulty>/<domain>/       tasks made from skills
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from terminal_task_gen.export.rows import STREAMS, CorpusRow

DROPPED = "dropped"
"""Not a folder: dropped rows lie at the top, as `dropped-*.jsonl`."""

_UNSAFE = re.compile(r"[^a-z0-9._-]+")


def name_part(row: CorpusRow) -> str:
    """Folder of a kept row, relative to the corpus."""
    if row.source == STREAMS["adapt"]:
        return f"{row.source}/{_make_safe(row.dataset or row.domain)}"
    if row.source == STREAMS["skill"]:
        return f"{row.source}/{_make_safe(row.difficulty)}/{_make_safe(row.domain)}"
    return row.source


def list_configs(parts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Config of `datasets` → the part folders it covers: all, each stream, and each difficulty or data set below it.

    `ttg` writes `default` for all.
    """
    ordered = tuple(sorted(parts))
    configs: dict[str, list[str]] = {}
    for part in ordered:
        stream, *below = part.split("/")
        configs.setdefault(stream, []).append(part)
        if below:
            configs.setdefault(f"{stream}_{below[0]}", []).append(part)
    return {"default": ordered, **{name: tuple(configs[name]) for name in sorted(configs)}}


@lru_cache(maxsize=1024)
def _make_safe(name: str) -> str:
    return _UNSAFE.sub("-", name.lower()).strip(".-") or "unnamed"
