"""Listeners: a live bar on a terminal, plain lines elsewhere, and the event log of a run. They only listen."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from terminal_task_gen.events import Event, ItemFinished, Listener, Notice, StageFinished, StageStarted, TurnFinished
from terminal_task_gen.store import explain_os_error

_PLAIN_EVERY_SEC = 5.0


class ProgressView:
    """Shows a run on a console: a bar per stage where it is a terminal, a line every few seconds where it is not."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Progress | None = None
        self._bar: TaskID | None = None
        self._reasons: Counter[str] = Counter()
        self._total = self._done = 0
        self._last_line_at = 0.0

    def __enter__(self) -> ProgressView:
        if self._console.is_terminal:
            self._live = Progress(
                SpinnerColumn(),
                TextColumn("[bold]{task.description:<9}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[note]}"),
                console=self._console,
            )
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        if isinstance(event, StageStarted):
            self._start(event)
        elif isinstance(event, ItemFinished):
            self._advance(event)
        elif isinstance(event, StageFinished):
            self._finish(event)
        elif isinstance(event, Notice):
            self._say(event.text)

    def _start(self, event: StageStarted) -> None:
        self._reasons.clear()
        self._total, self._done = event.total, event.done
        self._last_line_at = time.monotonic()
        if event.total == event.done:
            self._bar = None
            return
        if self._live is not None:
            self._bar = self._live.add_task(event.stage, total=event.total, completed=event.done, note="")
        else:
            already = f" ({event.done} done before)" if event.done else ""
            self._say(f"{event.stage}: {event.total - event.done} to do{already}")

    def _advance(self, event: ItemFinished) -> None:
        self._done += 1
        self._reasons["ok" if event.accepted else event.reason] += 1
        if self._live is not None and self._bar is not None:
            self._live.update(self._bar, completed=self._done, note=self._summarise())
        elif time.monotonic() - self._last_line_at >= _PLAIN_EVERY_SEC:
            self._last_line_at = time.monotonic()
            self._say(f"{event.stage}: {self._done}/{self._total}  {self._summarise()}")

    def _finish(self, event: StageFinished) -> None:
        if event.accepted + event.rejected + event.owed == 0:
            done_before = event.stage != "filter" and self._total
            text = f"{event.stage}: nothing to do" + (f", all {self._total} were done before" if done_before else "")
        else:
            words = ("kept", "dropped") if event.stage == "filter" else ("accepted", "rejected")
            text = f"{event.stage}: {event.accepted} {words[0]}, {event.rejected} {words[1]}"
            text += f", {event.owed} owed" if event.owed else ""
            text += f" in {event.seconds:.1f} s"
        if self._live is not None and self._bar is not None:
            self._live.remove_task(self._bar)
            self._bar = None
        self._say(text)

    def _say(self, text: str) -> None:
        """A line of its own; long ones are the terminal's to wrap, so that a log stays greppable."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _summarise(self) -> str:
        return "  ".join(f"{reason} {count}" for reason, count in self._reasons.most_common(4))


class EventLog:
    """Appends every event to the run's logs/events.jsonl with the time; where seconds and cost per item can be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._stream = path.open("ab", buffering=0)
        except OSError as error:
            raise explain_os_error(error, path) from error

    def __call__(self, event: Event) -> None:
        if isinstance(event, TurnFinished):
            return
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        row = {"at": at, "event": type(event).__name__, **asdict(event)}
        line = orjson.dumps(row, default=lambda record: record.model_dump(mode="json")) + b"\n"
        try:
            self._stream.write(line)
        except OSError as error:
            raise explain_os_error(error, self._path) from error

    def close(self) -> None:
        self._stream.close()


def tell_all(*listeners: Listener) -> Listener:
    """One listener that passes each event to all."""

    def tell(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return tell
