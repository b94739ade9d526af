"""The live side of one pane: what its output tells (marks, quiet, recording), and how much of it we take.

A flood (`yes`) must cost neither memory nor the event loop: output is taken up to a burst and a rate, beyond which tmux
is asked to withhold it for a moment. tmux goes on drawing the screen meanwhile, so nothing that is shown is lost; the
recording has a marker, and the shell's state is `lost` until a mark comes or `ask_shell` finds it. tmux also pauses by
itself when we lag a second behind, so its buffer is bounded too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from terminal_task_gen.sandbox import ByteStream
from terminal_task_gen.sandbox.asciicast import Recording
from terminal_task_gen.sandbox.control_mode import (
    ControlClient,
    Event,
    PaneOutput,
    PanePaused,
    Reply,
    Stray,
    StreamEndedError,
)
from terminal_task_gen.sandbox.prompt_marks import PromptMarks

BURST_BYTES = 8_000_000
RATE_BYTES_PER_SEC = 1_000_000
PAUSE_SEC = 0.5
MAX_COMPLAINTS = 20


class PaneFeed:
    """Listens to a control client on behalf of one pane."""

    def __init__(self, stream: ByteStream, pane: str, recording: Recording | None) -> None:
        self._pane = pane
        self._recording = recording
        self._loop = asyncio.get_running_loop()
        self._activity = asyncio.Event()
        self._budget_bytes = float(BURST_BYTES)
        self._budget_at = self._loop.time()
        self._flow: asyncio.Task[None] | None = None
        """Set while the pane's output is withheld."""
        self._complaints: list[str] = []
        self.marks = PromptMarks()
        self.last_output_at = self._loop.time()
        self.client = ControlClient(stream, self._listen)

    @property
    def paused(self) -> bool:
        return self._flow is not None

    @property
    def complaints(self) -> str:
        """What was said at the start that is no protocol: the reason why tmux did not come up."""
        return "\n".join(self._complaints)

    async def wait_activity(self, until: float) -> bool:
        """Wait for output, a pause, a resumption or the end; False when none came before `until` (loop time)."""
        self._activity.clear()
        if self.client.ended:
            return True
        try:
            async with asyncio.timeout_at(until):
                await self._activity.wait()
        except TimeoutError:
            return False
        return True

    async def ask_shell(self) -> None:
        """After a gap: if bash is in the foreground again, it is taken to be at its prompt."""
        [reply] = await self.client.request(f"display-message -p -t {self._pane} '#{{pane_current_command}}'")
        if reply.text == "bash" and self.marks.state == "lost":
            self.marks.assume_prompt()

    async def close(self) -> None:
        """Idempotent."""
        if self._flow is not None:
            self._flow.cancel()
        await self.client.close()
        if self._recording is not None:
            self._recording.close()

    def _listen(self, events: Sequence[Event]) -> None:
        output = b"".join(e.data for e in events if isinstance(e, PaneOutput) and e.pane == self._pane)
        if output:
            self._take(output)
        for event in events:
            if isinstance(event, PanePaused) and event.pane == self._pane:
                self._withhold()
            elif isinstance(event, Stray) or (isinstance(event, Reply) and not event.ok):
                self._complain(event.text)
        self._activity.set()

    def _take(self, output: bytes) -> None:
        now = self._loop.time()
        self.last_output_at = now
        self.marks.feed(output)
        if self._recording is not None:
            self._recording.write(output)
        refill = (now - self._budget_at) * RATE_BYTES_PER_SEC
        self._budget_bytes = min(BURST_BYTES, self._budget_bytes + refill) - len(output)
        self._budget_at = now
        if self._budget_bytes < 0:
            self._withhold()

    def _withhold(self) -> None:
        if self._flow is None and not self.client.ended:
            self._flow = asyncio.create_task(self._pause(), name="tmux-pane-pause")

    async def _pause(self) -> None:
        with contextlib.suppress(StreamEndedError):
            await self.client.request(f"refresh-client -A '{self._pane}:pause'")
            await asyncio.sleep(PAUSE_SEC)
            # Before the command, so that a mark that follows at once is not overruled.
            self.marks.lose()
            if self._recording is not None:
                self._recording.mark_gap()
            await self.client.request(f"refresh-client -A '{self._pane}:continue'")
        self._flow = None
        self.last_output_at = self._loop.time()
        self._activity.set()

    def _complain(self, text: str) -> None:
        if len(self._complaints) < MAX_COMPLAINTS:
            self._complaints.append(text[:500])
