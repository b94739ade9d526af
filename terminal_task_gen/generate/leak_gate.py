"""The mechanical leak scan: nothing that the solution does or the tests expect may lie before the actor.

Looked for are code of the solution in the instruction or in a file, the tests or the solution shipped as a file (also
by name), and distinctive expected values, in the instruction or in a file that the solution does not even read. What
is natural is let through: format examples and paths in backticks, files that the solution rewrites, answers that are
picked from the input.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from terminal_task_gen.generate.complaint import Complaint
from terminal_task_gen.generate.draft import Draft
from terminal_task_gen.generate.expected_values import ExpectedValue, is_secret_like, list_expected_values
from terminal_task_gen.generate.static_case import StaticCase
from terminal_task_gen.task import TaskFile

MIN_LINE_CHARS = 25
"""Shorter code lines (`import json`, `sort -u`) are shared by programs that have nothing to do with each other."""
MIN_SHARED_LINES = 3
"""In a file, idioms are shared by chance; three distinctive lines are not."""
MAX_SHARED_PART = 0.5
"""Half of a short solution's distinctive lines in one file is a leak even below the count."""
MIN_SOURCE_LINES = 5
MAX_SOURCE_PART = 0.6
"""A file that holds this part of the tests' or the solution's lines is a copy of them."""
MAX_QUOTE_CHARS = 120

_CODE_LIKE = re.compile(r"\w\(|\s=\s|\w=[\"'$(]|\s\|\s|\$[\w({]|\s--?[a-z]")
_NOT_DISTINCTIVE = re.compile(
    r"#|import |from \w+ import |set -|if __name__|with open\(|for \w+ in \w+:$"
    r"|(python3?|bash|sh) /app/|/app/|\./|mkdir |cd "
)
_ANSWER_NAME = re.compile(
    r"(?:\A|[_.-])(?:answers?|solutions?|solve|expected|golden|ground_?truth|oracle|test_outputs)(?:[_.-]|\Z)", re.I
)
_CODE_SPAN = re.compile(r"```.*?```|~~~.*?~~~|`[^`\n]*`", re.DOTALL)
_CHANGE_FOLDER = re.compile(r"^\s*(?:cd|mkdir)\b[^;&|\n]*", re.MULTILINE)
_AS_A_WHOLE = r"""/?(?:[\s"';)]|\Z|[^\s"']*[*?\[{$%])"""
"""What follows a folder's name when its contents are meant: nothing more, or a pattern."""
_NUMBER = re.compile(r"(?<![\w.])\d[\d,_]*(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w])")


def check_leaks(case: StaticCase) -> list[Complaint]:
    solution = case.draft.solution or ""
    lines = list_distinctive_lines(solution)
    complaints = _check_instruction_code(case.draft.instruction, lines)
    expected = list_expected_values(case.suite.tree)
    complaints += _check_told_values(case.draft.instruction, expected)
    complaints += _check_shipped_values(case.draft, expected)
    for file in case.draft.files:
        complaints += _check_file(file, case.draft, lines)
    return complaints


def list_distinctive_lines(source: str) -> list[str]:
    """Lines of code that two people would not write alike by chance, without indentation, each once."""
    lines = dict.fromkeys(" ".join(line.split()) for line in source.splitlines())
    return [line for line in lines if len(line) >= MIN_LINE_CHARS and _is_code(line)]


def _is_code(line: str) -> bool:
    return bool(_CODE_LIKE.search(line)) and not _NOT_DISTINCTIVE.match(line)


def _check_instruction_code(instruction: str, lines: list[str]) -> list[Complaint]:
    text = " ".join(instruction.split())
    return [
        Complaint("leak_solution", f"the instruction holds this line of the solution: {line[:MAX_QUOTE_CHARS]}")
        for line in lines
        if line in text
    ]


def _check_told_values(instruction: str, expected: list[ExpectedValue]) -> list[Complaint]:
    prose = _read_text(_CODE_SPAN.sub(" ", instruction))
    whole = _read_text(instruction)
    told = [e for e in expected if prose.holds(e.value) or (is_secret_like(e.value) and whole.holds(e.value))]
    return [
        Complaint(
            "leak_literal",
            f"{value!r}, which line {line} of the tests expects, stands in the instruction; a value to be found must "
            "not be told, and a parameter that is given belongs in a file or in backticks",
        )
        for value, line in told
    ]


def _check_shipped_values(draft: Draft, expected: list[ExpectedValue]) -> list[Complaint]:
    """An answer in a file that the solution does without is an answer lying about; elsewhere it is input."""
    if draft.solution is None:
        return []
    texts = {file.path: _read_text(file.to_bytes().decode(errors="replace")) for file in draft.files}
    read = {path for path in texts if _is_reached(path, draft.solution)}
    complaints: list[Complaint] = []
    for value, line in expected:
        places = [path for path, text in texts.items() if text.holds(value)]
        if places and not read.intersection(places):
            text = f"{value!r}, which line {line} of the tests expects, stands in {places[0]}, which the solution does"
            complaints.append(Complaint("leak_literal", f"{text} not read"))
    return complaints


def _is_reached(path: str, solution: str) -> bool:
    """The solution names the file, or one like it (`*.log`), or a folder above it in whole or with a pattern."""
    name = path.rsplit("/", 1)[-1]
    _, dot, suffix = name.rpartition(".")
    if name in solution or (dot and f"*.{suffix}" in solution):
        return True
    commands = _CHANGE_FOLDER.sub("", solution)
    folders = ["/app", *path.split("/")[:-1]]
    return any(re.search(rf"{re.escape(folder)}{_AS_A_WHOLE}", commands) for folder in folders)


@dataclass(frozen=True)
class _Text:
    """Text in which values are looked up, its numbers read once."""

    text: str
    numbers: frozenset[float]

    def holds(self, value: str | float) -> bool:
        return value in self.text if isinstance(value, str) else abs(value) in self.numbers


def _read_text(text: str) -> _Text:
    return _Text(text, frozenset(_parse_number(match) for match in _NUMBER.findall(text)))


def _check_file(file: TaskFile, draft: Draft, solution_lines: list[str]) -> list[Complaint]:
    name = file.path.rsplit("/", 1)[-1]
    text = file.to_bytes().decode(errors="replace")
    if _ANSWER_NAME.search(name.rsplit(".", 1)[0]) and name not in draft.instruction:
        return [
            Complaint("leak_answer_file", f"file {file.path}: by its name an answer, and the instruction is silent")
        ]
    held = {" ".join(line.split()) for line in text.splitlines()}
    if _is_copy(draft.tests, held):
        return [Complaint("leak_source", f"file {file.path} holds the tests")]
    # A file that the solution names is its input, or what it rewrites: most of its lines are rightly in both.
    if draft.solution is None or name in draft.solution:
        return []
    if _is_copy(draft.solution, held):
        return [Complaint("leak_source", f"file {file.path} holds the solution")]
    shared = [line for line in solution_lines if line in held]
    if len(shared) >= MIN_SHARED_LINES or (shared and len(shared) / len(solution_lines) >= MAX_SHARED_PART):
        quote = shared[0][:MAX_QUOTE_CHARS]
        return [Complaint("leak_solution", f"file {file.path} holds {len(shared)} lines of the solution, e.g. {quote}")]
    return []


def _is_copy(source: str, held: set[str]) -> bool:
    lines = {" ".join(line.split()) for line in source.splitlines()}
    lines = {line for line in lines if len(line) > 8 and not line.startswith("#")}
    return len(lines) >= MIN_SOURCE_LINES and len(lines & held) / len(lines) >= MAX_SOURCE_PART


def _parse_number(text: str) -> float:
    return float(text.replace(",", "").replace("_", "").rstrip("."))
