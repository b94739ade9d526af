"""Programming rows: whichever form their cases have, they become tests with even weights."""

from __future__ import annotations

import json
from typing import Any

import pytest

from terminal_task_gen.errors import GateError
from terminal_task_gen.generate.adapters.adapted import Adapted
from terminal_task_gen.generate.adapters.code_rows import adapt_code

CASES = {"inputs": ["3\n", "4\n"], "outputs": ["9\n", "16\n"]}


def adapt(max_cases: int = 12, **row: Any) -> Adapted:
    return adapt_code({"prompt": "Square it.", **row}, max_cases)


@pytest.mark.parametrize(
    "cases",
    [
        CASES,
        json.dumps(CASES),
        [{"input": "3\n", "output": "9\n"}, {"input": "4\n", "output": "16\n"}],
        [{"stdin": "3\n", "expected_output": "9\n"}, {"stdin": "4\n", "expected_output": "16\n"}],
    ],
)
def test_cases_of_a_program(cases: Any) -> None:
    adapted = adapt(cases=cases)
    assert adapted.weights == {"test_case_01": 0.5, "test_case_02": 0.5}
    assert "check_output(1)" in adapted.tests
    assert "reads standard input" in adapted.instruction
    assert "/app/solution.py" in adapted.instruction
    compile(adapted.tests, "tests", "exec")


def test_cases_of_a_function_name_it() -> None:
    adapted = adapt(cases={**CASES, "fn_name": "square"}, starter="def square(x):")
    assert "check_call(0)" in adapted.tests
    assert "`square`" in adapted.instruction
    assert "```python\ndef square(x):\n```" in adapted.instruction


def test_assertions_and_checkers() -> None:
    assert "check_statement(1)" in adapt(asserts=["assert f(1) == 1", "assert f(2) == 4"]).tests
    checker = adapt(asserts="def check(candidate):\n    assert candidate(2) == 4\n", entry_point="f")
    assert "check(f)" in checker.tests


def test_cases_are_spread_and_weights_sum_to_one() -> None:
    many = {"inputs": [f"{n}\n" for n in range(100)], "outputs": [f"{n}\n" for n in range(100)]}
    adapted = adapt(max_cases=7, cases=many)
    assert len(adapted.weights) == 7
    assert sum(adapted.weights.values()) == pytest.approx(1.0, abs=1e-9)
    assert all(text in adapted.tests for text in ('"0\\\\n"', '"99\\\\n"')), "the first and the last are among them"


@pytest.mark.parametrize(
    ("solution", "written"),
    [
        ("print(1)", "print(1)\n"),
        ('["print(2)", "print(3)"]', "print(2)\n"),
        ("Thus:\n```python\nprint('4')\n```\nDone.", "print('"),
    ],
)
def test_the_reference_becomes_the_private_solution(solution: str, written: str) -> None:
    script = adapt(cases=CASES, solution=solution).solution
    assert script is not None
    assert written in script


def test_without_cases_there_is_no_outcome() -> None:
    adapted = adapt(solution="print(1)")
    assert (adapted.tests, adapted.weights, adapted.solution) == ("", {}, None)
    assert adapted.no_outcome == "the row has no test cases"
    assert "no test case" in adapt(cases="?").no_outcome


@pytest.mark.parametrize("prompt", ["", "-", "  "])
def test_a_row_without_a_problem_is_refused(prompt: str) -> None:
    with pytest.raises(GateError, match="row_no_prompt"):
        adapt_code({"prompt": prompt}, 12)
