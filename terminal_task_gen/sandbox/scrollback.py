"""What is new on a pane since the last look, told by line numbers in tmux's history.

Terminus 2 looks for its previous capture's text in the new one and loses output when the history has rolled over. Here
a line is known by its number counted from the start of the history; the lines before it prove that the number still
holds. tmux drops a tenth of a full history at a time, so after a flood the line is looked for in steps of that size.
Promises: everything drawn since the last look is in the text, as screen rows and uncut, unless the scrollback was
erased (then all since), more came than the history holds, or a program redrew what was there; in these last cases, and
for full-screen programs, the kind is `screen`, as under Terminus 2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from terminal_task_gen.sandbox.control_mode import ControlClient

CONTEXT_LINES = 20
SLACK_LINES = (0, 0, 2_000, 50_000)
"""How many lines too many to take, try by try."""


@dataclass(frozen=True)
class Observation:
    """What the terminal shows: `new` lines since the last look, or the visible `screen`. Lines end with a newline."""

    kind: Literal["new", "screen"]
    text: str


@dataclass(frozen=True)
class _Capture:
    history_lines: int
    full_screen_program: bool
    first: int
    """Number of the first line captured."""
    lines: tuple[bytes, ...]

    @property
    def screen(self) -> tuple[bytes, ...]:
        return self.lines[max(0, self.history_lines - self.first) :]


@dataclass(frozen=True)
class _Anchor:
    """The last line that was not blank, and those before it."""

    line: int
    context: tuple[bytes, ...]


class Scrollback:
    """Reads one pane; remembers what was read last."""

    def __init__(self, client: ControlClient, pane: str, *, history_limit: int) -> None:
        self._client = client
        self._pane = pane
        self._history_limit = history_limit
        self._anchor: _Anchor | None = None
        self._history_clears = 0
        self._history_lines = 0
        """As tmux said last."""

    async def read_screen(self) -> str:
        """The visible rows. Raises StreamEndedError, as `read_new` does."""
        return _render((await self._capture_screen()).screen)

    async def read_new(self, history_clears: int) -> Observation:
        """`history_clears`: how often the scrollback was erased until now."""
        erased, self._history_clears = history_clears != self._history_clears, history_clears
        anchor = self._anchor
        if anchor is None or erased:
            return await (self._read_all() if erased else self._see_screen())
        capture = await self._capture(anchor.line - len(anchor.context))
        if capture.full_screen_program:
            return await self._see_screen()
        if not _begins_with(capture, anchor.context):
            found = await self._find_shifted(anchor, capture.history_lines)
            if found is None:
                return await self._see_screen()
            capture = found
        new = capture.lines[len(anchor.context) :]
        text = _render(new)
        if not text.strip():
            return await self._see_screen()
        self._remember(capture)
        # Terminus 2 cuts at the newline before its anchor line.
        return Observation("new", "\n" + text if anchor.context else text)

    async def _read_all(self) -> Observation:
        """All that is left after an erasure; where it fits the screen it is the screen."""
        capture = await self._capture(0)
        if capture.full_screen_program or capture.history_lines == 0:
            return await self._see_screen()
        self._remember(capture)
        return Observation("new", _render(capture.lines))

    async def _see_screen(self) -> Observation:
        capture = await self._capture_screen()
        if not capture.full_screen_program:
            self._remember(capture)
        return Observation("screen", _render(capture.screen))

    async def _find_shifted(self, anchor: _Anchor, history_lines: int) -> _Capture | None:
        dropped = max(1, self._history_limit // 10)
        if not anchor.context or history_lines < self._history_limit - dropped:
            return None
        first = anchor.line - len(anchor.context) - dropped
        while first >= 0:
            if _begins_with(await self._capture(first, len(anchor.context)), anchor.context):
                capture = await self._capture(first)
                return capture if _begins_with(capture, anchor.context) else None
            first -= dropped
        return None

    async def _capture_screen(self) -> _Capture:
        """The screen and the context above it."""
        capture = await self._take(-CONTEXT_LINES, None)
        start = max(0, capture.history_lines - CONTEXT_LINES)
        return replace(capture, first=start)

    async def _capture(self, first: int, count: int | None = None) -> _Capture:
        """Lines from number `first` to the bottom, or `count` of them.

        tmux counts from the top of the screen, and under a flood that moves between asking where it is and taking the
        lines; then more is taken than is wanted.
        """
        for slack in SLACK_LINES:
            offset = first - self._history_lines - slack
            capture = await self._take(offset, None if count is None else offset + slack + count - 1)
            start = max(0, offset + capture.history_lines)
            if start <= first:
                break
        wanted = capture.lines[max(0, first - start) :]
        return replace(capture, first=max(first, start), lines=wanted if count is None else wanted[:count])

    async def _take(self, offset: int, end: int | None) -> _Capture:
        """Rows from `offset` to `end`, both counted from the top of the screen; negative ones are in the history."""
        show = f"display-message -p -t {self._pane} '#{{history_size}} #{{alternate_on}}'"
        take = f"capture-pane -p -t {self._pane} -S {offset}" + ("" if end is None else f" -E {end}")
        status, content = await self._client.request(show, take)
        size, _, alternate = status.text.partition(" ")
        self._history_lines = int(size)
        return _Capture(self._history_lines, alternate == "1", 0, content.lines)

    def _remember(self, capture: _Capture) -> None:
        last = max((i for i, line in enumerate(capture.lines) if line.strip()), default=0)
        context = capture.lines[max(0, last - CONTEXT_LINES) : last]
        self._anchor = _Anchor(capture.first + last, context)


def _begins_with(capture: _Capture, context: tuple[bytes, ...]) -> bool:
    return capture.lines[: len(context)] == context


def _render(lines: tuple[bytes, ...]) -> str:
    return "".join(line.decode(errors="replace") + "\n" for line in lines)
