"""Reads an author's reply into a draft: tolerant of how it is dressed, exact about what is missing or broken.

Prose, reasoning, code fences, tags in capitals, CRLF, trailing commas and weights written as lines are read without a
word. What cannot be read is refused with all complaints at once. Whether the draft is any good is for the gates.
"""

from __future__ import annotations

import html
import json
import math
import re
from typing import Any

from terminal_task_gen.generate.bundle_files import read_files
from terminal_task_gen.generate.complaint import Complaint, RefusedError
from terminal_task_gen.generate.dress import (
    compiles,
    find_fenced_python,
    is_escaped_python,
    undress,
    undress_prose,
    unescape,
)
from terminal_task_gen.generate.tags import Sections, find_task_block, split_files, split_sections
from terminal_task_gen.records import Record
from terminal_task_gen.task import TaskFile

SECTIONS = ("title", "instruction", "files", "tests", "weights", "metadata", "solution")
MAX_TITLE_CHARS = 120
WEIGHT_SLACK = 0.01
"""A sum of weights this near to 1 (three thirds as 0.33) is scaled to 1; beyond it somebody miscounted."""

_WEIGHT_LINE = re.compile(r"""^\s*[-*]?\s*[`"']?(test\w*)[`"']?\s*[:=]\s*([0-9.]+)\s*,?\s*(?:#.*)?$""")


class Draft(Record):
    """What the author wrote, read but not judged."""

    title: str
    instruction: str
    files: tuple[TaskFile, ...]
    tests: str
    weights: dict[str, float]
    skills: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    solution: str | None = None
    notes: tuple[str, ...] = ()
    """What was put right in reading it."""


class DraftError(RefusedError):
    """The reply is not a readable draft."""

    def __init__(self, complaints: list[Complaint]) -> None:
        super().__init__("draft", complaints)


def parse_draft(
    text: str, *, with_solution: bool = True, max_files: int = 40, max_file_bytes: int = 2_000_000
) -> Draft:
    """Read the last complete task block. Raises DraftError with every complaint.

    `with_solution` false: a solution is neither asked for nor kept.
    """
    block = find_task_block(text.replace("\r\n", "\n"))
    if block is None:
        raise DraftError([Complaint("no_task_block", "the reply holds no complete <task>…</task> block")])
    sections = split_sections(block, SECTIONS)
    needed = ["instruction", "tests", "weights"] + (["solution"] if with_solution else [])
    complaints = _find_missing(sections, needed)
    notes: list[str] = []
    parts = split_files(sections.raw.get("files", ""))
    files, file_complaints = read_files(parts, max_files=max_files, max_file_bytes=max_file_bytes)
    tests, escaped = _read_tests(sections.raw.get("tests", ""), notes)
    solution = _read_code(sections.raw.get("solution", ""))
    weights, weight_complaints = _read_weights(sections, notes)
    metadata = _read_metadata(sections.raw.get("metadata", ""), notes)
    instruction = undress_prose(sections.raw.get("instruction", "")).strip()
    title = sections.raw.get("title", "")
    if escaped:
        instruction, title, solution = unescape(instruction), unescape(title), unescape(solution)
        files = tuple(_unescape_file(file) for file in files)
    complaints += file_complaints + weight_complaints
    if complaints:
        raise DraftError(complaints)
    return Draft(
        title=_read_title(title, instruction),
        instruction=f"{instruction}\n",
        files=files,
        tests=tests,
        weights=weights,
        skills=_list_texts(metadata.get("skills")),
        tags=_list_texts(metadata.get("tags")),
        solution=solution if with_solution else None,
        notes=tuple(notes),
    )


def _find_missing(sections: Sections, needed: list[str]) -> list[Complaint]:
    complaints = [Complaint("missing_tag", f"<{name}> is never closed with </{name}>") for name in sections.unclosed]
    for name in needed:
        if name not in sections.raw and name not in sections.unclosed:
            complaints.append(Complaint("missing_tag", f"there is no <{name}>…</{name}> in the <task> block"))
        elif name in sections.raw and not sections.raw[name].strip():
            complaints.append(Complaint("missing_tag", f"<{name}> is empty"))
    return complaints


def _unescape_file(file: TaskFile) -> TaskFile:
    return file if file.encoding == "base64" else file.model_copy(update={"content": unescape(file.content)})


def _read_code(raw: str) -> str:
    return f"{undress(raw).strip()}\n"


def _read_tests(raw: str, notes: list[str]) -> tuple[str, bool]:
    """The source, and whether it had been HTML-escaped: only then does it compile unescaped alone."""
    source = _read_code(raw)
    if is_escaped_python(source):
        notes.append("the reply was HTML-escaped; all of its parts were unescaped")
        return html.unescape(source), True
    block = None if compiles(source) else find_fenced_python(source)
    if block is not None:
        notes.append("what stood around the fenced tests was left out")
        return f"{block.strip()}\n", False
    return source, False


def _read_title(raw: str, instruction: str) -> str:
    words = " ".join(raw.split()) or next(iter(instruction.strip().splitlines()), "").strip("# ")
    return words[:MAX_TITLE_CHARS]


def _read_weights(sections: Sections, notes: list[str]) -> tuple[dict[str, float], list[Complaint]]:
    raw = undress(sections.raw.get("weights", "")).strip()
    if not raw:
        return {}, []
    try:
        pairs = _parse_weights(raw)
    except ValueError as error:
        return {}, [Complaint("bad_weights", str(error))]
    complaints: list[Complaint] = []
    weights: dict[str, float] = {}
    for name, value in pairs:
        number = _read_number(value)
        if name in weights:
            complaints.append(Complaint("bad_weights", f"{name!r} is given twice"))
        elif number is None:
            complaints.append(Complaint("bad_weights", f"the weight of {name!r} is {value!r}, not a number"))
        else:
            weights[name] = number
    total = math.fsum(weights.values())
    if not complaints and min(weights.values(), default=0) > 0 and 0 < abs(total - 1) <= WEIGHT_SLACK + 1e-9:
        weights = {name: weight / total for name, weight in weights.items()}
        if abs(total - 1) > 1e-6:
            notes.append(f"the weights summed to {total:g} and were scaled to 1")
    return weights, complaints


def _parse_weights(raw: str) -> list[tuple[str, Any]]:
    """Name and value in order. Raises ValueError saying where the JSON breaks."""
    try:
        data = _parse_json(raw)
    except ValueError as error:
        lines = [_WEIGHT_LINE.match(line) for line in raw.strip("{} \n").splitlines() if line.strip()]
        if lines and all(lines):
            return [(line[1], line[2]) for line in lines if line]
        raise ValueError(f"<weights> is not a JSON object: {error}") from error
    if isinstance(data, _Pairs):
        return list(data)
    raise ValueError(f"<weights> must be a JSON object of test name to number, not {type(data).__name__}")


class _Pairs(list[tuple[str, Any]]):
    """A JSON object that keeps duplicate names."""


def _parse_json(raw: str) -> Any:
    """JSON with objects as _Pairs; a comma before a closing bracket is forgiven. ValueError gives the position."""
    try:
        return json.loads(raw, object_pairs_hook=_Pairs)
    except ValueError as error:
        for mended in (re.sub(r",(\s*[}\]])", r"\1", raw), html.unescape(raw)):
            try:
                return json.loads(mended, object_pairs_hook=_Pairs)
            except ValueError:
                continue
        raise error


def _read_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _read_metadata(raw: str, notes: list[str]) -> dict[str, Any]:
    """Nothing in it decides a rollout, so it is never worth refusing a draft for."""
    try:
        data = _parse_json(undress(raw))
    except ValueError as error:
        notes.append(f"<metadata> was left out of account: {error}")
        return {}
    return dict(data) if isinstance(data, _Pairs) else {}


def _list_texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    texts = [" ".join(item.split()) for item in value if isinstance(item, str)] if isinstance(value, list) else []
    return tuple(dict.fromkeys(text for text in texts if text))
