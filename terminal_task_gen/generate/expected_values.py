"""Literals that a suite expects to find: what a solver must come to by work, and must not be told.

Only what stands where an expected value stands is taken: sides of an assertion's comparison, arguments of approx and
its kin, tables that tests loop over, names like EXPECTED. Keys, messages, paths and factors of a formula are not.
"""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

MIN_STRING_CHARS = 12
MIN_ENTROPY_BITS = 3.0
"""Per character. English words have 2.5 to 3.5 at this length, so a digit is asked for as well."""
MIN_SECRET_CHARS = 16
MIN_SECRET_ENTROPY_BITS = 3.5
MIN_DIGITS = 6
"""Significant ones. Shorter numbers (limits, years, tolerances, ports) are in instructions by nature."""

_TRANSPARENT = frozenset(
    {
        "approx",
        "isclose",
        "allclose",
        "abs",
        "round",
        "float",
        "int",
        "str",
        "set",
        "sorted",
        "list",
        "tuple",
        "Decimal",
    }
)
_EXPECTED_NAME = re.compile(r"expect|answer|want|truth|golden|correct", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}:\d{2}")
_COMPACT_DATE = re.compile(r"(?:19|20)\d{6}")
_PATH = re.compile(r"/|\.\w{1,5}\Z")


class ExpectedValue(NamedTuple):
    value: str | float
    line: int


def list_expected_values(tree: ast.AST) -> list[ExpectedValue]:
    """Distinctive ones only: nobody writes them into an instruction by chance."""
    found = dict.fromkeys(
        ExpectedValue(node.value, node.lineno)
        for constant_holder in ast.walk(tree)
        for node in _find_in(constant_holder)
        if isinstance(node.value, str | int | float) and not isinstance(node.value, bool) and is_distinctive(node.value)
    )
    return list(found)


def is_distinctive(value: str | float) -> bool:
    if isinstance(value, str):
        return _is_distinctive_text(value)
    return math.isfinite(value) and count_digits(value) >= MIN_DIGITS and not _COMPACT_DATE.fullmatch(str(value))


def count_digits(value: float) -> int:
    """Significant digits as written shortest: 0.00120 has two, 1500000 has two."""
    mantissa = repr(abs(value)).lower().split("e")[0].replace(".", "")
    return len(mantissa.strip("0"))


def is_secret_like(value: str | float) -> bool:
    """A token or key: no format example or name of a field looks like it. Hex digests do not count, being checks."""
    if not isinstance(value, str) or len(value) < MIN_SECRET_CHARS or measure_entropy(value) < MIN_SECRET_ENTROPY_BITS:
        return False
    kinds = (str.isupper, str.islower, str.isdigit)
    return " " not in value and all(any(kind(character) for character in value) for kind in kinds)


def measure_entropy(text: str) -> float:
    """Shannon, bits per character."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values()) if text else 0.0


def _is_distinctive_text(text: str) -> bool:
    digits = sum(character.isdigit() for character in text)
    if len(text) < MIN_STRING_CHARS or not digits or measure_entropy(text) < MIN_ENTROPY_BITS:
        return False
    # A column name with a digit in it (`temperature_2m`) is part of the format.
    is_name = text.isidentifier() and digits / len(text) < 0.15
    return not (is_name or _DATE.search(text) or _PATH.search(text))


def _find_in(node: ast.AST) -> Iterator[ast.Constant]:
    """Expected constants that this node itself introduces."""
    if isinstance(node, ast.Assert):
        yield from _find_compared(node.test)
    elif isinstance(node, ast.For | ast.comprehension):
        yield from _collect(node.iter)
    elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(t, ast.Name) and _EXPECTED_NAME.search(t.id) for t in targets):
            yield from _collect(node.value)
    elif isinstance(node, ast.Call) and _takes_expected(node.func):
        for argument in node.args:
            yield from _collect(argument)


def _takes_expected(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else ""
    return name == "parametrize" or name.startswith("assert")


def _find_compared(test: ast.expr) -> Iterator[ast.Constant]:
    if isinstance(test, ast.Compare):
        sides = [test.left, *test.comparators]
        for index, side in enumerate(sides):
            # A plain side of an inequality is a bound; of `abs(x - 12.48213) < 0.01` the left is the value itself.
            operators = test.ops[max(0, index - 1) : index + 1]
            is_ordered = any(isinstance(operator, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for operator in operators)
            if not is_ordered or isinstance(side, ast.Call | ast.BinOp):
                yield from _collect(side)
    elif isinstance(test, ast.BoolOp):
        for value in test.values:
            yield from _find_compared(value)
    elif isinstance(test, ast.UnaryOp):
        yield from _find_compared(test.operand)
    elif isinstance(test, ast.Call):
        yield from _collect(test)


def _collect(node: ast.expr) -> Iterator[ast.Constant]:
    children: list[ast.expr] = []
    if isinstance(node, ast.Constant):
        yield node
    elif isinstance(node, ast.Tuple | ast.List | ast.Set):
        children = node.elts
    elif isinstance(node, ast.Dict):
        children = [*(key for key in node.keys if key is not None), *node.values]
    elif isinstance(node, ast.UnaryOp):
        children = [node.operand]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        children = [node.left, node.right]
    elif isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in _TRANSPARENT:
            children = node.args
        elif name == "items" and isinstance(node.func, ast.Attribute):
            children = [node.func.value]
    for child in children:
        yield from _collect(child)
