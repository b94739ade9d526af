"""A stand-in takes what its record takes, refuses what it refuses, and looks like it."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError, field_validator

from terminal_task_gen.records import Record
from terminal_task_gen.stand_ins import read_record
from terminal_task_gen.task import Task
from terminal_task_gen.trajectory import Trajectory
from tests.filters.cases import make_task, make_trajectory, reply

TRAJECTORY = make_trajectory(reply("First."), reply("Then."))
LINE = TRAJECTORY.model_dump_json().encode()


def flatten(value: object) -> object:
    """Plain data of records and stand-ins alike."""
    if isinstance(value, tuple):
        return [flatten(item) for item in value]
    if isinstance(value, BaseModel):
        return {name: flatten(getattr(value, name)) for name in type(value).model_fields}
    if hasattr(value, "__struct_fields__"):
        return {name: flatten(getattr(value, name)) for name in value.__struct_fields__}
    return value


@pytest.mark.parametrize("record", [TRAJECTORY, make_task()])
def test_a_stand_in_has_the_fields_properties_and_methods(record: Trajectory | Task) -> None:
    found = read_record(type(record), record.model_dump_json().encode())
    assert not isinstance(found, BaseModel)
    assert flatten(found) == flatten(record)
    if isinstance(found, Trajectory):
        assert found.completed == TRAJECTORY.completed
        assert flatten(tuple(found.list_replies())) == flatten(tuple(TRAJECTORY.list_replies()))


def test_what_a_line_leaves_out_has_its_default() -> None:
    short = Trajectory.model_validate_json(LINE).model_dump_json(exclude_defaults=True).encode()
    assert flatten(read_record(Trajectory, short)) == flatten(TRAJECTORY)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"attempt":0', b'"attempt":-1'),
        (b'"attempt":0', b'"attempt":0,"unknown":1'),
        (b'"attempt":0', b'"attempt":null'),
        (b'"attempt":0', b'"attempt":0.5'),
        (b'"reward":1.0', b'"reward":1.5'),
        (b'"reward":1.0', b'"reward":NaN'),
        (b'"reward":1.0', b'"reward":1e999'),
        (b'"role":"user"', b'"role":"nobody"'),
        (b'"content":"', b'"content":"\\ud800'),
        (b'"content":"', b'"content":"\xff'),
        (b'"content":"', b'"content":"\x01'),
        (LINE[-20:], b""),
        (LINE[-1:], b"} {}"),
    ],
)
def test_what_the_record_refuses_is_refused_in_its_words(old: bytes, new: bytes) -> None:
    assert old in LINE
    bad = LINE.replace(old, new)
    with pytest.raises(ValidationError) as by_record:
        Trajectory.model_validate_json(bad)
    with pytest.raises(ValidationError) as by_stand_in:
        read_record(Trajectory, bad)
    assert str(by_stand_in.value) == str(by_record.value)


def test_what_only_the_record_takes_is_a_record() -> None:
    found = read_record(Trajectory, LINE.replace(b'"attempt":0', b'"attempt":"7"'))
    assert isinstance(found, BaseModel) and found.attempt == 7


def test_a_record_with_a_check_of_its_own_has_no_stand_in() -> None:
    class Checked(Record):
        name: str

        @field_validator("name")
        @classmethod
        def _check(cls, name: str) -> str:
            return name

    with pytest.raises(TypeError, match="validators"):
        read_record(Checked, b'{"name": "a"}')
