"""An answer is right in whatever form it is written, and only then."""

from __future__ import annotations

import time

import pytest

from terminal_task_gen.generate.adapters.math_rows import adapt_math, find_uncheckable
from terminal_task_gen.generate.adapters.math_suite import is_same, normalise

SAME = [
    ("42\n", "42"),
    ("so \\boxed{42}, as was to be found", "42"),
    ("Working:\n6*7\n\nThe answer is $\\frac{1}{2}$.", "0.5"),
    ("1/2", "\\dfrac{1}{2}"),
    ("1,234", "1234"),
    ("\\sqrt{2}/2", "\\frac{\\sqrt2}{2}"),
    ("2\\sqrt{3}", "\\sqrt{12}"),
    ("x=5", "5"),
    ("(1, 2)", "\\left(1,2\\right)"),
    ("3, 1", "1,3"),
    ("\\{1,3\\}", "{3, 1}"),
    ("(1,2),(3,4)", "(3,4), (1,2)"),
    ("[0,1)", "[0, 1)"),
    ("(x+1)^2", "x^2+2x+1"),
    ("x^{2}-1", "(x-1)(x+1)"),
    ("n(n+1)/2", "\\frac{n(n+1)}{2}"),
    ("0.333333333", "1/3"),
    ("2^{10}", "1024"),
    ("\\pi/4", "0.7853981634"),
    ("\\text{A}", "(A)"),
    ("10\\%", "10"),
    ("50^\\circ", "50"),
    ("5 \\text{ cm}", "5"),
    ("-\\infty", "-\\infty"),
    ("\\frac{1}{\\frac{2}{3}}", "1.5"),
    ("\\sqrt[3]{8}", "2"),
    ("2x\\ln x", "2*x*log(x)"),
    ("\\binom{5}{2}", "10"),
    ("1e3", "1000"),
    ("f(x)=2x", "2x"),
    ("10^{2024}", "10^{2024}"),
]
DIFFERENT = [
    ("41", "42"),
    ("0.33", "1/3"),
    ("[0,1)", "(0,1)"),
    ("(2,1)", "(1,2)"),
    ("(1,2),(3,4)", "(1,2),(3,5)"),
    ("x^2", "x^3"),
    ("1,2", "1"),
    ("1", "1,2"),
    ("12", "1,2"),
    ("1000000", "1000001"),
    ("-5", "5"),
    ("A", "B"),
    ("42 or 43", "42"),
    ("", "0"),
]


@pytest.mark.parametrize(("given", "expected"), SAME)
def test_forms_of_one_answer(given: str, expected: str) -> None:
    assert is_same(normalise(given), normalise(expected))


@pytest.mark.parametrize(("given", "expected"), DIFFERENT)
def test_other_answers(given: str, expected: str) -> None:
    assert not is_same(normalise(given), normalise(expected))


@pytest.mark.parametrize(
    "hostile", ["9**9**9**9", "(" * 3_000 + "1" + ")" * 3_000, "binom(10^9;10^8)", "\\frac{" * 900, "1" * 4_000]
)
def test_a_hostile_answer_is_wrong_and_soon(hostile: str) -> None:
    started = time.monotonic()
    assert not is_same(normalise(hostile), "42")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "no answer"),
        ("n/a", "no answer"),
        ("the number is even because both are odd", "prose"),
        ("1" * 201, "longer than a result"),
        ("\\frac{\\sqrt{3}}{2}", ""),
        ("A", ""),
    ],
)
def test_what_can_be_checked(answer: str, why: str) -> None:
    found = find_uncheckable(answer)
    assert (why in found) if why else not found


def test_the_contract_and_the_private_answer() -> None:
    adapted = adapt_math({"prompt": "What is it?", "answer": "it's \\frac{1}{2}"}, 12)
    assert adapted.instruction.startswith("What is it?\n")
    assert "`/app/solution.txt`" in adapted.instruction
    assert adapted.solution is not None
    assert "it'\"'\"'s \\frac{1}{2}" in adapted.solution
    assert adapted.weights == {"test_answer_is_right": 1.0}
    compile(adapted.tests, "tests", "exec")
