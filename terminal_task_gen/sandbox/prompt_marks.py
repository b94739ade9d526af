"""Where the shell stands, read off the pane's output stream.

Our rc file puts OSC 133 marks into bash's prompts: they are in the stream and never on the screen. `B` ends a prompt
(with the number of jobs), `P` a continuation prompt, `C` comes before a command runs. Nothing is exported, so programs,
nested shells and `env` are as they would be; a nested shell draws no marks and looks like a running program.
Refuses: guessing. After a gap in the stream the state is `lost` until a mark comes or the terminal asks tmux.
A program that prints our marks can only make its own step end early.
"""

from __future__ import annotations

import re
from typing import Literal

ShellState = Literal["prompt", "running", "lost"]

RC_FILE = r"""for rc in /etc/profile ~/.bash_profile ~/.bash_login ~/.profile; do
  [ -r "$rc" ] || continue
  . "$rc"
  [ "$rc" = /etc/profile ] || break
done
unset rc PROMPT_COMMAND
PS1='\u@\h:\w\$ \[\e]133;B;\j\a\]'
PS2='> \[\e]133;P\a\]'
PS0='\e]133;C\a'
"""
"""For `bash --rcfile`: a login shell's files, then the prompt. (`--login` would leave the last word to the image.)"""

_MARK = re.compile(rb"\x1b\]133;(?:B;(\d+)|(P)|(C))\x07|(\x1b\[3J)")
_MARK_BYTES = 24
"""No mark is longer (a shell with 10^14 jobs excepted)."""


class PromptMarks:
    """Fed with the pane's output in order."""

    def __init__(self) -> None:
        self.state: ShellState = "running"
        self.prompts = 0
        """Prompts drawn so far, continuation prompts included."""
        self.jobs = 0
        """Background and stopped jobs of the shell at its last prompt."""
        self.history_clears = 0
        """How often a program had the scrollback erased (`clear` does)."""
        self._tail = b""

    def feed(self, data: bytes) -> None:
        text = self._tail + data
        end = 0
        for mark in _MARK.finditer(text):
            end = mark.end()
            self._note(mark)
        self._tail = text[max(end, len(text) - _MARK_BYTES) :]

    def lose(self) -> None:
        """Some output was never seen."""
        self.state = "lost"
        self._tail = b""

    def assume_prompt(self) -> None:
        """The terminal found out after a gap that the shell waits for input."""
        self.state = "prompt"
        self.prompts += 1

    def _note(self, mark: re.Match[bytes]) -> None:
        jobs, continuation, command, clear = mark.groups()
        if clear:
            self.history_clears += 1
        elif command:
            self.state = "running"
        else:
            self.state = "prompt"
            self.prompts += 1
            if continuation is None:
                self.jobs = int(jobs)
