"""An endpoint that is not configured is refused before anything is sent, in one line with its remedy."""

from __future__ import annotations

from typing import Any

import pytest

from terminal_task_gen.config import EndpointConfig
from terminal_task_gen.errors import PrerequisiteError, UsageError
from terminal_task_gen.teacher.client import OpenAITeacher

KEY = "sk-test-0123456789abcdef"


@pytest.mark.parametrize(
    ("config", "environ", "message"),
    [
        ({"model": ""}, {}, "no endpoint configured: set teacher.author.base_url and teacher.author.model"),
        ({"base_url": ""}, {}, "ttg demo"),
        ({"base_url": "localhost:8000/v1"}, {}, "'localhost:8000/v1' is not an address"),
        ({"base_url": "http://u:hidden@h/v1"}, {}, "holds a user name or password"),
        ({"extra_body": {"stream": True}}, {}, "extra_body must not set 'stream'"),
        ({}, {}, "OPENAI_API_KEY is not set; export it, or set teacher.author.api_key_env"),
        ({"api_key_env": "MINE"}, {"OPENAI_API_KEY": KEY}, "MINE is not set"),
        ({}, {"OPENAI_API_KEY": "two\nlines"}, "the value of OPENAI_API_KEY cannot be a key"),
    ],
)
def test_what_is_not_configured(config: dict[str, Any], environ: dict[str, str], message: str) -> None:
    endpoint = EndpointConfig.model_validate({"base_url": "http://h/v1", "model": "m"} | config)
    with pytest.raises(UsageError) as caught:
        OpenAITeacher(endpoint, environ=environ)
    assert message in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, PrerequisiteError) == ("is not set" in message)


def test_messages_name_the_place_in_the_configuration() -> None:
    with pytest.raises(UsageError, match=r"set teacher\.actor\.base_url and teacher\.actor\.model"):
        OpenAITeacher(EndpointConfig(), field="teacher.actor")
