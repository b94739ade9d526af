"""Repair rows: every file of the prompt is there, and the gold patch is what the tests compare with."""

from __future__ import annotations

import json

import pytest

from terminal_task_gen.errors import GateError
from terminal_task_gen.generate.adapters.diffs import apply_diff, parse_diff
from terminal_task_gen.generate.adapters.prompt_files import find_files
from terminal_task_gen.generate.adapters.swe_rows import adapt_swe

CALC = "def add(a, b):\n    return a - b\n\n\ndef mul(a, b):\n    return a * b\n"
FIXED = CALC.replace("a - b", "a + b")
GOLD = """diff --git a/pkg/calc.py b/pkg/calc.py
--- a/pkg/calc.py
+++ b/pkg/calc.py
@@ -1,4 +1,4 @@
 def add(a, b):
-    return a - b
+    return a + b


"""
CHANGES = (
    "diff --git a/docs/news.rst b/docs/news.rst\n--- a/docs/news.rst\n+++ b/docs/news.rst\n@@ -1 +1,2 @@\n x\n+y\n"
)
NUMBERED = "".join(f"{n} {line}\n" for n, line in enumerate(CALC.rstrip("\n").split("\n"), start=1))


@pytest.mark.parametrize(
    "prompt",
    [
        f"Issue.\n<code>\n[start of pkg/calc.py]\n{NUMBERED}[end of pkg/calc.py]\n</code>",
        f"Issue.\n[start of pkg/calc.py]\n{CALC}[end of pkg/calc.py]",
        f"Issue.\n\n--- BEGIN FILE ---\n```\n### pkg/calc.py\n{CALC}```\n--- END FILE ---\n",
        f'Issue.\n<file path="/pkg/calc.py">\n{CALC}</file>',
        f"Issue.\n\n### pkg/calc.py\n\n```python\n{CALC}```\n",
        f"Issue.\r\n\r\nFile: `./pkg/calc.py`\r\n```\r\n{CALC}```\r\n",
    ],
)
def test_files_are_found_in_every_form(prompt: str) -> None:
    assert find_files(prompt) == {"pkg/calc.py": CALC}


def test_several_files_of_one_section() -> None:
    text = "--- BEGIN FILE ---\n```\n### a.py\nx = 1\n### lib/b.c\nint y;\n```\n--- END FILE ---"
    assert find_files(text) == {"a.py": "x = 1\n", "lib/b.c": "int y;\n"}


def test_what_is_no_file_is_not_found() -> None:
    text = "```python\nprint(1)\n```\n### Steps to reproduce\n```\nrun it\n```\n### ../../etc/passwd.txt\n```\nx\n```"
    assert find_files(text) == {}


def test_numbers_that_belong_to_the_file_stay() -> None:
    assert find_files("[start of a.csv]\n3 x\n1 y\n[end of a.csv]") == {"a.csv": "3 x\n1 y\n"}


def test_gold_patch_becomes_tests_and_solution() -> None:
    adapted = adapt_swe({"prompt": f"Issue.\n### pkg/calc.py\n```\n{CALC}```", "patch": GOLD + CHANGES}, 12)
    assert [(file.path, file.content) for file in adapted.files] == [("pkg/calc.py", CALC)]
    assert adapted.weights == {"test_patch_applies": 0.2, "test_right_files": 0.3, "test_change": 0.5}
    assert json.dumps(FIXED)[1:-1].replace("\\", "\\\\") in adapted.tests
    assert adapted.solution is not None
    assert "+    return a + b" in adapted.solution
    assert "news.rst" not in adapted.solution
    assert "a + b" not in adapted.instruction
    compile(adapted.tests, "tests", "exec")


def test_a_patch_that_makes_the_bug_is_reversed() -> None:
    row = {"prompt": "It adds.", "files": {"pkg/calc.py": FIXED}, "patch": GOLD}
    adapted = adapt_swe(row, 12, patch_reversed=True)
    assert "-    return a + b" in (adapted.solution or "")
    assert f"### pkg/calc.py\n\n```\n{FIXED}```" in adapted.instruction


def test_tests_of_the_row_take_the_place_of_likeness() -> None:
    row = {"prompt": "It adds.", "files": json.dumps([{"path": "pkg/calc.py", "content": CALC}]), "patch": GOLD}
    adapted = adapt_swe({**row, "tests": "def test_add():\n    pass"}, 12)
    assert adapted.weights == {"test_patch_applies": 0.2, "test_right_files": 0.3, "test_tests": 0.5}


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        ("", "no gold patch"),
        (GOLD.replace("return a - b", "return a / b"), "does not fit pkg/calc.py"),
        (GOLD.replace("pkg/calc.py", "pkg/other.py"), "changes pkg/other.py, which the prompt does not show"),
        (CHANGES, "changes no file of the prompt"),
        (GOLD.rstrip("\n") + "\nx", "cannot be read"),
    ],
)
def test_without_a_usable_gold_patch_there_is_no_outcome(patch: str, why: str) -> None:
    adapted = adapt_swe({"prompt": f"### pkg/calc.py\n```\n{CALC}```", "patch": patch}, 12)
    assert adapted.weights == {}
    assert why in adapted.no_outcome
    assert adapted.files


def test_a_row_without_files_is_refused() -> None:
    with pytest.raises(GateError, match="row_no_files"):
        adapt_swe({"prompt": "Something is wrong.", "patch": GOLD}, 12)


def test_hunks_fit_where_their_lines_have_moved_to() -> None:
    hunks = parse_diff(GOLD)[0].hunks
    assert apply_diff(f"# head\n\n{CALC}", hunks) == f"# head\n\n{FIXED}"
    assert apply_diff(FIXED, hunks) is None
    assert apply_diff(FIXED, parse_diff(GOLD)[0].reverse().hunks) == CALC


def test_added_and_deleted_files() -> None:
    added, deleted = parse_diff(
        "--- /dev/null\n+++ b/new.py\n@@ -0,0 +1,1 @@\n+x = 1\n--- a/old.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-y = 1\n"
    )
    assert (added.old_path, added.new_path, added.hunks[0].new) == ("", "new.py", ("x = 1",))
    assert (deleted.old_path, deleted.new_path) == ("old.py", "")
