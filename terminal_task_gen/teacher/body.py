"""What one call asks for, as the fields of its body: everything that decides the reply, and nothing else.

The client sends it, the replay cache makes its key of it; so neither can know a field that the other does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from terminal_task_gen.config import EndpointConfig
from terminal_task_gen.trajectory import Message


def compose_fields(
    endpoint: EndpointConfig,
    messages: Sequence[Message],
    *,
    seed: int | None,
    response_format: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Options that are None are left out: the endpoint decides. `extra_body` has the last word."""
    optional = {
        "temperature": endpoint.temperature,
        "top_p": endpoint.top_p,
        "max_tokens": endpoint.max_tokens,
        "seed": seed,
        "response_format": response_format,
    }
    return {
        "model": endpoint.model,
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        **{name: value for name, value in optional.items() if value is not None},
        **endpoint.extra_body,
    }
