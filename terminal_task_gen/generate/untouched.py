"""Shipped files that a test compares with what they were: their text in the tests is no answer, it guards the input.

Only the whole text counts, and only in a test that names that very file. An answer that lies about in a file of its own
is compared with what the solver wrote elsewhere, so it is still found.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from terminal_task_gen.task import TaskFile

_HOME = "/app/"
_PATH_MAKERS = frozenset({"Path", "PurePath", "PosixPath", "str", "join"})


def list_untouched(tree: ast.Module, files: Sequence[TaskFile]) -> set[tuple[str, str]]:
    """Path of a file and the string by which a test asks that it be as shipped."""
    texts = {file.path: file.content.strip() for file in files if file.encoding == "utf-8" and file.content.strip()}
    named = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return {
        (path, value)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for path, value in _match(list(_list_parts(function, named)), named, texts)
    }


def _match(parts: list[ast.AST], named: Mapping[str, ast.expr], texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    paths = {_fold(part, named).removeprefix(_HOME) for part in parts if isinstance(part, ast.expr)}
    values = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    for path in paths & texts.keys():
        yield from ((path, value) for value in values if value.strip() == texts[path])


def _list_parts(function: ast.AST, named: Mapping[str, ast.expr]) -> Iterator[ast.AST]:
    """What stands in a function, and in the module's own names that it uses."""
    for node in ast.walk(function):
        yield node
        if isinstance(node, ast.Name) and node.id in named:
            yield from ast.walk(named[node.id])


def _fold(node: ast.expr, named: Mapping[str, ast.expr], depth: int = 8) -> str:
    """The path that an expression writes down (`ROOT / "etc" / "a.ini"`); empty where it is none, or not plain."""
    if depth == 0:
        return ""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.Name):
        return _fold(named[node.id], named, depth - 1) if node.id in named else ""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return _join([_fold(node.left, named, depth - 1), _fold(node.right, named, depth - 1)])
    if isinstance(node, ast.Call) and _get_name(node.func) in _PATH_MAKERS:
        return _join([_fold(argument, named, depth - 1) for argument in node.args])
    return ""


def _join(parts: list[str]) -> str:
    """With an unknown part the place is unknown."""
    return "/".join(part.rstrip("/") for part in parts) if parts and all(parts) else ""


def _get_name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
