"""What is taken from a line: the same whether the narrow decoder reads it or the forgiving one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from terminal_task_gen.viewer.extract import extract_ruling, extract_task, extract_trajectory
from terminal_task_gen.viewer.shapes import UnusableLineError
from tests.export.samples import make_sample_task, make_sample_trajectory

TASK = make_sample_task(5)
ROW: dict[str, Any] = make_sample_trajectory(TASK).model_dump(mode="json")


def read(**changed: object) -> dict[str, Any]:
    return extract_trajectory(orjson.dumps({**ROW, **changed}))._asdict()


def test_a_trajectory_says_all_that_is_looked_for() -> None:
    facts = read()
    assert (facts["id"], facts["task_id"], facts["domain"]) == (ROW["id"], TASK.id, TASK.domain)
    assert facts["turns"] == 2 and facts["stop"] == "completed" and facts["reward"] == ROW["verdict"]["reward"]
    assert {"three", "numbers", "ls", "look"} <= set(facts["words"].split())
    assert "previous" not in facts["words"].split(), "only what the teacher said"


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        ({"attempt": True}, {"attempt": 1}),
        ({"attempt": "three"}, {"attempt": 0}),
        ({"attempt": -4}, {"attempt": 0}),
        ({"attempt": 10**18}, {"attempt": 2**31}),
        ({"model": ["not", "a", "name"]}, {"model": ""}),
        ({"model": "m" * 500}, {"model": "m" * 120}),
        ({"usage": None}, {"prompt_tokens": 0, "completion_tokens": 0, "cost_usd": 0.0}),
        ({"verdict": "none"}, {"reward": 0.0, "flags": 2}),
        ({"steps": None}, {"turns": 0}),
        ({"steps": [{}, {"turn": "x"}, {}]}, {"turns": 3}),
        ({"later": {"version": ["of", "ttg"]}}, {}),
    ],
)
def test_what_does_not_fit_counts_as_missing_and_the_rest_stays(
    changed: dict[str, object], differs: dict[str, object]
) -> None:
    assert read(**changed) == {**read(), **differs}


def test_a_message_that_does_not_fit_is_left_out_and_the_others_are_read() -> None:
    strange: list[object] = [3, None, {"role": "assistant"}, {"role": ["assistant"], "content": "unheard"}]
    facts = read(messages=[*strange, *ROW["messages"], {"role": "assistant", "content": "Heard_it-too\\nnow é"}])
    assert {"heard", "it", "too", "now", "é", "three"} <= set(facts["words"].split())
    assert "unheard" not in facts["words"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"[1]", "not a JSON object"),
        (b'{"id": "x"', "not valid JSON"),
        (b'{"id": "x", "messages": [{"role": "user", "content": "\xff"}]}', "not valid JSON"),
        (b'{"id": ""}', "id: "),
        (b'{"id": 3}', "id: "),
        (b'{"domain": "security"}', "id: "),
        (b'{"id": "' + b"x" * 300 + b'"}', "id: "),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_a_line_that_cannot_be_used_says_why(line: bytes, why: str) -> None:
    for extract in (extract_trajectory, extract_task):
        with pytest.raises(UnusableLineError, match=why):
            extract(line)


def test_a_ruling_is_read_from_behind_its_conversation() -> None:
    row = {"conversations": [{"role": "user", "content": 'x],"agent":"y'}], "agent": "terminus-2", "id": "traj-1"}
    line = orjson.dumps({**row, "flags": ["a", 3], "findings": [{"reason": "b"}, "c"], "drop_reason": "b"})
    assert extract_ruling(line) == ("traj-1", "b", ("b", "a"))
