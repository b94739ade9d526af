"""Plays pieces of output against a clock that can be stopped, sped up and moved; the screen is somebody else's.

Going back plays everything from the start again at once: a terminal cannot be wound back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from terminal_task_gen.harmless import DrawingFilter
from terminal_task_gen.replay.cast import Cast

SEEK_SEC = 5.0
_LONGEST_WAIT_SEC = 0.5
"""So that the status line lives."""
CLEAR = "\x1b[0m\x1b(B\x0f\x1b[?25h\x1b[H\x1b[2J"


class Screen(Protocol):
    """Where a recording is played."""

    def draw(self, text: str) -> None:
        """Filtered output."""
        ...

    def show_status(self, text: str, *, needed: bool) -> None:
        """`needed`: even where it hides a line of the recording."""
        ...

    def read_key(self, timeout_sec: float) -> str:
        """One of space, q, left, right, +, -; empty when none came in time."""
        ...


class Player:
    """Plays once; `play` returns when the recording is over and the viewer leaves, or quits."""

    def __init__(
        self, cast: Cast, screen: Screen, *, speed: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cast = cast
        self._screen = screen
        self._speed = speed
        self._clock = clock
        self._filter = DrawingFilter(cast.rows)
        self._next = 0
        self._position_sec = 0.0
        self._paused = False

    def play(self) -> None:
        self._restart()
        ticked = self._clock()
        while True:
            now = self._clock()
            if not self._paused:
                self._position_sec = min(self._position_sec + (now - ticked) * self._speed, self._cast.length_sec)
            ticked = now
            self._draw_due()
            self._screen.show_status(self._describe(), needed=self._paused or self._next >= len(self._cast.pieces))
            key = self._screen.read_key(self._reckon_wait())
            if key == "q":
                return
            self._react(key)

    def _react(self, key: str) -> None:
        if key == "space":
            self._paused = not self._paused
        elif key == "right":
            self._position_sec = min(self._position_sec + SEEK_SEC, self._cast.length_sec)
        elif key == "left":
            self._position_sec = max(0.0, self._position_sec - SEEK_SEC)
            self._restart()
        elif key == "+":
            self._speed = min(64.0, self._speed * 2)
        elif key == "-":
            self._speed = max(0.125, self._speed / 2)

    def _restart(self) -> None:
        self._next = 0
        self._filter = DrawingFilter(self._cast.rows)
        self._screen.draw(f"\x1b[?1049l\x1b[?1049h\x1b[1;{self._cast.rows}r{CLEAR}")

    def _draw_due(self) -> None:
        due = []
        while self._next < len(self._cast.pieces) and self._cast.pieces[self._next].at_sec <= self._position_sec:
            due.append(self._cast.pieces[self._next].text)
            self._next += 1
        if due:
            self._screen.draw(self._filter.feed("".join(due)))

    def _reckon_wait(self) -> float:
        if self._paused or self._next >= len(self._cast.pieces):
            return _LONGEST_WAIT_SEC
        ahead_sec = (self._cast.pieces[self._next].at_sec - self._position_sec) / self._speed
        return min(_LONGEST_WAIT_SEC, max(0.0, ahead_sec))

    def _describe(self) -> str:
        over = self._next >= len(self._cast.pieces)
        state = "end" if over else "paused" if self._paused else f"×{self._speed:g}"
        clock = f"{self._position_sec:.0f}/{self._cast.length_sec:.0f} s"
        return f" {state}  {clock}   space pause  ←→ seek  +- speed  q quit "
