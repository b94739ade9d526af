"""Rooms stay small enough to read: hard limits on files and functions of the package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "terminal_task_gen"
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if not {"repertoire", "_data"} & set(path.parts)]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
FORBIDDEN_NAMES = ("utils", "common", "helpers", "core", "misc")
FORBIDDEN_SUFFIXES = ("Manager", "Helper", "Handler", "Processor", "Service", "Util")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_is_small_and_says_what_it_is(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert source.count("\n") <= MAX_FILE_LINES, f"{path.name}: two rooms in one?"
    assert path.stem not in FORBIDDEN_NAMES, f"{path.stem}: a function with no home is a missing noun"
    assert ast.get_docstring(tree), f"{path.name} opens without saying what it owns"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{path.name}:{node.lineno} {node.name}: {length} lines"
        if isinstance(node, ast.ClassDef):
            assert not node.name.endswith(FORBIDDEN_SUFFIXES), f"{node.name}: name it by its noun"
