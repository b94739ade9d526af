"""The part of the leak scan that looks for code: of the solution before the actor, of the tests anywhere.

Lines are compared without indentation and comment marks, and runs of tokens too, since code that is wrapped anew is the
same code. What the solution names is its input, or what it rewrites, and may share lines with it.
"""

from __future__ import annotations

import re

from terminal_task_gen.generate.complaint import Complaint
from terminal_task_gen.generate.draft import Draft
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
RUN_TOKENS = 16
"""Tokens in a row that nobody writes alike by chance; a quoted string or a path is one."""
MIN_SHARED_RUNS = 12
MAX_QUOTE_CHARS = 120

_CODE_LIKE = re.compile(r"\w\(|\s=\s|\w=[\"'$(]|\s\|\s|\$[\w({]|\s--?[a-z]")
_NOT_DISTINCTIVE = re.compile(
    r"#|import |from \w+ import |set -|if __name__|with open\(|for \w+ in \w+:$"
    r"|(python3?|bash|sh) /app/|/app/|\./|mkdir |cd "
)
_ANSWER_NAME = re.compile(
    r"(?:\A|[_.-])(?:answers?|solutions?|solve|expected|golden|ground_?truth|oracle|test_outputs)(?:[_.-]|\Z)", re.I
)
_COMMENT_MARK = re.compile(r"^\s*(?:#+|//+|--+|;+|\*|>|\|)\s?", re.MULTILINE)
_TOKEN = re.compile(r""""[^"\n]*"|'[^'\n]*'|[\w./@%+-]*\w|[^\s\w]""")
_COMPUTING = re.compile(r"[=|$]")


def check_code(draft: Draft) -> list[Complaint]:
    """Solution and tests against the instruction and every file."""
    lines = list_distinctive_lines(draft.solution or "")
    complaints = _check_instruction(draft, lines)
    for file in draft.files:
        complaints += _check_file(file, draft, lines)
    return complaints


def list_distinctive_lines(source: str) -> list[str]:
    """Lines of code that two people would not write alike by chance, without indentation, each once."""
    lines = dict.fromkeys(" ".join(line.split()) for line in source.splitlines())
    return [line for line in lines if len(line) >= MIN_LINE_CHARS and _is_code(line)]


def _is_code(line: str) -> bool:
    return bool(_CODE_LIKE.search(line)) and not _NOT_DISTINCTIVE.match(line)


def _check_instruction(draft: Draft, lines: list[str]) -> list[Complaint]:
    text = " ".join(draft.instruction.split())
    complaints = [
        Complaint("leak_solution", f"the instruction holds this line of the solution: {line[:MAX_QUOTE_CHARS]}")
        for line in lines
        if line in text
    ]
    shown = _list_runs(draft.instruction)
    if not complaints and shown & _list_runs(draft.solution or ""):
        complaints.append(Complaint("leak_solution", "the instruction holds code of the solution, differently wrapped"))
    if shown & _list_runs(draft.tests):
        complaints.append(Complaint("leak_source", "the instruction holds code of the tests"))
    named = [name for name in draft.weights if re.search(rf"\b{re.escape(name)}\b", draft.instruction)]
    if named:
        complaints.append(Complaint("leak_source", f"the instruction names tests: {', '.join(named)}"))
    return complaints


def _list_runs(source: str) -> set[tuple[str, ...]]:
    """Runs of tokens in which something is computed or assigned: no examples of a format, no command lines."""
    tokens = _TOKEN.findall(_COMMENT_MARK.sub("", source))
    runs = (tuple(tokens[start : start + RUN_TOKENS]) for start in range(len(tokens) - RUN_TOKENS + 1))
    return {run for run in runs if "(" in run and any(_COMPUTING.fullmatch(token) for token in run)}


def _check_file(file: TaskFile, draft: Draft, solution_lines: list[str]) -> list[Complaint]:
    name = file.path.rsplit("/", 1)[-1]
    text = file.to_bytes().decode(errors="replace")
    if _ANSWER_NAME.search(name.rsplit(".", 1)[0]) and name not in draft.instruction:
        return [
            Complaint("leak_answer_file", f"file {file.path}: by its name an answer, and the instruction is silent")
        ]
    text = _COMMENT_MARK.sub("", text)
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
    if len(_list_runs(text) & _list_runs(draft.solution)) >= MIN_SHARED_RUNS:
        return [Complaint("leak_solution", f"file {file.path} holds code of the solution, differently wrapped")]
    return []


def _is_copy(source: str, held: set[str]) -> bool:
    lines = {" ".join(line.split()) for line in source.splitlines()}
    lines = {line for line in lines if len(line) > 8 and not line.startswith("#")}
    return len(lines) >= MIN_SOURCE_LINES and len(lines & held) / len(lines) >= MAX_SOURCE_PART
