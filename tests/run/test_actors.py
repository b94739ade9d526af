"""Several actors in one run: told apart by their models, and free to join later."""

from __future__ import annotations

import pytest

from terminal_task_gen.config import Config, EndpointConfig, TeacherConfig, load_config
from terminal_task_gen.errors import UsageError
from terminal_task_gen.fingerprint import check_unchanged, collect_fields


def make_config(*actors: EndpointConfig) -> Config:
    return Config(teacher=TeacherConfig(author=EndpointConfig(model="author"), actors=actors))


ONE, TWO = EndpointConfig(model="org/one.5"), EndpointConfig(model="two")


def test_everyone_who_acts() -> None:
    assert list(make_config().teacher.list_actors()) == ["teacher.author"]
    named = make_config(ONE, TWO).teacher.list_actors()
    assert [(place, actor.model) for place, actor in named.items()] == [
        ("teacher.actors.0", "org/one.5"),
        ("teacher.actors.1", "two"),
    ]


def test_two_of_one_model_are_refused() -> None:
    with pytest.raises(UsageError, match="two of them have one model"):
        load_config(None, ["teacher.actors=[{model: a}, {model: a}]"])


def test_another_may_join_and_none_may_change() -> None:
    def fields(*actors: EndpointConfig) -> dict[str, object]:
        return collect_fields(make_config(*actors), "rollout", {})

    check_unchanged(fields(ONE), fields(ONE, TWO), stage="rollout", run="r")
    moved = ONE.model_copy(update={"base_url": "http://127.0.0.1:1/v1"})
    check_unchanged(fields(ONE), fields(moved), stage="rollout", run="r")
    warmer = ONE.model_copy(update={"temperature": 1.0})
    with pytest.raises(UsageError, match=r"actor org/one\.5\.temperature"):
        check_unchanged(fields(ONE), fields(warmer, TWO), stage="rollout", run="r")
