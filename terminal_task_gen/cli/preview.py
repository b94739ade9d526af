"""`ttg generate --preview`: the first tasks of a run, looked at before it is paid for."""

from __future__ import annotations

from rich.console import Console

from terminal_task_gen import pipeline
from terminal_task_gen.cli.drive import drive
from terminal_task_gen.cli.show_parts import Page
from terminal_task_gen.cli.show_task import show_refusal, show_task
from terminal_task_gen.config import Config
from terminal_task_gen.store import REJECTED, TASKS, RunDirectory
from terminal_task_gen.task import Rejection, Task


def preview(config: Config, count: int) -> int:
    """Make the first `count` tasks of each mode and print them; the exit code. No run is written."""
    console = Console(highlight=False)
    again = "the same command again"
    with pipeline.rehearse(config, count=count) as trial:
        code = drive(trial, [pipeline.generate], resume=again)
        run = RunDirectory(trial.run_dir)
        tasks = sorted(run.read_records(TASKS, Task, lambda _: None), key=lambda task: task.lineage.index)
        refused = run.read_final_rejections(REJECTED, TASKS, Rejection, lambda _: None)
    page = Page(console, full=False)
    for task in tasks:
        show_task(page, task.model_dump(mode="json"), run=None, with_solution=True)
        page.blank()
    for rejection in refused:
        show_refusal(page, rejection.model_dump(mode="json"), kind="rejected request", run=None)
        page.blank()
    kept = "their replies are kept, so the run asks only for others" if config.teacher.cache else "no reply was kept"
    console.print(f"\n{len(tasks)} tasks, {len(refused)} refused; no run was written; {kept}", highlight=False)
    return code
