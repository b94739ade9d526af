"""The person's terminal as a screen that a recording is played on: keys one by one, everything put back at the end."""

from __future__ import annotations

import os
import select
import shutil
import sys
import termios
import tty
from types import TracebackType

_KEYS = {" ": "space", "q": "q", "Q": "q", "\x03": "q", "\x1b[C": "right", "\x1b[D": "left"}
_KEYS |= {"\x1bOC": "right", "\x1bOD": "left", "l": "right", "h": "left", "+": "+", "=": "+", "-": "-"}
_RESTORE = "\x1b[r\x1b[0m\x1b(B\x0f\x1b[?7h\x1b[?1l\x1b[4l\x1b[?25h\x1b[?1049l"


class TtyScreen:
    """Use as a context manager; `columns` and `rows` are those of the recording."""

    def __init__(self, *, rows: int) -> None:
        self._rows = rows
        self._fd = sys.stdin.fileno()
        self._saved = termios.tcgetattr(self._fd)

    def __enter__(self) -> TtyScreen:
        tty.setcbreak(self._fd)
        self.draw("\x1b[?1049h")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.draw(_RESTORE)
        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)

    def draw(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def show_status(self, text: str, *, needed: bool) -> None:
        """On the terminal's last line."""
        size = shutil.get_terminal_size()
        if needed or size.lines > self._rows:
            self.draw(f"\x1b7\x1b[{size.lines};1H\x1b[0;7m{text[: size.columns]}\x1b[0m\x1b[K\x1b8")

    def read_key(self, timeout_sec: float) -> str:
        ready, _, _ = select.select([self._fd], [], [], timeout_sec)
        if not ready:
            return ""
        typed = os.read(self._fd, 64).decode(errors="ignore")
        return "q" if not typed else _KEYS.get(typed, "")
