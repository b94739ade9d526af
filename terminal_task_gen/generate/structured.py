"""A draft as one JSON object, for endpoints that can hold a model to a schema: the schema, and its way into tags.

The object has the parts of the `<task>` block under the same names. It is written out as that block and read by the
same parser, so both kinds of reply meet the same checks. A reply that is no such object goes on as it is: some
endpoints take a schema and do not keep to it.
"""

from __future__ import annotations

import json
from typing import Any

from terminal_task_gen.trajectory import Message

FORMAT_NOTE = """
Here the endpoint asks for JSON: in place of the <task> block give one object with the same parts, named as the tags. \
`files` is a list of {path, content, encoding ("utf-8" or "base64"), executable}, `weights` a list of {test, weight}, \
`skills` and `tags` stand beside them. All that is said about the tags holds for the parts.
"""

_TEXT: dict[str, Any] = {"type": "string"}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}


def make_response_format(*, with_solution: bool) -> dict[str, Any]:
    """The `response_format` of a call."""
    parts: dict[str, Any] = {
        "title": _TEXT,
        "instruction": _TEXT,
        "files": {
            "type": "array",
            "items": _make_object(
                {
                    "path": _TEXT,
                    "content": _TEXT,
                    "encoding": {"type": "string", "enum": ["utf-8", "base64"]},
                    "executable": {"type": "boolean"},
                }
            ),
        },
        "tests": _TEXT,
        "weights": {"type": "array", "items": _make_object({"test": _TEXT, "weight": {"type": "number"}})},
        "skills": _TEXTS,
        "tags": _TEXTS,
    }
    if with_solution:
        parts["solution"] = _TEXT
    schema = {"name": "task", "strict": True, "schema": _make_object(parts)}
    return {"type": "json_schema", "json_schema": schema}


def add_format_note(messages: list[Message]) -> list[Message]:
    """The author's messages, with the format of the reply put right in the system message."""
    system, *others = messages
    return [system.model_copy(update={"content": system.content + FORMAT_NOTE}), *others]


def write_as_tags(reply: str) -> str:
    """The reply as a tagged block; a reply that is no object with an instruction is given back as it is."""
    try:
        parts = json.loads(reply)
    except ValueError:
        return reply
    if not isinstance(parts, dict) or not isinstance(parts.get("instruction"), str):
        return reply
    names = ("title", "instruction", "tests", "solution")
    sections = {name: parts[name] for name in names if isinstance(parts.get(name), str)}
    sections["files"] = "".join(_write_file(file) for file in _list_objects(parts.get("files")))
    sections["weights"] = _write_weights(parts.get("weights"))
    sections["metadata"] = json.dumps({name: parts.get(name, []) for name in ("skills", "tags")}, ensure_ascii=False)
    body = "".join(f"<{name}>\n{_end_line(text)}</{name}>\n" for name, text in sections.items())
    return f"<task>\n{body}</task>\n"


def _make_object(parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": parts, "required": list(parts), "additionalProperties": False}


def _list_objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _write_file(file: dict[str, Any]) -> str:
    attributes = f'path="{file.get("path", "")}"'
    if file.get("encoding") == "base64":
        attributes += ' encoding="base64"'
    if file.get("executable") is True:
        attributes += ' executable="true"'
    return f"<file {attributes}>\n{_end_line(str(file.get('content', '')))}</file>\n"


def _write_weights(weights: Any) -> str:
    """As JSON with doubled names kept, which the parser complains about."""
    if isinstance(weights, dict):
        return json.dumps(weights)
    pairs = [f"{json.dumps(w.get('test'))}: {json.dumps(w.get('weight'))}" for w in _list_objects(weights)]
    return "{" + ", ".join(pairs) + "}"


def _end_line(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"
