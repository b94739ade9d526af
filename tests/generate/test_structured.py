"""A draft given as JSON is the draft that the same parts in tags are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from terminal_task_gen.generate.draft import DraftError, parse_draft
from terminal_task_gen.generate.structured import add_format_note, make_response_format, write_as_tags
from terminal_task_gen.trajectory import Message

PARTS: dict[str, Any] = {
    "title": "Totals <by> currency",
    "instruction": 'Sum `/app/in.csv` into `/app/out.json`.\n\n```json\n{"a": 1}\n```',
    "files": [
        {"path": "in.csv", "content": "a,1\n</file>\nb,2\n", "encoding": "utf-8", "executable": False},
        {"path": "bin/x", "content": "aGk=", "encoding": "base64", "executable": True},
    ],
    "tests": "def test_a():\n    assert '</tests>' == read(), '<file>'\n\n\ndef test_b():\n    assert 0\n",
    "weights": [{"test": "test_a", "weight": 0.25}, {"test": "test_b", "weight": 0.75}],
    "skills": ["sum things"],
    "tags": ["csv"],
    "solution": "#!/bin/bash\ntrue\n",
}


def test_every_part_arrives() -> None:
    draft = parse_draft(write_as_tags(json.dumps(PARTS)))
    assert (draft.title, draft.instruction) == (PARTS["title"], PARTS["instruction"] + "\n")
    assert (draft.tests, draft.solution) == (PARTS["tests"], PARTS["solution"])
    assert draft.weights == {"test_a": 0.25, "test_b": 0.75}
    assert (draft.skills, draft.tags, draft.notes) == (("sum things",), ("csv",), ())
    first, second = draft.files
    assert (first.path, first.content, first.executable) == ("in.csv", "a,1\n</file>\nb,2\n", False)
    assert (second.encoding, second.content, second.executable) == ("base64", "aGk=", True)


def test_the_schema_names_every_part_and_leaves_nothing_open() -> None:
    schema = make_response_format(with_solution=True)["json_schema"]["schema"]
    assert set(schema["required"]) == set(schema["properties"]) == set(PARTS)
    assert schema["properties"]["files"]["items"]["additionalProperties"] is False
    assert "solution" not in make_response_format(with_solution=False)["json_schema"]["schema"]["properties"]


@pytest.mark.parametrize("reply", ["", "<task>…</task>", "[1]", "{}", '{"instruction": 3}', '{"instruction": "cut o'])
def test_what_is_no_such_object_goes_on_as_it_is(reply: str) -> None:
    assert write_as_tags(reply) == reply


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"weights": [{"test": "test_a", "weight": 0.5}, {"test": "test_a", "weight": 0.5}]}, "bad_weights"),
        ({"weights": [{"test": "test_a", "weight": "much"}]}, "bad_weights"),
        ({"files": [{"path": "../x", "content": "y"}]}, "bad_file"),
        ({"tests": ""}, "missing_tag"),
        ({"solution": None}, "missing_tag"),
    ],
)
def test_the_same_checks_find_what_is_wrong(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(DraftError) as caught:
        parse_draft(write_as_tags(json.dumps(PARTS | change)))
    assert [complaint.reason for complaint in caught.value.complaints] == [reason]


def test_the_author_is_told_of_the_form() -> None:
    messages = [Message(role="system", content="You write."), Message(role="user", content="Write.")]
    system, user = add_format_note(messages)
    assert "in place of the <task> block" in system.content
    assert user == messages[1]
