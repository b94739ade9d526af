"""Records read several times as fast: a stand-in has its record's fields, properties and methods, only to be looked at.

pydantic takes most of the time that reading a large run costs. A stand-in is a msgspec struct made from the record's
own annotations and bounds, so that there is one definition. What msgspec refuses is given to pydantic, whose word
counts: it names the damage, or takes what it takes by its own laxer rules (a number as text).
"""

from __future__ import annotations

import types
from functools import cache
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

import msgspec
from pydantic.fields import FieldInfo

from terminal_task_gen.records import Record

RecordT = TypeVar("RecordT", bound=Record)

_BOUNDS = ("gt", "ge", "lt", "le", "min_length", "max_length", "pattern", "multiple_of")


def read_record(model: type[RecordT], line: bytes) -> RecordT:
    """A stand-in for the record in a line of JSON; a record itself where only pydantic takes the line.

    Raises pydantic's ValidationError.
    """
    try:
        return cast(RecordT, _make_decoder(model).decode(line))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return model.model_validate_json(line)


@cache
def _make_decoder(model: type[Record]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_make_struct(model))


@cache
def _make_struct(model: type[Record]) -> type[msgspec.Struct]:
    """Raises TypeError for a record that checks more than types and bounds."""
    decorators = model.__pydantic_decorators__
    if decorators.field_validators or decorators.model_validators:
        raise TypeError(f"{model.__name__} has validators of its own, which a stand-in would pass over")
    looks = {name: what for name, what in vars(model).items() if isinstance(what, property | types.FunctionType)}
    fields = [_make_field(name, info) for name, info in model.model_fields.items()]
    return msgspec.defstruct(
        model.__name__,
        fields,
        namespace=looks,
        frozen=True,
        kw_only=True,
        gc=False,  # plain data, no cycles: nothing for the collector to walk
        forbid_unknown_fields=model.model_config.get("extra") == "forbid",
    )


def _make_field(name: str, info: FieldInfo) -> Any:
    kind = _translate(info.annotation)
    bounds = {bound: value for note in info.metadata for bound, value in _list_bounds(note)}
    if bounds:
        kind = Annotated[kind, msgspec.Meta(**bounds)]
    if info.is_required():
        return name, kind
    return name, kind, msgspec.field(default_factory=info.get_default) if info.default == {} else info.get_default()


def _list_bounds(note: object) -> list[tuple[str, Any]]:
    found = [(bound, getattr(note, bound)) for bound in _BOUNDS if getattr(note, bound, None) is not None]
    if not found:
        raise TypeError(f"a stand-in does not know the bound {note!r}")
    return found


def _translate(annotation: Any) -> Any:
    """The annotation with structs for records."""
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return _make_struct(annotation)
    inner = tuple(_translate(part) for part in get_args(annotation))
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return Union[inner]  # noqa: UP007 - members known only here
    return origin[inner] if origin in (tuple, dict) else annotation
