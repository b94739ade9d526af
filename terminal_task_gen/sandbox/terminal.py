"""A tmux screen in a sandbox: one long-lived `tmux -C` client per rollout over the sandbox's byte stream.

Owns: starting the session, typing, waiting, and telling what is new. The session runs bash as root in /app, TERM is
`tmux-256color`, and its socket lies in /run so that emptying /tmp does no harm.

How long a step waits (`send`), with `wait="prompt"`:
- keys that end commands: until the shell has drawn a prompt for each Enter and is quiet for `quiet_sec`. Where fewer
  prompts came (a program took some of the input), quiet for SETTLE_SEC; where none came, until the duration is over.
- a lone `&` in the keys, or more jobs than before: the whole duration, since the model waits for more than the prompt.
- keys without Enter at the prompt: until the echo is quiet for SETTLE_SEC.
- no keys: until the prompt comes back, or back since the last look; at a prompt seen before, the whole duration, since
  then the model waits for something that we cannot see.
- any other program in front (editor, REPL, nested shell): the duration.
With `wait="duration"` it is always the duration. It is at least MIN_WAIT_SEC, which is what Terminus 2's own steps take
under Harbor, and at most 60 s. Commands that end at the prompt get `patience_sec` where their duration is shorter.

Failure: SandboxError when the sandbox died, from the call that finds it and from every later one; when only the session
ended (`exit`, tmux killed), `alive` turns False and calls do nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from terminal_task_gen.errors import SandboxError
from terminal_task_gen.sandbox import Sandbox
from terminal_task_gen.sandbox.asciicast import Recording
from terminal_task_gen.sandbox.control_mode import StreamEndedError
from terminal_task_gen.sandbox.keys import Keys, encode_keystrokes
from terminal_task_gen.sandbox.pane_feed import PaneFeed
from terminal_task_gen.sandbox.prompt_marks import RC_FILE
from terminal_task_gen.sandbox.scrollback import Observation, Scrollback

__all__ = ["Observation", "Terminal", "TerminalOptions"]

TERM = "tmux-256color"
MAX_DURATION_SEC = 60.0
MIN_WAIT_SEC = 0.3
SETTLE_SEC = 0.2
PACE_PATIENCE_SEC = 0.5
"""How long typing waits for the shell to read again; when it does not, a program has the input."""
START_TIMEOUT_SEC = 30.0
FIRST_PROMPT_TIMEOUT_SEC = 10.0

_PANE = "%0"
_DIRECTORY = "/run/tmux"
_LAUNCH = (
    f'mkdir -p {_DIRECTORY} && chmod 700 {_DIRECTORY} && printf %s "$1" > {_DIRECTORY}/bashrc && shift'
    ' && export LANG="${LANG:-C.UTF-8}" SHELL=/bin/bash && exec tmux "$@" 2>&1'
)


@dataclass(frozen=True)
class TerminalOptions:
    """How the terminal looks and how a step waits."""

    columns: int = 160
    rows: int = 40
    history_lines: int = 100_000
    """Scrollback; what a step prints beyond it is gone."""
    wait: Literal["prompt", "duration"] = "prompt"
    quiet_sec: float = 0.03
    """How long nothing must be printed after the prompt."""
    patience_sec: float = 0.0
    """Commands typed at the prompt are waited for at least so long, however short their duration. Only for `prompt`."""
    max_recording_bytes: int = 50_000_000


@dataclass(frozen=True)
class _Step:
    """What was typed, and what was before it."""

    keys: Keys
    prompts_before: int
    jobs_before: int
    at_prompt: bool
    sent_at: float
    deadline: float
    """When the duration is over."""
    latest: float
    """When commands that have not come back to the prompt are no longer waited for; the deadline, or later."""


class Terminal:
    """Made by `open`. Its calls must not overlap."""

    def __init__(self, sandbox: Sandbox, feed: PaneFeed, options: TerminalOptions) -> None:
        self._sandbox = sandbox
        self._feed = feed
        self._options = options
        self._scrollback = Scrollback(feed.client, _PANE, history_limit=options.history_lines)
        self._prompts_seen = 0
        """Prompts that ended a step or were there at the last look; a poll waits for another."""
        self._sandbox_lives = False

    @classmethod
    async def open(
        cls, sandbox: Sandbox, options: TerminalOptions | None = None, *, recording: Path | None = None
    ) -> Terminal:
        """Start the session and wait for its first prompt. `recording` is written as an asciicast v2 file.

        Raises SandboxError when the sandbox is dead or tmux does not start (the evidence is what it said).
        """
        options = options or TerminalOptions()
        stream = await sandbox.open_stream(_get_argv(options))
        cast = None
        if recording is not None:
            size = {"columns": options.columns, "rows": options.rows, "max_bytes": options.max_recording_bytes}
            cast = Recording(recording, term=TERM, **size)
        terminal = cls(sandbox, PaneFeed(stream, _PANE, cast), options)
        try:
            await terminal._start()
        except BaseException:  # cancellation included; raised again
            await terminal.close()
            raise
        return terminal

    @property
    def alive(self) -> bool:
        """False once a call has found that the session is over and the sandbox is not.

        A sandbox that died while nobody called leaves it True, so that the next call raises.
        """
        return not (self._feed.client.ended and self._sandbox_lives)

    async def send(self, keystrokes: str, duration_sec: float) -> None:
        """Type `keystrokes`, then wait at most `duration_sec` as the module says. Raises SandboxError."""
        step = self._begin_step(keystrokes, duration_sec)
        try:
            await self._type(step)
            await self._wait(step)
        except StreamEndedError:
            pass
        if self._feed.marks.state == "prompt":
            self._prompts_seen = self._feed.marks.prompts
        await self._check_sandbox()

    async def read_new_output(self) -> Observation:
        """What came since the last call, uncut; the first call gives the screen. Empty when the session is over."""
        self._prompts_seen = self._feed.marks.prompts
        try:
            return await self._scrollback.read_new(self._feed.marks.history_clears)
        except StreamEndedError:
            await self._check_sandbox()
            return Observation("screen", "")

    async def capture_screen(self) -> str:
        """The visible rows, each with its newline. Empty when the session is over."""
        try:
            return await self._scrollback.read_screen()
        except StreamEndedError:
            await self._check_sandbox()
            return ""

    async def close(self) -> None:
        """Leave the session and finish the recording. What runs in the session goes on until the sandbox is closed."""
        await self._feed.close()

    async def _start(self) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT_SEC):
                # Limits what tmux holds back for us to a second of output.
                await self._feed.client.request("refresh-client -f pause-after=1")
        except (StreamEndedError, TimeoutError) as error:
            evidence = self._feed.complaints or self._feed.client.end_reason or "tmux did not start in time"
            raise SandboxError("terminal_failed", evidence) from error
        until = asyncio.get_running_loop().time() + FIRST_PROMPT_TIMEOUT_SEC
        while self._feed.marks.state != "prompt" and await self._feed.wait_activity(until):
            if self._feed.client.ended:
                break
        if self._feed.client.ended:
            raise SandboxError("terminal_failed", self._feed.complaints or self._feed.client.end_reason)

    def _begin_step(self, keystrokes: str, duration_sec: float) -> _Step:
        now = asyncio.get_running_loop().time()
        wait_sec = min(MAX_DURATION_SEC, duration_sec) if duration_sec > MIN_WAIT_SEC else MIN_WAIT_SEC
        marks = self._feed.marks
        keys = encode_keystrokes(keystrokes, _PANE, at_prompt=marks.state == "prompt")
        before = marks.prompts if keys.lines else self._prompts_seen
        at_prompt = marks.state == "prompt"
        is_awaited = at_prompt and keys.expected_prompts > 0 and self._options.wait == "prompt"
        latest = now + (max(wait_sec, self._options.patience_sec) if is_awaited else wait_sec)
        return _Step(keys, before, marks.jobs, at_prompt, now, now + wait_sec, latest)

    async def _type(self, step: _Step) -> None:
        """At the prompt line by line, the next when the shell reads again; else, or once it keeps us waiting, at once.

        What comes while a shell is between two lines is echoed by the kernel and again by the line editor, so that
        a here-document would stand on the screen twice, now and then.
        """
        loop = asyncio.get_running_loop()
        patience_sec = max(PACE_PATIENCE_SEC, self._options.patience_sec)
        patience_until = loop.time() + patience_sec
        lines = step.keys.lines
        for number, line in enumerate(lines, start=1):
            await self._feed.client.request(*line)
            if number == len(lines) or loop.time() >= patience_until:
                continue
            while self._feed.marks.prompts - step.prompts_before < number and not self._feed.client.ended:
                if not await self._feed.wait_activity(patience_until):
                    break
            else:
                patience_until = max(patience_until, loop.time() + patience_sec)

    async def _wait(self, step: _Step) -> None:
        loop = asyncio.get_running_loop()
        while not self._feed.client.ended and loop.time() < step.latest:
            due = min(step.latest, self._get_due(step))
            if due > loop.time() and await self._feed.wait_activity(due):
                continue
            if self._feed.marks.state != "lost" or self._feed.paused:
                return
            await self._feed.ask_shell()
            if self._feed.marks.state == "lost" and not await self._feed.wait_activity(step.latest):
                return

    def _get_due(self, step: _Step) -> float:
        """When the step is over if nothing more happens."""
        marks = self._feed.marks
        waits_for_more = step.keys.starts_background or marks.jobs > step.jobs_before
        if self._options.wait == "duration" or self._feed.paused or waits_for_more:
            return step.deadline
        quiet_since = max(self._feed.last_output_at, step.sent_at)
        if marks.state == "lost":
            return quiet_since + SETTLE_SEC
        drawn = marks.prompts - step.prompts_before
        typed_only = bool(step.keys.lines) and not step.keys.expected_prompts and step.at_prompt
        if marks.state != "prompt" or not (drawn or typed_only):
            return step.latest
        all_consumed = 0 < step.keys.expected_prompts <= drawn
        return quiet_since + (self._options.quiet_sec if all_consumed else SETTLE_SEC)

    async def _check_sandbox(self) -> None:
        """Tell the end of the session from the death of the sandbox."""
        if self._sandbox_lives or not self._feed.client.ended:
            return
        await self._sandbox.check_alive()
        self._sandbox_lives = True


def _get_argv(options: TerminalOptions) -> list[str]:
    history = ["set-option", "-g", "history-limit", str(options.history_lines)]
    term = ["set-option", "-g", "default-terminal", TERM]
    size = ["-x", str(options.columns), "-y", str(options.rows)]
    session = ["new-session", "-s", "main", *size, "bash", "--rcfile", f"{_DIRECTORY}/bashrc"]
    # tmux 3.3 dies when window-size is set before there is a session.
    fixed = ["set-option", "-g", "window-size", "manual"]
    still = ["set-option", "-g", "automatic-rename", "off"]
    commands = [*history, ";", *term, ";", *still, ";", *session, ";", *fixed]
    tmux = ["-u", "-S", f"{_DIRECTORY}/socket", "-f", "/dev/null", "-C", "start-server", ";", *commands]
    return ["sh", "-c", _LAUNCH, "sh", RC_FILE, *tmux]
