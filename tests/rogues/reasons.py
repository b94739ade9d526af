"""Reads out of the source every reason and every protocol message there is, so that none can be without a rogue."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "terminal_task_gen"
REFUSALS = ("Complaint", "TeacherRefusedError")
"""What an author's reply is refused with; the reason is the first argument. A bare GateError refuses a task that was
made elsewhere, about which no teacher is asked."""


def list_gate_reasons() -> set[str]:
    """Of every refusal in `generate/`. A reason that cannot be read off fails, and says where."""
    found: set[str] = set()
    for path in sorted((PACKAGE / "generate").rglob("*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        for scope, call in _list_calls(module):
            if isinstance(call.func, ast.Name) and call.func.id in REFUSALS:
                reasons = {*_list_values(call.args[0], scope), *_list_passed(call.args[0], scope, module)}
                assert reasons, f"{path.name}:{call.lineno}: which reasons can this be? Write them out near by"
                found |= reasons
    return found


def list_protocol_messages(dialect: str) -> set[str]:
    """Errors, warnings and repairs of a dialect as regular expressions: what is filled in becomes `.*`."""
    tree = ast.parse((PACKAGE / "rollout" / f"{dialect}_dialect.py").read_text(encoding="utf-8"))
    constants = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    found: set[str] = set()
    for _, call in _list_calls(tree):
        is_error = isinstance(call.func, ast.Name) and call.func.id == "_UnreadableError"
        is_warning = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "warnings"
        if is_error or (is_warning and not isinstance(call.args[0], ast.Call)):
            found.update(_list_patterns(call.args[0], constants))
        told = [word.value for word in call.keywords if word.arg == "error"]
        found.update(pattern for value in told for pattern in _list_told(value, constants))
    yields = [node.value for node in ast.walk(tree) if isinstance(node, ast.Yield) and node.value is not None]
    found.update(pattern for value in yields for pattern in _list_told(value, constants))
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "_FIXES":
            assert isinstance(node.value, ast.Tuple)
            found.update(p for fix in node.value.elts if isinstance(fix, ast.Tuple) for p in _list_patterns(fix, {}))
    return found


def _list_calls(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.Call]]:
    """Every call with the function (or module) that it stands in."""

    def walk(node: ast.AST, scope: ast.AST) -> Iterator[tuple[ast.AST, ast.Call]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                yield scope, child
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from walk(child, child if is_function else scope)

    return walk(tree, tree)


def _list_values(node: ast.expr, scope: ast.AST) -> Iterator[str]:
    """The strings that an expression can be: a literal, or what is assigned to its name, or looped over by it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Name):
        for target, value in _list_bindings(scope, node):
            if isinstance(target, ast.Name) and target.id == node.id:
                yield from _list_values(value, scope)


def _list_passed(node: ast.expr, scope: ast.AST, module: ast.Module) -> Iterator[str]:
    """The strings that the module's calls hand to the parameter of this name."""
    if not isinstance(node, ast.Name) or not isinstance(scope, ast.FunctionDef):
        return
    names = [argument.arg for argument in scope.args.args]
    for caller, call in _list_calls(module):
        if node.id in names and isinstance(call.func, ast.Name) and call.func.id == scope.name:
            values = list(_list_values(call.args[names.index(node.id)], caller))
            assert values, f"line {call.lineno}: which reasons can this be? Write them out near by"
            yield from values


def _list_bindings(scope: ast.AST, use: ast.Name) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Names and values of assignments and loops, tuples taken apart; of comprehensions only those that hold `use`."""
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _take_apart(target, node.value)
        loops: list[ast.For | ast.comprehension] = [node] if isinstance(node, ast.For) else []
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp) and use in ast.walk(node):
            loops += node.generators
        for loop in loops:
            for value in _list_items(loop.iter, scope):
                yield from _take_apart(loop.target, value)


def _take_apart(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        yield from zip(target.elts, value.elts, strict=False)
    else:
        yield target, value


def _list_items(node: ast.expr, scope: ast.AST) -> list[ast.expr]:
    """What a loop over this goes through: a tuple, a list, or a dictionary's items."""
    if isinstance(node, ast.Tuple | ast.List):
        return node.elts
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return [ast.Tuple(elts=[key, value], ctx=ast.Load()) for key, value in pairs if key is not None]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "items":
        name = ast.unparse(node.func.value)
        for assignment in ast.walk(scope):
            if isinstance(assignment, ast.Assign) and ast.unparse(assignment.targets[0]) == name:
                return _list_items(assignment.value, scope)
    return []


def _list_told(node: ast.expr, constants: dict[str, ast.expr]) -> Iterator[str]:
    """Of an expression that is a message itself; what calls or picks something is none."""
    if isinstance(node, ast.Constant | ast.JoinedStr):
        yield from _list_patterns(node, constants)


def _list_patterns(node: ast.AST, constants: dict[str, ast.expr]) -> Iterator[str]:
    """Outermost strings in the node; what they hold in braces is not looked into."""
    if isinstance(node, ast.JoinedStr):
        parts = (re.escape(str(p.value)) if isinstance(p, ast.Constant) else ".*" for p in node.values)
        yield "".join(parts)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.escape(node.value)
    elif isinstance(node, ast.Name) and node.id in constants:
        yield from _list_patterns(constants[node.id], {})
    elif isinstance(node, ast.GeneratorExp):
        yield from _list_patterns(node.elt, constants)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _list_patterns(child, constants)
