"""What an adapter makes of a row, before any gate; and how a suite gets the row's value."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from terminal_task_gen.records import Record
from terminal_task_gen.task import TaskFile

_CASE = 'json.loads("null")'


class Adapted(Record):
    """A task's matter. `tests` empty: nothing in the row can be checked, and `no_outcome` says why."""

    instruction: str
    files: tuple[TaskFile, ...] = ()
    tests: str = ""
    weights: dict[str, float] = {}
    solution: str | None = None
    no_outcome: str = ""


Adapt = Callable[[Mapping[str, Any], int], Adapted]
"""Fields of a row (spec.py) and the most test cases → its task. Raises GateError for a row that cannot be adapted."""


def fill_suite(name: str, case: Any, tests: Sequence[str] = ()) -> str:
    """The suite beside this file with the row's value in it, and further test functions at its end."""
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    # ASCII and no escapes beyond JSON's own, so that any text of the row survives as it is.
    filled = text.replace(_CASE, f"json.loads({json.dumps(case, sort_keys=True)!r})", 1)
    return filled + "".join(f"\n\n{test}" for test in tests)


def share_evenly(names: Sequence[str]) -> dict[str, float]:
    """Equal weights that sum to 1."""
    return {name: 1 / len(names) for name in names}


def write_file_script(path: str, content: str) -> str:
    """A bash script that writes a file, byte for byte."""
    return f"#!/bin/bash\nprintf '%s' {shlex.quote(content)} > {path}\n"
