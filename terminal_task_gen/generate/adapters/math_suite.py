"""The answer in /app/solution.txt is the right one, in whatever form it is written."""

import ast
import json
import math
import operator
import re
from collections.abc import Callable
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

EXPECTED: str = json.loads("null")
SOLUTION = Path("/app/solution.txt")
RELATIVE_TOLERANCE = 1e-6
MAX_CHARS = 4_000
POINTS = (0.7310585, 1.6180339, 2.2360679)
NAMES = {"pi": math.pi, "e": math.e}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sqrt": math.sqrt, "sin": math.sin, "cos": math.cos, "tan": math.tan, "log": math.log, "ln": math.log,
    "exp": math.exp, "arctan": math.atan, "arcsin": math.asin, "arccos": math.acos, "abs": abs,
    "binom": lambda n, k: math.comb(int(n), int(k)) if n <= 1000 else None, "floor": math.floor, "ceil": math.ceil,
}  # fmt: skip
OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}  # fmt: skip


def find_answer(text: str) -> str:
    """The last \\boxed{...} if there is one, else the last line that is not empty."""
    start = text.rfind("\\boxed{")
    if start >= 0:
        depth, begin = 0, start + len("\\boxed")
        for position in range(begin, len(text)):
            depth += {"{": 1, "}": -1}.get(text[position], 0)
            if depth == 0:
                return text[begin + 1 : position]
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else ""


def normalise(text: str) -> str:
    """One spelling for what LaTeX and people write in many."""
    text = find_answer(text).strip()
    text = re.sub(r"^(?:the\s+)?(?:final\s+)?answer\s*(?:is|:|=)\s*", "", text, flags=re.IGNORECASE)
    text = (
        text.strip().rstrip(".").strip("$").replace("\\(", "").replace("\\)", "").replace("\\[", "").replace("\\]", "")
    )
    text = re.sub(r"\\(?:text|mathrm|mathbf|textbf|operatorname)\s*\{([^{}]*)\}", r" \1 ", text)
    text = re.sub(r"\\(?:left|right|displaystyle|,|;|!|:|quad|qquad)(?![a-zA-Z])", "", text)
    text = text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").replace("\\cfrac", "\\frac")
    text = text.replace("−", "-").replace("–", "-").replace("×", "*").replace("·", "*").replace("π", "\\pi")
    text = text.replace("√", "\\sqrt").replace("∞", "\\infty").replace("°", "").replace("^\\circ", "")
    text = text.replace("^{\\circ}", "").replace("\\%", "").replace("%", "").replace("\\$", "")
    text = (
        re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
        if re.fullmatch(r"\s*-?\d{1,3}(,\d{3})+(\.\d+)?\s*", text)
        else text
    )
    text = re.sub(r"\\frac\s*(\d)\s*(\d)", r"((\1)/(\2))", text)
    text = expand(text, "\\frac", 2, lambda a, b: f"(({a})/({b}))")
    text = expand(text, "\\binom", 2, lambda a, b: f"binom({a};{b})")
    text = re.sub(r"\\sqrt\s*\[(\w+)\]\s*\{([^{}]*)\}", r"((\2)^(1/\1))", text)
    text = expand(text, "\\sqrt", 1, lambda a: f"sqrt({a})")
    text = re.sub(r"\\sqrt\s*(\w)", r"sqrt(\1)", text)
    text = text.replace("\\cdot", "*").replace("\\times", "*").replace("\\div", "/")
    text = text.replace("\\{", "{").replace("\\}", "}").replace("\\le", "<=").replace("\\ge", ">=")
    text = re.sub(
        r"\\(pi|infty|cup|cap|ln|log|sin|cos|tan|exp|arctan|arcsin|arccos|in|emptyset|pm|mid)(?![a-zA-Z])",
        r" \1 ",
        text,
    )
    text = re.sub(r"\^\s*\{([^{}]*)\}", r"^(\1)", text)
    return re.sub(
        r"^(-?[\d./]+)\s+(?!pi\b|infty\b|sqrt\b)[a-zA-Z]{2,}(?: [a-zA-Z]{2,})*(?:\^\(?\d\)?)?$",
        r"\1",
        " ".join(text.split()),
    )


def expand(text: str, command: str, arguments: int, write: Callable[..., str]) -> str:
    """`\\command{a}{b}` → write(a, b), innermost last; braces may nest."""
    start = text.find(command + "{")
    while start >= 0:
        parts: list[str] = []
        position = start + len(command)
        while len(parts) < arguments and position < len(text) and text[position] == "{":
            depth, begin = 0, position
            while position < len(text):
                depth += {"{": 1, "}": -1}.get(text[position], 0)
                position += 1
                if depth == 0:
                    break
            parts.append(text[begin + 1 : position - 1])
        if len(parts) < arguments:
            return text
        text = text[:start] + write(*(expand(part, command, arguments, write) for part in parts)) + text[position:]
        start = text.find(command + "{")
    return text


def split_top(text: str) -> list[str]:
    """At the commas outside of all brackets."""
    parts: list[str] = []
    depth = begin = 0
    for position, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append(text[begin:position])
            begin = position + 1
    return [part.strip() for part in [*parts, text[begin:]]]


def is_wrapped(text: str, opening: str, closing: str) -> bool:
    """`(1, 2)` is, `(1, 2), (3, 4)` is not."""
    if len(text) < 2 or text[0] != opening or text[-1] != closing:
        return False
    depths = list(accumulate((c in "([{") - (c in ")]}") for c in text))
    return 0 not in depths[:-1]


def read_tree(text: str) -> ast.expr | None:
    """An expression over +-*/^, functions, constants and single-letter variables; None when it is something else."""
    text = re.sub(
        r"(?<=\d)\s*(?=(?!e[+-]?\d)[a-zA-Z(])|(?<=\))\s*(?=[\w(])", "*", text.replace("^", "**").replace(";", ",")
    )
    text = re.sub(rf"\b({'|'.join(FUNCTIONS)})\s+(\w+)", r"\1(\2)", text)
    text = re.sub(r"(?<![a-zA-Z])([a-zA-Z])(?:\s+(?=[a-zA-Z])|\s*(?=\())", r"\1*", text)
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def compute(node: ast.expr, point: float | None) -> Any:
    """Exact where the expression is rational, a float otherwise. Raises on anything but arithmetic."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return Fraction(str(node.value))
    if isinstance(node, ast.Name):
        if node.id in NAMES:
            return NAMES[node.id]
        if len(node.id) == 1 and point is not None:
            return point + (ord(node.id) % 13) / 7
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = compute(node.operand, point)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        left, right = compute(node.left, point), compute(node.right, point)
        if isinstance(node.op, ast.Pow) and (abs(right) > 300 or abs(left) > 1e12):
            raise ValueError("too large")
        return OPERATORS[type(node.op)](left, right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
        return FUNCTIONS[node.func.id](*(compute(argument, point) for argument in node.args))
    raise ValueError("no arithmetic")


def evaluate(text: str) -> list[Any] | None:
    """Its value, or its values at three points where it has variables; None when it is no arithmetic."""
    tree = read_tree(text)
    if tree is None:
        return None
    free = any(isinstance(n, ast.Name) and n.id not in NAMES and n.id not in FUNCTIONS for n in ast.walk(tree))
    try:
        values = [compute(tree, point) for point in (POINTS if free else (None,))]
    except (ValueError, TypeError, ZeroDivisionError, OverflowError, RecursionError):
        return None
    return values if all(isinstance(value, int | float | Fraction) for value in values) else None


def is_near(one: Any, other: Any) -> bool:
    if isinstance(one, Fraction) and isinstance(other, Fraction) and one == other:
        return True
    try:
        return math.isclose(float(one), float(other), rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-12)
    except OverflowError:
        return False


def is_whole(values: list[Any]) -> bool:
    return len(values) == 1 and isinstance(values[0], Fraction) and values[0].denominator == 1


def is_same(given: str, expected: str) -> bool:
    """Whether two normalised answers mean the same."""
    if squeeze(given) == squeeze(expected):
        return True
    for one, other in ((given, expected), (expected, given)):
        match = re.match(r"^[a-zA-Z](?:\([a-zA-Z]\))?\s*(?:=| in )\s*(.+)$", one)
        if match and "=" not in other and " in " not in other:
            return is_same(match[1], other) if one is given else is_same(given, match[1])
    for opening, closing in ("()", "[]", "{}", "(]", "[)"):
        if is_wrapped(given, opening, closing) and is_wrapped(expected, opening, closing):
            inner = [split_top(text[1:-1]) for text in (given, expected)]
            if len(inner[1]) > 1:
                return is_same_list(*inner, is_ordered=opening != "{")
    listed = [split_top(text.strip("{}")) for text in (given, expected)]
    if len(listed[1]) > 1 or len(listed[0]) > 1:
        return is_same_list(*listed, is_ordered=False)
    values = [evaluate(text) for text in (given, expected)]
    if values[0] is None or values[1] is None or len(values[0]) != len(values[1]):
        return False
    if is_whole(values[0]) and is_whole(values[1]):
        return values[0] == values[1]
    return all(is_near(one, other) for one, other in zip(*values, strict=True))


def is_same_list(given: list[str], expected: list[str], *, is_ordered: bool) -> bool:
    if len(given) != len(expected):
        return False
    if is_ordered:
        return all(is_same(one, other) for one, other in zip(given, expected, strict=True))
    left = list(expected)
    for one in given:
        match = next((other for other in left if is_same(one, other)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def squeeze(text: str) -> str:
    text = re.sub(r"^\(([A-Za-z])\)$", r"\1", text.strip())
    return re.sub(r"\s+|\\", "", text).casefold()


def test_answer_is_right() -> None:
    assert SOLUTION.is_file(), f"{SOLUTION} does not exist"
    text = SOLUTION.read_bytes()[: MAX_CHARS + 1].decode(errors="replace")
    assert 0 < len(text.strip()) <= MAX_CHARS, f"{SOLUTION} must hold the answer and nothing else"
    given = normalise(text)
    assert is_same(given, normalise(EXPECTED)), f"the answer is wrong: {given[:200]!r}"
