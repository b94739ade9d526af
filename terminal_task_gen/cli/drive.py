"""Runs stages for a command: progress, Ctrl-C, exit codes.

Exit codes: 0 all done; 1 items are owed, or not all is uploaded (run the command again); 2 something for the user to
mend; 130 interrupted.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import typer
from rich.console import Console

from terminal_task_gen.config import Config
from terminal_task_gen.engine import Engine
from terminal_task_gen.events import Listener, Notice, StageFinished
from terminal_task_gen.partition import WHOLE, Partition
from terminal_task_gen.pipeline import OpenRun, make_engine, open_run
from terminal_task_gen.progress import ProgressView, tell_all
from terminal_task_gen.turn_view import TurnView


class Where(NamedTuple):
    """Which part of the work this process does, and who does it; by default all, here."""

    partition: Partition = WHOLE
    engine: str = "local"
    address: str | None = None
    """Of a cluster."""


Step = Callable[[OpenRun], Awaitable[StageFinished]]

OWED, MEND, INTERRUPTED = 1, 2, 130


def drive(
    config: Config,
    steps: Sequence[Step],
    *,
    resume: str = "",
    watch: bool = False,
    where: Where | None = None,
) -> int:
    """Run the steps one after another on one open run; the exit code. UsageError goes through to `main`.

    `resume` is what to tell a user who wants to go on; by default the run's own configuration. `watch` shows turns.
    """
    resume = resume or f"ttg run {config.run_place}/config.yaml, or the same command again"
    console = Console(stderr=True)
    with ProgressView(console) as view:
        try:
            listener = tell_all(view, TurnView(console)) if watch else view
            return asyncio.run(_drive(config, steps, listener, resume, where or Where()))
        except asyncio.CancelledError:
            view(Notice(f"stopped at once; what was finished is kept; to go on: {resume}"))
            return INTERRUPTED


def finish(code: int, *, summary_of: Config | None = None) -> None:
    """Leave the command with its exit code; before, show the run's funnel unless it was interrupted."""
    if summary_of is not None and code != INTERRUPTED:
        from terminal_task_gen.cli.summary import print_summary

        print_summary(summary_of)
    if code:
        raise typer.Exit(code)


async def _drive(config: Config, steps: Sequence[Step], listener: Listener, resume: str, where: Where) -> int:
    engine = make_engine(where.engine, where.address)
    async with open_run(config, listener, engine, partition=where.partition) as run:
        code = await _take_steps(run, steps, listener, resume)
    if code == 0 and run.syncer is not None and run.syncer.pending.files:
        return OWED
    return code


async def _take_steps(run: OpenRun, steps: Sequence[Step], listener: Listener, resume: str) -> int:
    owed = 0
    restore = _catch_signals(run.engine, listener)
    try:
        for step in steps:
            summary = await step(run)
            owed += summary.owed
            if run.engine.draining:
                listener(Notice(f"stopped; to go on: {resume}"))
                return INTERRUPTED
    finally:
        restore()
    if run.damages:
        return MEND
    if owed:
        listener(Notice(f"{owed} items are owed (teacher or sandbox trouble); to go on: {resume}"))
        return OWED
    return 0


def _catch_signals(engine: Engine, listener: Listener) -> Callable[[], None]:
    """First Ctrl-C (or SIGTERM): start nothing more. Second: drop what is under way."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None

    def react() -> None:
        if engine.draining:
            task.cancel()
            return
        engine.drain()
        listener(Notice("stopping: what is under way will finish; Ctrl-C again drops it"))

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, react)

    def restore() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    return restore
