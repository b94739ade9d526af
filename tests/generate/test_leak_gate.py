"""The leak scan: what tells the answer is caught, what is natural in a task is let through."""

from __future__ import annotations

import pytest

from terminal_task_gen.generate.draft import Draft
from terminal_task_gen.generate.expected_values import count_digits, is_distinctive, is_secret_like
from terminal_task_gen.generate.leak_gate import check_leaks
from terminal_task_gen.generate.static_case import StaticCase
from terminal_task_gen.generate.suite import parse_suite
from terminal_task_gen.task import TaskFile

TESTS = """import json
import math
from pathlib import Path

EXPECTED = {"north": 12.48213, "south": 7.5}
G = 9.80665


def load():
    path = Path("/app/out/flux.json")
    assert path.is_file(), "flux.json with 48151623421 rows is missing"
    return json.loads(path.read_text())


def test_flux():
    for name, want in EXPECTED.items():
        assert math.isclose(load()[name], want, abs_tol=1e-3), f"{name}: expected {want}"


def test_weight():
    assert abs(load()["weight_newton"] - 70.250 * G) < 1e-6


def test_token():
    assert load()["token"] == "tk_77Qx9LmZ2pRv84Ks", "wrong token"
    assert load()["sha256"] == "9f86d081884c7d659a2feaa0c55ad015"
"""
SOLUTION = """#!/bin/bash
set -e
cd /app
mkdir -p /app/out
python3 - <<'PY'
import csv, json
rows = list(csv.DictReader(open("/app/data/gauge.csv")))
flux = sum(float(row["q"]) * math.sin(float(row["phi"])) for row in rows)
json.dump({"north": round(flux, 5)}, open("/app/out/flux.json", "w"))
PY
"""
INSTRUCTION = "Compute the flux of `/app/data/gauge.csv` with g = 9.80665 m/s2 and write it to `/app/out/flux.json`."
DATA = TaskFile(path="data/gauge.csv", content="name,q,phi\nnorth,12.48213,1.5\nx,1,tk_77Qx9LmZ2pRv84Ks\n")


def list_reasons(
    instruction: str = INSTRUCTION, *files: TaskFile, tests: str = TESTS, solution: str | None = SOLUTION
) -> list[str]:
    draft = Draft(
        title="Flux", instruction=instruction, files=(DATA, *files), tests=tests, weights={}, solution=solution
    )
    return [complaint.reason for complaint in check_leaks(StaticCase(draft, parse_suite(tests)))]


def test_a_clean_task_passes() -> None:
    assert list_reasons() == []


@pytest.mark.parametrize(
    "addition",
    [
        "North comes to 12.48213.",
        "The token is tk_77Qx9LmZ2pRv84Ks.",
        "(for reference: `tk_77Qx9LmZ2pRv84Ks`)",
        "Its digest is 9f86d081884c7d659a2feaa0c55ad015.",
        'The form is `{"north": 12.48213}`.',
        '```json\n{"north": 12.48213}\n```',
        "North comes to 12,48213 and",
        "In the north it is about 12.482.",
        "You should find 7.5 in the south.",
    ],
)
def test_expected_values_in_the_instruction(addition: str) -> None:
    assert list_reasons(f"{INSTRUCTION} {addition}") == ["leak_literal"]


@pytest.mark.parametrize(
    "addition",
    [
        'The form is `{"north": 12.5}`.',
        "Use 70.250 kg and 7.5 degrees.",
        "The file has 48151623421 rows.",
        "The digest must be `9f86d081884c7d659a2feaa0c55ad015`.",
    ],
)
def test_formats_parameters_and_short_numbers_are_natural(addition: str) -> None:
    assert list_reasons(f"{INSTRUCTION} {addition}") == []


@pytest.mark.parametrize(
    ("check", "reasons"),
    [
        ("size <= 1048575", []),
        ("1048575 > size >= 123457", []),
        ("size == 1048575", ["leak_literal"]),
        ("abs(size - 1048575) < 1e-6", ["leak_literal"]),
        ("size - 1048575 < 1e-6", ["leak_literal"]),
    ],
)
def test_a_bound_is_no_expected_value(check: str, reasons: list[str]) -> None:
    tests = f"def test_size():\n    size = load()\n    assert {check}\n"
    assert list_reasons(f"{INSTRUCTION} From 123457 to 1048575 bytes.", tests=tests) == reasons


def test_code_of_the_solution_in_the_instruction() -> None:
    line = 'flux = sum(float(row["q"]) * math.sin(float(row["phi"])) for row in rows)'
    assert list_reasons(f"{INSTRUCTION}\nHint:\n```python\n    {line}\n```") == ["leak_solution"]


def test_running_what_was_asked_for_is_no_leak() -> None:
    solution = f"{SOLUTION}python3 /app/tools/flux.py --input /app/data/gauge.csv\n"
    instruction = f"{INSTRUCTION} It is called as `python3 /app/tools/flux.py --input /app/data/gauge.csv`."
    assert list_reasons(instruction, solution=solution) == []


def test_an_expected_value_in_a_file_the_solution_does_not_read() -> None:
    notes = TaskFile(path="agent/notes.md", content="ticket names it already: tk_77Qx9LmZ2pRv84Ks\n")
    other = SOLUTION.replace("/app/data/gauge.csv", "/app/data/raw.csv")
    assert list_reasons(INSTRUCTION, notes, solution=other) == ["leak_literal"] * 3


@pytest.mark.parametrize(
    "reading",
    ['open("/app/data/gauge.csv")', "grep -r tk_ /app/data", 'Path("/app").rglob("*")', "cat data/*.csv", "cat *.csv"],
)
def test_an_answer_picked_from_the_input_is_natural(reading: str) -> None:
    assert list_reasons(solution=f"#!/bin/bash\ncd /app\n{reading}\n") == []


CONF = TaskFile(path="etc/server.ini", content="[server]\nport = 48213\ntoken = tk_88Qx9LmZ2pRv84Kx\n")
CONF_PATHS = ['Path("/app/etc/server.ini")', 'ROOT / "etc" / "server.ini"', "CONF"]


def compose_comparison(path: str, expected: str) -> str:
    head = "from pathlib import Path\n\nROOT = Path('/app')\nCONF = ROOT / 'etc/server.ini'\n"
    return f"{head}WAS = {CONF.content!r}\n\ndef test_text():\n    assert ({path}).read_text() == {expected}\n"


@pytest.mark.parametrize("path", CONF_PATHS)
@pytest.mark.parametrize("expected", [repr(CONF.content), "WAS"])
def test_an_input_that_must_stay_as_it_was_is_no_answer(path: str, expected: str) -> None:
    assert list_reasons(INSTRUCTION, CONF, tests=compose_comparison(path, expected)) == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ('Path("/app/out/server.ini")', "WAS"),
        ('ROOT / "out" / "server.ini"', "WAS"),
        ("find_output()", "WAS"),
        ("CONF", '"tk_88Qx9LmZ2pRv84Kx"'),
    ],
)
def test_an_answer_in_a_file_of_its_own_is_found_whatever_the_tests_read(path: str, expected: str) -> None:
    assert "leak_literal" in list_reasons(INSTRUCTION, CONF, tests=compose_comparison(path, expected))


def test_copies_of_tests_and_solution() -> None:
    assert list_reasons(INSTRUCTION, TaskFile(path="qa/check.py", content=TESTS)) == [
        "leak_source",
        *["leak_literal"] * 2,
    ]
    renamed = TaskFile(path="tools/old.sh", content=SOLUTION.replace("set -e\n", ""))
    assert list_reasons(INSTRUCTION, renamed) == ["leak_source"]


def test_a_file_that_the_solution_rewrites_may_share_its_lines() -> None:
    body = "".join(f"value_{n} = compute_something({n}, rate=0.{n})\n" for n in range(1, 20))
    buggy = TaskFile(path="calc.py", content=body)
    solution = f"cat > /app/calc.py <<'E'\n{body.replace('rate=0.7', 'rate=7')}E\ncat /app/data/*\n"
    assert list_reasons(INSTRUCTION, buggy, solution=solution) == []


def test_few_lines_of_a_short_solution_in_a_readme() -> None:
    readme = TaskFile(path="README.md", content="Try:\n\n  awk -F, '{s += $2} END {print s}' gauge.csv | sort -n\n")
    solution = "awk -F, '{s += $2} END {print s}' gauge.csv | sort -n\n"
    assert list_reasons(INSTRUCTION, readme, solution=solution) == ["leak_solution"]


def test_files_called_answers() -> None:
    answers = TaskFile(path="data/expected_output.json", content="{}\n")
    assert list_reasons(INSTRUCTION, answers) == ["leak_answer_file"]
    assert list_reasons(f"{INSTRUCTION} Compare with data/expected_output.json.", answers) == []
    assert list_reasons(INSTRUCTION, TaskFile(path="data/solver_log.txt", content="x\n")) == []


@pytest.mark.parametrize(
    ("value", "distinctive"),
    [
        ("/app/out/report_2024.csv", False),
        ("temperature_2m_mean", False),
        ("2024-01-15T08:00:00Z", False),
        ("0", False),
        ("hello world again", False),
        ("FLAG{8c2d-41aa-x9}", True),
        (0.0001, False),
        (1_500_000, False),
        (20240115, False),
        (3.14159, True),
        (float("nan"), False),
    ],
)
def test_what_is_distinctive(value: str | float, distinctive: bool) -> None:
    assert is_distinctive(value) is distinctive


def test_digits_and_secrets() -> None:
    assert [count_digits(v) for v in (0.00120, 1500000, 123.4560, 6.02e23, 0)] == [2, 2, 6, 3, 0]
    assert is_secret_like("tk_77Qx9LmZ2pRv84Ks")
    assert not is_secret_like("9f86d081884c7d659a2feaa0c55ad015")
