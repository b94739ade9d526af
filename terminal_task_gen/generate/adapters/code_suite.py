"""The program in /app/solution.py does what the cases say. Every case runs in a process of its own."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

CASE: Any = json.loads("null")
SOLUTION = Path("/app/solution.py")
CASE_TIMEOUT_SEC = 6
SHOWN_CHARS = 300
RELATIVE_TOLERANCE = 1e-6
LOAD = "import runpy, sys\nspace = runpy.run_path('/app/solution.py', run_name='solution')\n"
CALL = """
import json
name, arguments = json.load(sys.stdin)
function = space[name] if name in space else getattr(space['Solution'](), name)
result = function(*arguments)
print('\\nRESULT ' + json.dumps(result, default=list))
"""


def run_python(arguments: list[str], stdin: str) -> str:
    assert SOLUTION.is_file(), f"{SOLUTION} does not exist"
    try:
        ran = subprocess.run(
            [sys.executable, "-B", *arguments],
            input=stdin.encode(),
            capture_output=True,
            timeout=CASE_TIMEOUT_SEC,
            cwd="/app",
        )
    except subprocess.TimeoutExpired:
        raise AssertionError(f"not done after {CASE_TIMEOUT_SEC} seconds") from None
    said = ran.stderr.decode(errors="replace").strip()
    assert ran.returncode == 0, f"ended with exit code {ran.returncode}: {said[-SHOWN_CHARS:]}"
    return ran.stdout.decode(errors="replace")


def is_near(given: str, expected: str) -> bool:
    """Equal words, or numbers of which one is written with a point or an exponent."""
    if given == expected:
        return True
    try:
        one, other = float(given), float(expected)
    except ValueError:
        return False
    is_real = any(mark in text for text in (given, expected) for mark in ".eE")
    return is_real and math.isclose(one, other, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-9)


def is_equal(given: Any, expected: Any) -> bool:
    if isinstance(given, list) and isinstance(expected, list):
        return len(given) == len(expected) and all(map(is_equal, given, expected))
    if isinstance(given, float) or isinstance(expected, float):
        both = isinstance(given, int | float) and isinstance(expected, int | float)
        return both and math.isclose(given, expected, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-9)
    return bool(given == expected)


def check_output(number: int) -> None:
    """Standard input → standard output, compared word by word."""
    stdin, expected = CASE["cases"][number]
    given = run_python([str(SOLUTION)], stdin)
    words = given.split(), expected.split()
    same = len(words[0]) == len(words[1]) and all(map(is_near, *words))
    assert same, f"for {stdin[:SHOWN_CHARS]!r} it prints {given[:SHOWN_CHARS]!r}, not {expected[:SHOWN_CHARS]!r}"


def check_call(number: int) -> None:
    """Arguments → result of the named function, or of the method of a class Solution."""
    arguments, expected = CASE["cases"][number]
    printed = run_python(["-c", LOAD + CALL], json.dumps([CASE["name"], arguments]))
    given = json.loads(printed.rpartition("\nRESULT ")[2])
    same = is_equal(given, expected) or (
        isinstance(expected, list) and len(expected) == 1 and is_equal(given, expected[0])
    )
    shown = json.dumps(arguments)[:SHOWN_CHARS]
    assert same, f"{CASE['name']}{shown} gives {given!r:.300}, not {expected!r:.300}"


def check_statement(number: int) -> None:
    """A statement that raises nothing in the program's name space."""
    statement = CASE["cases"][number]
    run_python(["-c", f"{LOAD}exec(compile(sys.stdin.read(), 'check', 'exec'), space)"], statement)
