"""The Terminus-2 protocol, apart from its dialect: what a reply says, and what the teacher is told about it.

A dialect (JSON or XML) reads a reply into a `Turn`. All else is the same for both, and is the
standard's down to the words: a model trained on these conversations must meet the same ones under Harbor's agent.
Reading never raises: whatever a teacher writes is either a turn or an error to tell it about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from terminal_task_gen.trajectory import Command

AGENT = "terminus-2"
MAX_DURATION_SEC = 60.0
DEFAULT_DURATION_SEC = 1.0


@dataclass(frozen=True)
class Turn:
    """A reply as read. With an `error` nothing of it is executed and `commands` is empty."""

    commands: tuple[Command, ...] = ()
    task_complete: bool = False
    error: str | None = None
    warnings: tuple[str, ...] = ()


class Dialect(Protocol):
    """How turns are written. `reply_noun` and `completion_mark` go into the feedback, which names the dialect."""

    @property
    def name(self) -> str:
        """`json` or `xml`."""
        ...

    @property
    def reply_noun(self) -> str: ...

    @property
    def completion_mark(self) -> str: ...

    def parse(self, reply: str) -> Turn:
        """Read any text whatever; never raises."""
        ...

    def render_first_message(self, *, instruction: str, terminal_state: str) -> str:
        """The whole first user message: how to reply, the task's instruction verbatim, the screen."""
        ...


def bound_duration(seconds: float) -> float:
    """As the standard bounds it; not a number is the dialect's to refuse."""
    # Compared before it is made a float: an integer may be too large for one.
    return float(max(0, min(seconds, MAX_DURATION_SEC)))


def format_error(turn: Turn, dialect: Dialect) -> str:
    """The user message that answers an unreadable reply; it carries no terminal text."""
    feedback = f"ERROR: {turn.error}"
    if turn.warnings:
        feedback += f"\nWARNINGS: {_list_warnings(turn.warnings)}"
    return (
        f"Previous response had parsing errors:\n{feedback}\n\n"
        f"Please fix these issues and provide a proper {dialect.reply_noun}."
    )


def format_observation(turn: Turn, output: str) -> str:
    """The terminal's output, after the warnings that the reply earned."""
    if not turn.warnings:
        return output
    return f"Previous response had warnings:\nWARNINGS: {_list_warnings(turn.warnings)}\n\n{output}"


def format_confirmation(output: str, dialect: Dialect) -> str:
    """What answers the first claim of completion. Warnings are not mentioned here: there is no further work to mend."""
    return (
        f"Current terminal state:\n{output}\n\n"
        "Are you sure you want to mark the task as complete? "
        "This will trigger your solution to be graded and you won't be able to make any further corrections. "
        f"If so, include {dialect.completion_mark} again."
    )


def format_truncation(turn: Turn) -> str:
    """What answers a reply that the endpoint cut at its length limit; `turn` is the stump, read for its warnings."""
    limit = "the maximum output length"
    message = (
        f"ERROR!! NONE of the actions you just requested were performed because you exceeded {limit}. "
        f"Your outputs must be less than {limit}. "
        f"Re-issue this request, breaking it into chunks each of which is less than {limit}."
    )
    if turn.warnings:
        message += f"\n\nParser warnings from your truncated response:\n{_list_warnings(turn.warnings)}"
    return message


def _list_warnings(warnings: tuple[str, ...]) -> str:
    return "\n".join(f"- {warning}" for warning in warnings)
