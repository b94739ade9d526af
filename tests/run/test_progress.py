"""What a console shows: every order of events that the pipeline sends, on a terminal and off one."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from terminal_task_gen.errors import UsageError
from terminal_task_gen.events import Event, ItemFinished, Notice, StageFinished, StageStarted
from terminal_task_gen.progress import EventLog, ProgressView

RUN: tuple[Event, ...] = (
    StageStarted("generate", total=3, done=1),
    ItemFinished("generate", "a", True, "", "security: A", 1.0),
    Notice("a notice [with] brackets"),
    ItemFinished("generate", "b", False, "fail_first", "security", 1.0),
    StageFinished("generate", accepted=1, rejected=1, owed=0, seconds=2.0),
    StageStarted("rollout", total=1, done=1),
    StageFinished("rollout", accepted=0, rejected=0, owed=0, seconds=0.0),
    StageFinished("filter", accepted=1, rejected=0, owed=0, seconds=0.1),
)


def show(events: tuple[Event, ...], *, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with ProgressView(console) as view:
        for event in events:
            view(event)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_whole_run_is_shown(terminal: bool) -> None:
    text = show(RUN, terminal=terminal)
    assert "generate: 1 accepted, 1 rejected in 2.0 s" in text
    assert "a notice [with] brackets" in text
    assert "rollout: nothing to do, all 1 were done before" in text
    assert "filter: 1 kept, 0 dropped in 0.1 s" in text


def test_a_filter_with_nothing_before_it_says_so_and_no_more() -> None:
    text = show((StageFinished("filter", accepted=0, rejected=0, owed=0, seconds=0.0),), terminal=False)
    assert text.strip() == "filter: nothing to do"


def test_an_event_log_on_a_full_disk_is_a_usage_error() -> None:
    log = EventLog(Path("/dev/full"))
    with pytest.raises(UsageError, match="disk full while writing /dev/full"):
        log(RUN[0])
    log.close()
