"""Repair problems: an issue and the files it is about; the fix goes to /app/solution.patch (paper §4).

Every code file found in the prompt lies in /app. With a gold patch, the tests apply the diff to the files as given and
look, in rising order of weight: does it apply, does it change the right files, is it the change made upstream (by
syntax tree) or, where the row has tests, do they pass. Another right fix gets part of the reward only, but for those.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any

from terminal_task_gen.errors import GateError
from terminal_task_gen.generate.adapters.adapted import Adapted, fill_suite, write_file_script
from terminal_task_gen.generate.adapters.diffs import FileDiff, apply_diff, parse_diff
from terminal_task_gen.generate.adapters.prompt_files import find_files
from terminal_task_gen.task import TaskFile

CONTRACT = """
The files shown above lie under `/app`, at the paths given; there is no more of the repository than that. Work out from
the issue where the fault is, then settle every edit as a pair: a SEARCH block, which is an exact copy of lines that are
there, and the REPLACE block that takes its place. Make the edits, and save them all as one unified diff, with paths
relative to `/app` (as `git diff` or `diff -u` write it, `a/` and `b/` in front or not), to `/app/solution.patch`.

The diff must apply to the files as they were at the start.
"""
_ASIDE = re.compile(
    r"(^|/)(tests?|testing|docs?|changelogs?|changes|news(fragments)?|releasenotes)(/|\.|$)|(^|/)test_|_test\.|\.(md|rst|txt)$",
    re.I,
)
"""What a repair changes beside the code; the prompt seldom shows it."""


def adapt_swe(row: Mapping[str, Any], max_cases: int, *, patch_reversed: bool = False) -> Adapted:
    """See the module's head."""
    prompt = str(row.get("prompt", "")).strip()
    if not prompt:
        raise GateError("row_no_prompt", "the issue is missing or empty")
    given = _read_files(row.get("files"))
    files = given or find_files(prompt)
    if not files:
        raise GateError("row_no_files", "no code file was found in the prompt, and the row brings none")
    shown = "".join(f"\n\n### {path}\n\n```\n{content}```" for path, content in given.items())
    instruction = f"{prompt}{shown}\n{CONTRACT}"
    task_files = tuple(TaskFile(path=path, content=content) for path, content in sorted(files.items()))
    expected, why = _work_out(files, str(row.get("patch", "")), patch_reversed)
    if not expected:
        return Adapted(instruction=instruction, files=task_files, no_outcome=why)
    tests = str(row.get("tests", "")).strip()
    checks = {"patch_applies": 0.2, "right_files": 0.3, **({"tests": 0.5} if tests else {"change": 0.5})}
    functions = {
        "patch_applies": "check_applies",
        "right_files": "check_files",
        "change": "check_change",
        "tests": "check_tests",
    }
    return Adapted(
        instruction=instruction,
        files=task_files,
        tests=fill_suite(
            "swe_suite.py",
            {"files": files, "expected": expected, "tests": tests},
            [f"def test_{name}(tmp_path: Path) -> None:\n    {functions[name]}(tmp_path)\n" for name in checks],
        ),
        weights={f"test_{name}": weight for name, weight in checks.items()},
        solution=write_file_script("/app/solution.patch", _write_gold(files, expected)),
    )


def _read_files(value: Any) -> dict[str, str]:
    """`{path: content}`, `[{path: …, content: …}]`, or either as JSON in a string."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    if isinstance(value, list):
        value = {entry.get("path"): entry.get("content") for entry in value if isinstance(entry, dict)}
    if not isinstance(value, dict):
        return {}
    pairs = {path.lstrip("/"): text for path, text in value.items() if isinstance(path, str) and isinstance(text, str)}
    return {
        path: text if text.endswith("\n") else f"{text}\n"
        for path, text in pairs.items()
        if ".." not in path.split("/")
    }


def _work_out(files: Mapping[str, str], patch: str, patch_reversed: bool) -> tuple[dict[str, str | None], str]:
    """Path → content after the gold patch, None for a deleted file; or nothing, and why."""
    if not patch.strip():
        return {}, "the row has no gold patch"
    try:
        diffs = parse_diff(patch)
    except ValueError as error:
        return {}, f"the gold patch cannot be read: {error}"
    diffs = [diff.reverse() for diff in diffs] if patch_reversed else diffs
    expected: dict[str, str | None] = {}
    for diff in diffs:
        path = diff.old_path or diff.new_path
        if path not in files and (_ASIDE.search(path) or not diff.hunks):
            continue
        if diff.old_path and path not in files:
            return {}, f"the gold patch changes {path}, which the prompt does not show"
        made = _apply(files.get(path, ""), diff)
        if made is None:
            return {}, f"the gold patch does not fit {path} as the prompt shows it"
        expected[path] = made if diff.new_path else None
    return expected, "" if expected else "the gold patch changes no file of the prompt"


def _apply(content: str, diff: FileDiff) -> str | None:
    if not diff.old_path:
        return "".join(f"{line}\n" for hunk in diff.hunks for line in hunk.new)
    return apply_diff(content, diff.hunks)


def _write_gold(files: Mapping[str, str], expected: Mapping[str, str | None]) -> str:
    """The gold change as a diff of its own, since the row's may speak of files that are not here."""
    parts: list[str] = []
    for path, after in sorted(expected.items()):
        old, new = files.get(path, "").splitlines(keepends=True), (after or "").splitlines(keepends=True)
        heads = (f"a/{path}" if path in files else "/dev/null", f"b/{path}" if after is not None else "/dev/null")
        parts += [
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in difflib.unified_diff(old, new, *heads)
        ]
    return "".join(parts)
