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
MIN_NOTABLE_CHARS = 8
MIN_PHRASE_WORDS = 4
MIN_NOTABLE_DIGITS = 5
MIN_TELLABLE_CHARS = 4
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
_COMMON_WORDS = frozenset(
    {"true", "false", "none", "null", "name", "value", "total", "count", "error", "passed", "failed"}
)
_EXPECTED_NAME = re.compile(r"expect|answer|want|truth|golden|correct", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}:\d{2}")
_COMPACT_DATE = re.compile(r"(?:19|20)\d{6}")
_FIGURE = re.compile(r"[1-9]\d*\.\d+|0\.\d+|[1-9]\d{2,17}")
_DIGEST = re.compile(r"[0-9a-fA-F]{32,}")
_PATH = re.compile(r"/|\.\w{1,5}\Z")


class ExpectedValue(NamedTuple):
    value: str | float
    line: int


class ExpectedTable(NamedTuple):
    """Values that a test expects together: fields of a record, rows of a result."""

    values: tuple[str | float, ...]
    """In order; of a dictionary the values, nested ones flattened."""
    pairs: tuple[tuple[str, str | float], ...]
    """Of a dictionary, with their keys."""
    line: int


def list_expected_values(tree: ast.AST) -> list[ExpectedValue]:
    """Distinctive ones only: nobody writes them into an instruction by chance."""
    return [expected for expected in list_expected_constants(tree) if is_distinctive(expected.value)]


def list_expected_constants(tree: ast.AST) -> list[ExpectedValue]:
    """All of them, `0` and `ok` included."""
    found = dict.fromkeys(
        ExpectedValue(value, node.lineno)
        for holder in _list_holders(tree)
        for node in _find_in(holder)
        if (value := _read_scalar(node)) is not None
    )
    return list(found)


def list_expected_tables(tree: ast.AST) -> list[ExpectedTable]:
    """Lists, tuples, sets and dictionaries of constants that stand where expected values stand."""
    tables = [
        node
        for holder in _list_holders(tree)
        for root in _find_roots(holder)
        for node in ast.walk(root)
        if isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict)
    ]
    return [_read_table(node) for node in dict.fromkeys(tables)]


def list_keyed_values(tree: ast.AST) -> list[tuple[str, ExpectedValue]]:
    """Values with the key under which they are expected: pairs of dictionaries, and `data["total"] == 251`."""
    found = [(k, ExpectedValue(v, table.line)) for table in list_expected_tables(tree) for k, v in table.pairs]
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            roots = [*_find_compared(node.test)]
            keys = [key for root in roots for part in ast.walk(root) if (key := _read_key(part)) is not None]
            values = [v for root in roots for c in _collect(root) if (v := _read_scalar(c)) is not None]
            found += [(keys[0], ExpectedValue(value, node.lineno)) for value in values if len(set(keys)) == 1]
    return list(dict.fromkeys(found))


def is_distinctive(value: str | float) -> bool:
    if isinstance(value, str):
        return _is_distinctive_text(value)
    return math.isfinite(value) and count_digits(value) >= MIN_DIGITS and not _COMPACT_DATE.fullmatch(str(value))


def is_notable(value: str | float) -> bool:
    """Not distinctive enough to be no parameter, but no common number, name or word of a format either."""
    if isinstance(value, str):
        is_coded = len(value) >= MIN_NOTABLE_CHARS and any(c.isdigit() or c in "{}!$^" for c in value)
        is_phrase = len(value) >= MIN_STRING_CHARS and len(value.split()) >= MIN_PHRASE_WORDS
        is_plain = _PATH.search(value) or _DATE.search(value) or (value.isidentifier() and not is_secret_like(value))
        return (is_coded or is_phrase) and not is_plain
    if not math.isfinite(value) or _COMPACT_DATE.fullmatch(str(value)):
        return False
    return count_digits(value) >= (MIN_NOTABLE_DIGITS if float(value).is_integer() else MIN_NOTABLE_DIGITS - 1)


def is_revealing(value: str | float) -> bool:
    """Even within backticks, where names and versions are at home: a figure, a whole phrase, a flag."""
    if not isinstance(value, str):
        return is_notable(value)
    return is_notable(value) and (len(value.split()) >= MIN_PHRASE_WORDS or "{" in value)


def is_tellable(value: str | float) -> bool:
    """Worth telling at all: told as the answer, it gives something away."""
    if isinstance(value, str):
        return len(value) >= MIN_TELLABLE_CHARS and value.lower() not in _COMMON_WORDS and not _PATH.search(value)
    digits = count_digits(value)
    is_year = float(value).is_integer() and 1900 <= value <= 2100
    return math.isfinite(value) and not is_year and digits >= (3 if float(value).is_integer() else 2)


def is_digest(value: str | float) -> bool:
    """Hex of a digest's length: with it a result can be checked, not known."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


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
    is_name = text.isidentifier() and digits / len(text) < 0.15 and not is_secret_like(text)
    return not (is_name or _DATE.search(text) or _PATH.search(text))


def _read_scalar(node: ast.Constant) -> str | float | None:
    """A figure in a string (a cell of CSV) counts as the number it shows."""
    value = node.value
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str) and _FIGURE.fullmatch(value):
        return float(value) if "." in value else int(value)
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def _read_key(node: ast.AST) -> str | None:
    """Of `x["key"]` and `x.get("key")`."""
    if isinstance(node, ast.Subscript):
        key: ast.expr | None = node.slice
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        key = node.args[0] if node.args else None
    else:
        return None
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None


def _read_table(node: ast.List | ast.Tuple | ast.Set | ast.Dict) -> ExpectedTable:
    pairs: list[tuple[str, str | float]] = []
    if isinstance(node, ast.Dict):
        for key, item in zip(node.keys, node.values, strict=True):
            value = next((_read_scalar(c) for c in _collect(item)), None) if not isinstance(item, ast.Dict) else None
            if isinstance(key, ast.Constant) and value is not None:
                pairs.append((str(key.value), value))
    items = node.values if isinstance(node, ast.Dict) else node.elts
    scalars = (_read_scalar(constant) for item in items for constant in _collect(item, with_keys=False))
    return ExpectedTable(tuple(v for v in scalars if v is not None), tuple(pairs), node.lineno)


def _list_holders(tree: ast.AST) -> list[ast.AST]:
    """All nodes, and what is assigned to plain names that an assertion then compares with."""
    nodes = list(ast.walk(tree))
    leaves = (leaf for node in nodes for root in _find_roots(node) for leaf in _reach(root))
    compared = {leaf.id for leaf in leaves if isinstance(leaf, ast.Name)}
    assigned = [
        ast.copy_location(ast.Assign(targets=[ast.Name(id="expected")], value=node.value), node)
        for node in nodes
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id in compared for target in node.targets)
    ]
    return [*nodes, *assigned]


def _find_in(node: ast.AST) -> Iterator[ast.Constant]:
    """Expected constants that this node itself introduces; the keys of what is looped over are inputs."""
    for root in _find_roots(node):
        yield from _collect(root, with_keys=not isinstance(node, ast.For | ast.comprehension))


def _find_roots(node: ast.AST) -> Iterator[ast.expr]:
    """Expressions that stand where an expected value stands."""
    if isinstance(node, ast.Assert):
        yield from _find_compared(node.test)
    elif isinstance(node, ast.For | ast.comprehension):
        yield node.iter
    elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(t, ast.Name) and _EXPECTED_NAME.search(t.id) for t in targets):
            yield node.value
    elif isinstance(node, ast.Call) and _takes_expected(node.func):
        yield from node.args


def _takes_expected(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else ""
    return name == "parametrize" or name.startswith("assert")


def _find_compared(test: ast.expr) -> Iterator[ast.expr]:
    if isinstance(test, ast.Compare):
        sides = [test.left, *test.comparators]
        for index, side in enumerate(sides):
            # A plain side of an inequality is a bound; of `abs(x - 12.48213) < 0.01` the left is the value itself.
            operators = test.ops[max(0, index - 1) : index + 1]
            is_ordered = any(isinstance(operator, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for operator in operators)
            if not is_ordered or isinstance(side, ast.Call | ast.BinOp):
                yield side
    elif isinstance(test, ast.BoolOp):
        for value in test.values:
            yield from _find_compared(value)
    elif isinstance(test, ast.UnaryOp):
        yield from _find_compared(test.operand)
    elif isinstance(test, ast.Call):
        yield test


def _collect(node: ast.expr, *, with_keys: bool = True) -> Iterator[ast.Constant]:
    return (leaf for leaf in _reach(node, with_keys=with_keys) if isinstance(leaf, ast.Constant))


def _reach(node: ast.expr, *, with_keys: bool = True) -> Iterator[ast.Constant | ast.Name]:
    """Constants and names that stand for a value itself, not for a part of its computation."""
    children: list[ast.expr] = []
    if isinstance(node, ast.Constant | ast.Name):
        yield node
    elif isinstance(node, ast.Tuple | ast.List | ast.Set):
        children = node.elts
    elif isinstance(node, ast.Dict):
        children = [*(key for key in node.keys if key is not None and with_keys), *node.values]
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
        yield from _reach(child, with_keys=with_keys)
