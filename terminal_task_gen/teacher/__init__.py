"""The teacher port: an LLM that writes tasks (author) or solves them (actor).

One protocol, two things behind it: `client.py`, which speaks to any OpenAI-compatible endpoint, and, on the other end
of the wire, `scripted.py`, such an endpoint with recorded replies. There is no in-process fake: the demo and the tests
go over HTTP like everybody else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from terminal_task_gen.records import Record, Usage
from terminal_task_gen.trajectory import Message


class Reply(Record):
    """A teacher's answer. `content` may be cut short when `finish_reason` is `length`."""

    content: str
    reasoning: str | None = None
    finish_reason: str = "stop"
    """As the endpoint said: `stop`, `length`, `content_filter`, …"""
    usage: Usage
    model: str


class Teacher(Protocol):
    """Safe to call from many coroutines at once; bounds its own concurrency."""

    @property
    def model(self) -> str:
        """Name of the model as configured; part of trajectory ids."""
        ...

    async def complete(
        self, messages: Sequence[Message], *, seed: int | None = None, response_format: Mapping[str, Any] | None = None
    ) -> Reply:
        """Ask for one completion. Reasoning of earlier assistant messages is not sent back.

        `response_format` is passed on as it is, for endpoints that can hold a model to a JSON schema.
        An empty reply (no content) is a failure and is retried. `finish_reason` is the caller's to judge.

        Raises:
            TeacherError: no usable reply after the configured retries; the item is owed again.
            TeacherRefusedError: the endpoint refuses this call (HTTP 400, 413, 422, content filter).
            UsageError: no call can ever succeed (401, 403, 404): wrong key, URL or model. Ends the run.
        """
        ...

    async def close(self) -> None:
        """Release connections. Idempotent."""
        ...
