"""Writes and reads the yield report of a run's generation, `tasks/report.json`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from terminal_task_gen.errors import UsageError
from terminal_task_gen.generate.yield_records import YieldReport
from terminal_task_gen.generate.yields import count_yield
from terminal_task_gen.pipeline.opening import OpenRun
from terminal_task_gen.store import Damage, RunDirectory

REPORT = Path("tasks") / "report.json"


def write_yield(run: OpenRun) -> None:
    """Count anew and replace the report, unless it says so already."""
    path = run.directory.path / REPORT
    text = count_yield(run.directory, run.report_damage).model_dump_json(indent=1) + "\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        run.directory.write_file(path, text)


def read_yield(path: Path, on_damage: Callable[[Damage], None]) -> YieldReport:
    """Counted from what lies in the run now, which may be under way. Raises UsageError where there is no run."""
    if not (path / "run.json").is_file():
        raise UsageError(f"{path} is not a run directory (no run.json); name one, e.g. runs/first")
    return count_yield(RunDirectory(path), on_damage)
