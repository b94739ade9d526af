"""Static gates: each trips on its own defect, with its own reason; a good draft passes them all."""

from __future__ import annotations

from typing import Any

import pytest

from terminal_task_gen.generate.complaint import Complaint, RefusedError
from terminal_task_gen.generate.draft import Draft
from terminal_task_gen.generate.ladder import NO_SCREENS, Climb, run_reading_gates
from terminal_task_gen.generate.static_gates import list_promised_modules
from terminal_task_gen.task import TaskFile
from terminal_task_gen.taxonomy import Domain

INSTRUCTION = (
    "The nightly export in `/app/data/in.csv` lists payments with their currency.\n"
    "Write the total of each currency to `/app/out/totals.json`, an object from currency code to amount.\n"
)
TESTS = """import json
from pathlib import Path

import pytest

OUT = Path("/app/out/totals.json")


def read_totals():
    assert OUT.is_file(), "no totals"
    return json.loads(OUT.read_text())


@pytest.mark.parametrize("currency", ["EUR", "USD"])
def test_currencies(currency):
    assert currency in read_totals(), f"{currency} is missing"


def test_totals():
    read_totals()
"""


def make_draft(**changed: Any) -> Draft:
    fields: dict[str, Any] = {
        "title": "Totals",
        "instruction": INSTRUCTION,
        "files": (TaskFile(path="data/in.csv", content="currency,amount\nEUR,1\nUSD,2\n"),),
        "tests": TESTS,
        "weights": {"test_currencies": 0.4, "test_totals": 0.6},
        "solution": "#!/bin/bash\nmkdir -p out && python3 -c 'print(1)' > out/totals.json\n",
    }
    return Draft(**{**fields, **changed})


def climb_reading(draft: Draft, modules: frozenset[str]) -> list[str]:
    """Gates passed."""
    climb = Climb()
    run_reading_gates(draft, climb, modules=modules, screens=NO_SCREENS)
    return [result.gate for result in climb.results]


def refuse(**changed: Any) -> tuple[Complaint, ...]:
    with pytest.raises(RefusedError) as caught:
        climb_reading(make_draft(**changed), frozenset({"numpy"}))
    assert caught.value.gate == "static"
    assert caught.value.reason == caught.value.complaints[0].reason
    return caught.value.complaints


def refuse_body(body: str) -> list[str]:
    """Reasons for a suite whose second test has this body."""
    tests = TESTS.replace("    read_totals()\n", "".join(f"    {line}\n" for line in body.splitlines()))
    return [complaint.reason for complaint in refuse(tests=tests)]


def accept_body(body: str) -> bool:
    tests = TESTS.replace("    read_totals()\n", "".join(f"    {line}\n" for line in body.splitlines()))
    return bool(climb_reading(make_draft(tests=tests), frozenset({"numpy"})))


def test_a_good_draft_passes() -> None:
    assert climb_reading(make_draft(), frozenset()) == ["static", "leak"]


@pytest.mark.parametrize("instruction", ["Short: /app/out/totals.json", "x" * 20_000 + "/app/out/totals.json"])
def test_instruction_has_a_sane_length(instruction: str) -> None:
    assert refuse(instruction=instruction)[0].reason == "instruction_length"


def test_tests_that_do_not_parse_name_the_line() -> None:
    (complaint,) = refuse(tests="def test_a():\n    assert (1\n")
    assert complaint.reason == "tests_syntax"
    assert complaint.text.startswith("line 2:")
    assert refuse(tests="x = '\0'")[0].reason == "tests_syntax"


@pytest.mark.parametrize(
    "body",
    [
        "assert True",
        "assert 1, 'one'",
        "assert OUT is OUT",
        "assert [1, -2] == [1, -2]",
        "assert 3 >= 3",
        "assert OUT.exists() or True",
        "assert (OUT.exists(), 'a tuple')",
        "assert not False",
        "assert 'a' != 'b'",
        "assert len(OUT.name) >= 0",
        "assert f'always {OUT}'",
    ],
)
def test_assertions_that_cannot_fail(body: str) -> None:
    assert refuse_body(body) == ["trivial_assertion"]


@pytest.mark.parametrize(
    "body",
    [
        "OUT.read_text()",
        "pass",
        "try:\n    assert OUT.exists()\nexcept Exception:\n    pass",
        "try:\n    assert OUT.exists()\nexcept (OSError, AssertionError):\n    print('no')",
    ],
)
def test_tests_that_assert_nothing(body: str) -> None:
    assert refuse_body(body) == ["no_assertion"]


@pytest.mark.parametrize(
    "body",
    [
        "with pytest.raises(ValueError):\n    json.loads('x' + OUT.read_text())",
        "if not OUT.exists():\n    pytest.fail('no file')",
        "for name in ('a', 'b'):\n    assert name in OUT.read_text()",
        "try:\n    data = json.loads(OUT.read_text())\nexcept Exception as e:\n    pytest.fail(str(e))\nassert data",
        "try:\n    assert OUT.exists()\nexcept Exception:\n    raise",
        "if not OUT.exists():\n    raise AssertionError('no file')",
        "import numpy as np\nnp.testing.assert_allclose(json.loads(OUT.read_text()), [1])",
        "assert (OUT.exists() and True), 'message'",
        "assert OUT.read_bytes() == OUT.read_bytes(), 'not the same twice'",
        "value = json.loads(OUT.read_text())\nassert value == value, 'NaN'",
    ],
)
def test_real_assertions_of_every_kind_count(body: str) -> None:
    assert accept_body(body)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("class TestTotals:\n    def test_x(self):\n        assert OUT.exists()\n", "test_class"),
        ("def test_totals():\n    assert OUT.exists()\n", "duplicate_test"),
        ("@pytest.mark.skip\ndef unused():\n    pass\n", "skipped_test"),
        ("import requests\n", "foreign_import"),
        ("from . import conftest\n", "foreign_import"),
    ],
)
def test_defects_of_the_module(line: str, reason: str) -> None:
    assert refuse(tests=f"{TESTS}\n\n{line}")[0].reason == reason


@pytest.mark.parametrize("decorator", ["@pytest.fixture", '@pytest.fixture(scope="module")'])
def test_a_fixture_is_no_test_whatever_its_name(decorator: str) -> None:
    tests = f"{TESTS}\n\n{decorator}\ndef test_data():\n    return 1\n"
    assert climb_reading(make_draft(tests=tests), frozenset())


def test_async_tests_are_refused() -> None:
    tests = TESTS.replace("def test_totals", "async def test_totals")
    assert [c.reason for c in refuse(tests=tests)] == ["async_test"]


def test_no_tests_at_all() -> None:
    assert [c.reason for c in refuse(tests="x = '/app/out/totals.json'\n", weights={})] == ["no_tests", "weights_sum"]


def test_promised_and_own_modules_may_be_imported() -> None:
    own = "import sys\nsys.path.insert(0, '/app')\nimport pricing\nimport numpy\nassert pricing.total() == 1"
    assert refuse_body(own) == ["foreign_import"]
    tests = TESTS.replace("    read_totals()\n", "".join(f"    {line}\n" for line in own.splitlines()))
    named = make_draft(tests=tests, instruction=f"{INSTRUCTION}Provide `total` in `/app/pricing.py`.\n")
    assert climb_reading(named, frozenset({"numpy"}))


def test_promised_modules_are_read_from_the_domain() -> None:
    domain = Domain(
        name="d", title="D", image="d", role="r", focus=("f",), tools=("awk", "python3:numpy"), skills={"k": ("s",)}
    )
    assert list_promised_modules(domain) == {"numpy"}


@pytest.mark.parametrize(
    ("weights", "reasons"),
    [
        ({"test_currencies": 1.0}, ["weights_names"]),
        ({"test_currencies": 0.4, "test_totals": 0.5, "test_other": 0.1}, ["weights_names"]),
        ({"test_currencies": 0.4, "test_totals": 0.5}, ["weights_sum"]),
        ({"test_currencies": -0.4, "test_totals": 1.4}, ["weights_positive"]),
        ({"test_currencies": 0.0, "test_totals": 1.0}, ["weights_positive"]),
    ],
)
def test_weights_name_the_tests_and_sum_to_one(weights: dict[str, float], reasons: list[str]) -> None:
    assert [complaint.reason for complaint in refuse(weights=weights)] == reasons


def test_an_output_must_be_named_by_absolute_path() -> None:
    instruction = INSTRUCTION.replace("`/app/out/totals.json`", "`totals.json` in the folder `out`")
    assert [complaint.reason for complaint in refuse(instruction=instruction)] == ["output_not_named"]


def test_a_path_that_nobody_could_know_of_is_refused() -> None:
    tests = TESTS + '\n\ndef test_log():\n    assert open("/app/out/log.txt").read()\n'
    weights = {"test_currencies": 0.4, "test_totals": 0.5, "test_log": 0.1}
    (complaint,) = refuse(tests=tests, weights=weights)
    assert complaint == (
        "hidden_path",
        "the tests look at /app/out/log.txt, which neither the instruction nor the files mention",
    )
    assert climb_reading(
        make_draft(tests=tests, weights=weights, instruction=f"{INSTRUCTION}Keep a log beside it, log.txt.\n"),
        frozenset(),
    )


@pytest.mark.parametrize(
    "body",
    [
        "open('/app/own.csv', 'w').write('a')",
        "with open('/app/own.csv', mode='xb') as file:\n    file.write(b'a')",
        "Path('/app/own.csv').write_text('a')",
        "own = Path('/app/own.csv')\nown.write_bytes(b'a')",
        "Path('/app/own.csv').open('a').write('a')",
        "(Path('/app/own.csv')).mkdir()",
    ],
)
def test_a_path_that_the_suite_itself_makes_is_not_hidden(body: str) -> None:
    assert accept_body(f"{body}\nassert OUT.read_text() != '/app/own.csv'")


@pytest.mark.parametrize(
    "body", ["open('/app/own.csv')", "open('/app/own.csv', 'r')", "Path('/app/own.csv').parent.mkdir()"]
)
def test_a_path_that_the_suite_only_reads_stays_hidden(body: str) -> None:
    assert refuse_body(f"{body}\nassert OUT.exists()") == ["hidden_path"]


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ("n = random.randint(1, 9)", True),
        ("import numpy as np\nn = np.random.rand(3)", True),
        ("n = random.Random().random()", True),
        ("n = random.Random(7).randint(1, 9)", False),
        ("random.seed(7)\nn = random.random()", False),
        ("import numpy as np\nn = np.random.default_rng(7).normal()", False),
    ],
)
def test_random_draws_need_a_seed(body: str, refused: bool) -> None:
    body = f"import random\n{body}\nassert OUT.read_text() == str(n)"
    assert refuse_body(body) == ["unseeded_random"] if refused else accept_body(body)


def test_all_complaints_come_at_once() -> None:
    reasons = [c.reason for c in refuse(instruction="no", weights={"test_x": 0.5}, tests=f"import numba\n{TESTS}")]
    assert reasons == [
        "instruction_length",
        "foreign_import",
        "weights_names",
        "weights_names",
        "weights_sum",
        "output_not_named",
        "hidden_path",
    ]
