"""A task's tests as source: its functions, what they really assert, what they import, which literals they expect.

Reading only; the verdict on what is found here is the gates'. Doubtful assertions count as real: refusing a good test
costs more than letting a weak one through to the sandbox gates.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

_SWALLOWING = frozenset({"Exception", "BaseException", "AssertionError"})
_WRITERS = frozenset({"write_text", "write_bytes", "mkdir"})
_DRAWS = frozenset(
    {
        *("random", "randint", "randrange", "choice", "choices", "sample", "shuffle", "uniform", "gauss"),
        *("normalvariate", "getrandbits", "randbytes", "rand", "randn", "normal", "integers", "permutation"),
    }
)
_SKIPS = frozenset({"skip", "skipif", "xfail", "importorskip", "skipIf", "skipUnless"})


@dataclass(frozen=True)
class TestFunction:
    """A `test_*` function at the top level of the module."""

    __test__ = False  # pytest: a record, not a test class

    name: str
    line: int
    has_real_assertion: bool
    trivial_assertions: tuple[int, ...]
    """Line numbers of assertions that hold whatever happens."""
    is_async: bool


@dataclass(frozen=True)
class Suite:
    """The module, read."""

    tree: ast.Module
    functions: tuple[TestFunction, ...]
    duplicates: tuple[str, ...]
    """Names defined twice: the first of them never runs."""
    test_classes: tuple[str, ...]
    skips: tuple[int, ...]
    """Lines that skip a test or expect it to fail."""

    def list_names(self) -> list[str]:
        return [function.name for function in self.functions]


def parse_suite(source: str) -> Suite:
    """Raises SyntaxError (ValueError for a NUL byte) where Python would."""
    tree = ast.parse(source)
    nodes = [node for node in tree.body if isinstance(node, FunctionNode)]
    tests = [node for node in nodes if node.name.startswith("test") and not _is_fixture(node)]
    names = [node.name for node in tests]
    asserting = _find_asserting_functions(nodes)
    return Suite(
        tree=tree,
        functions=tuple(_read_function(node, asserting) for node in tests),
        duplicates=tuple(sorted({name for name in names if names.count(name) > 1})),
        test_classes=tuple(n.name for n in tree.body if isinstance(n, ast.ClassDef) and _holds_tests(n)),
        skips=tuple(sorted({n.lineno for n in ast.walk(tree) if isinstance(n, ast.Attribute) and _is_skip(n)})),
    )


def list_imported_modules(tree: ast.AST) -> list[tuple[str, int]]:
    """Top-level name and line of every import, nested ones too; a relative one as `.`."""
    found: list[tuple[str, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name.split(".")[0], node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(((node.module or "").split(".")[0] if node.level == 0 else ".", node.lineno))
    return found


def list_unseeded_draws(tree: ast.AST) -> list[int]:
    """Lines that draw from the `random` module itself, in a suite that never seeds it; a `Random(7)` is another."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [(node, _dotted(node.func)) for node in calls]
    if any(name.endswith(("random.seed", "RandomState")) for _, name in named):
        return []
    return sorted(
        node.lineno
        for node, name in named
        if (name.startswith(("random.", "np.random.", "numpy.random.")) and name.rpartition(".")[2] in _DRAWS)
        or (name in ("random.Random", "np.random.default_rng", "numpy.random.default_rng") and not node.args)
    )


def _dotted(node: ast.expr) -> str:
    """`a.b.c` as written; empty for anything else."""
    if isinstance(node, ast.Attribute):
        root = _dotted(node.value)
        return f"{root}.{node.attr}" if root else ""
    return node.id if isinstance(node, ast.Name) else ""


def list_strings(tree: ast.AST) -> list[str]:
    return [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def _read_function(node: FunctionNode, asserting: frozenset[str]) -> TestFunction:
    return TestFunction(
        name=node.name,
        line=node.lineno,
        has_real_assertion=any(_is_real(check, asserting) for check in _walk_effective(node)),
        trivial_assertions=tuple(n.lineno for n in ast.walk(node) if isinstance(n, ast.Assert) and is_trivial(n.test)),
        is_async=isinstance(node, ast.AsyncFunctionDef),
    )


def list_created_paths(tree: ast.AST) -> set[str]:
    """Strings that name what the suite itself writes: it need not be known to anybody else."""
    values: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    values.setdefault(target.id, set()).update(list_strings(node.value))
    created: set[str] = set()
    for node in ast.walk(tree):
        place = _find_written(node) if isinstance(node, ast.Call) else None
        if place is not None and not any(isinstance(n, ast.Attribute) and n.attr == "parent" for n in ast.walk(place)):
            created.update(list_strings(place))
            created.update(*(values.get(n.id, ()) for n in ast.walk(place) if isinstance(n, ast.Name)))
    return created


def _find_written(call: ast.Call) -> ast.expr | None:
    """The expression for the path that this call writes to."""
    if isinstance(call.func, ast.Name):
        return call.args[0] if call.func.id == "open" and call.args and _is_writing(call, 1) else None
    if not isinstance(call.func, ast.Attribute):
        return None
    is_written = call.func.attr in _WRITERS or (call.func.attr == "open" and _is_writing(call, 0))
    return call.func.value if is_written else None


def _is_writing(call: ast.Call, position: int) -> bool:
    modes = [*call.args[position : position + 1], *(k.value for k in call.keywords if k.arg == "mode")]
    return any(isinstance(m, ast.Constant) and isinstance(m.value, str) and set(m.value) & set("wax") for m in modes)


def _is_fixture(node: FunctionNode) -> bool:
    called = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
    names = [d.attr if isinstance(d, ast.Attribute) else getattr(d, "id", "") for d in called]
    return any(name in ("fixture", "yield_fixture") for name in names)


def _holds_tests(node: ast.ClassDef) -> bool:
    return any(isinstance(n, FunctionNode) and n.name.startswith("test") for n in node.body)


def _is_skip(node: ast.Attribute) -> bool:
    """`pytest.skip`, `pytest.mark.xfail`, `unittest.skipIf`; not another object's method of that name."""
    root: ast.expr = node.value
    while isinstance(root, ast.Attribute):
        root = root.value
    return node.attr in _SKIPS and isinstance(root, ast.Name) and root.id in ("pytest", "unittest", "mark")


def _find_asserting_functions(nodes: list[FunctionNode]) -> frozenset[str]:
    """Names of the module's functions that assert, directly or through one another."""
    found: frozenset[str] = frozenset()
    while True:
        more = frozenset(n.name for n in nodes if any(_is_real(check, found) for check in _walk_effective(n)))
        if more == found:
            return found
        found = more


def _walk_effective(node: ast.AST) -> Iterator[ast.AST]:
    """The node's descendants without the bodies of `try` statements whose handlers swallow a failed assertion."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Try) and any(_swallows(handler) for handler in child.handlers):
            for part in [*child.handlers, *child.orelse, *child.finalbody]:
                yield from _walk_effective(part)
            continue
        yield child
        yield from _walk_effective(child)


def _swallows(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    catches = any(kind is None or (isinstance(kind, ast.Name) and kind.id in _SWALLOWING) for kind in caught)
    return catches and not any(isinstance(n, ast.Raise | ast.Assert) or _is_fail(n) for n in ast.walk(handler))


def _is_real(node: ast.AST, asserting: frozenset[str]) -> bool:
    if isinstance(node, ast.Assert):
        return not is_trivial(node.test)
    if isinstance(node, ast.Raise):
        return "AssertionError" in ast.dump(node)
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name):
        return node.func.id in asserting or node.func.id in ("raises", "fail")
    return isinstance(node.func, ast.Attribute) and (
        node.func.attr == "raises" or node.func.attr.startswith("assert") or _is_fail(node)
    )


def _is_fail(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fail"


def is_trivial(test: ast.expr) -> bool:
    """True when the expression is true whatever the machine looks like."""
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, ast.Tuple | ast.List | ast.Set):
        # `assert (condition, "message")`: a non-empty tuple.
        return bool(test.elts)
    if isinstance(test, ast.JoinedStr):
        return any(isinstance(part, ast.Constant) for part in test.values)
    if isinstance(test, ast.BoolOp):
        decide = any if isinstance(test.op, ast.Or) else all
        return decide(is_trivial(value) for value in test.values)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return isinstance(test.operand, ast.Constant) and not test.operand.value
    return isinstance(test, ast.Compare) and _is_trivial_comparison(test)


def _is_trivial_comparison(test: ast.Compare) -> bool:
    if len(test.ops) != 1:
        return False
    left, operator, right = test.left, test.ops[0], test.comparators[0]
    if isinstance(operator, ast.Eq | ast.Is | ast.LtE | ast.GtE) and ast.dump(left) == ast.dump(right):
        # `run() == run()` asks for determinism, `value == value` for anything but NaN.
        kinds = ast.Call if isinstance(operator, ast.Is) else ast.Call | ast.Name
        return not any(isinstance(node, kinds) for node in ast.walk(left))
    if isinstance(left, ast.Constant) and isinstance(right, ast.Constant):
        return isinstance(operator, ast.NotEq | ast.IsNot) or (
            isinstance(operator, ast.Eq | ast.Is) and left.value == right.value
        )
    is_length = isinstance(left, ast.Call) and isinstance(left.func, ast.Name) and left.func.id == "len"
    is_zero = isinstance(right, ast.Constant) and right.value == 0
    return is_length and is_zero and isinstance(operator, ast.GtE)
