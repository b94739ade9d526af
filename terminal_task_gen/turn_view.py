"""A listener that shows a rollout's turns as they come: what the teacher thinks, what it types, what it is shown."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from terminal_task_gen.events import Event, TurnFinished
from terminal_task_gen.harmless import make_harmless
from terminal_task_gen.trajectory import find_thinking_end


class TurnView:
    """Prints to a console; every byte of it is untrusted, so control characters are shown, not sent."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, event: Event) -> None:
        if not isinstance(event, TurnFinished):
            return
        self._console.print(Rule(f"{event.trajectory_id}  turn {event.turn}", align="left"))
        reply = read_reply(event.reply)
        if reply is None:
            self._show(event.reply, "yellow")
        else:
            self._show(f"{reply.get('analysis', '')}\n{reply.get('plan', '')}", "cyan")
            for command in reply.get("commands", []):
                if isinstance(command, dict):
                    self._show(f"▸ {str(command.get('keystrokes', '')).rstrip()}", "bold green")
            if reply.get("task_complete"):
                self._show("says that the task is complete", "bold magenta")
        self._show(event.answer.rstrip(), "")

    def _show(self, text: str, style: str) -> None:
        if text.strip():
            self._console.print(Text(make_harmless(text.strip("\n")), style=style), soft_wrap=True)


def read_reply(reply: str) -> dict[str, Any] | None:
    """The JSON turn in a reply; None where it is none, or is in another dialect."""
    text = reply[find_thinking_end(reply) :]
    begin = text.find("{")
    try:
        found, _ = json.JSONDecoder().raw_decode(text, begin) if begin >= 0 else (None, 0)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("commands"), list) else None
