"""Crashes of tests on an untouched machine that are the suite's own fault, whatever a solver makes.

Asked only where no reference solution can show that the suite is passable. An output that is not there yet explains
FileNotFoundError and its kin; it does not explain a misspelt name. Code and data that are shipped to be mended may
explain more, so they are given the benefit of the doubt.
"""

from __future__ import annotations

import re

from terminal_task_gen.generate.draft import Draft
from terminal_task_gen.generate.static_gates import list_task_modules

_PLACE = re.compile(r"\A(?:(?:setup|teardown): )?test_outputs\.py:\d+: (\w+)(?:: (.*))?", re.DOTALL)
_SYNTAX_ERROR = re.compile(r"^SyntaxError: ", re.MULTILINE)
_MODULE = re.compile(r"No module named '([\w.]+)'|from '([\w.]+)'|module '([\w.]+)'")


def is_suite_fault(message: str, draft: Draft) -> bool:
    """Whether the crash with this message (place, exception, text) cannot be due to what is not made yet."""
    if _SYNTAX_ERROR.search(message):
        return not _looks_at_shipped_files(draft)
    # Raised elsewhere than in the suite's own lines it may come from the code that is to be mended.
    raised = _PLACE.match(message)
    if raised is None:
        return False
    kind, text = raised[1], raised[2] or ""
    if kind in ("NameError", "UnboundLocalError"):
        return True
    if kind == "TypeError":
        return "NoneType" not in text and not _looks_at_shipped_files(draft)
    if kind in ("ImportError", "ModuleNotFoundError") or (kind == "AttributeError" and "module '" in text):
        return not _names_task_module(text, draft)
    return False


def _names_task_module(text: str, draft: Draft) -> bool:
    named = _MODULE.search(text)
    parts = set((named[1] or named[2] or named[3]).split(".")) if named else set()
    # A module loaded from a path may go by any name; its file's is then in the tests.
    return named is None or bool(parts & list_task_modules(draft)) or "importlib" in draft.tests


def _looks_at_shipped_files(draft: Draft) -> bool:
    names = (file.path.rsplit("/", 1)[-1] for file in draft.files)
    return any(
        re.search(rf"\b{re.escape(part)}\b", draft.tests) for n in names for part in (n, n.split(".")[0]) if part
    )
