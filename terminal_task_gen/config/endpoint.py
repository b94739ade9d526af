"""Endpoints: which teacher to ask, and how."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from terminal_task_gen.records import Record


class EndpointConfig(Record):
    """An OpenAI-compatible endpoint and how to call it."""

    base_url: str = ""
    """E.g. `http://127.0.0.1:8000/v1`. Empty: not configured; commands that need a teacher then say so."""
    model: str = ""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable with the key. Empty: the endpoint needs none."""
    temperature: float | None = Field(default=None, ge=0.0)
    """None: not sent, the endpoint decides. The same holds for top_p and max_tokens."""
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    max_tokens: int | None = Field(default=None, gt=0)
    """Limit of one reply."""
    extra_body: dict[str, Any] = {}
    """Sent as is in every request's body, e.g. `{chat_template_kwargs: {enable_thinking: true}}`."""
    parallel: int = Field(default=16, ge=1)
    """Calls in flight at once."""
    max_retries: int = Field(default=6, ge=0)
    """Tries after the first, for 408, 409, 429, 5xx, connection errors, timeouts and empty or broken replies."""
    timeout_sec: float = Field(default=600.0, gt=0.0)
    """Limit of one call."""
    max_backoff_sec: float = Field(default=60.0, gt=0.0)
    """Longest wait between two tries; a longer Retry-After is honoured up to ten times this."""
    prompt_usd_per_mtok: float = Field(default=0.0, ge=0.0)
    completion_usd_per_mtok: float = Field(default=0.0, ge=0.0)


class TeacherConfig(Record):
    """Who writes tasks and who solves them."""

    author: EndpointConfig = EndpointConfig()
    actor: EndpointConfig | None = None
    """None: the author's endpoint acts too."""

    def get_actor(self) -> EndpointConfig:
        return self.actor if self.actor is not None else self.author
