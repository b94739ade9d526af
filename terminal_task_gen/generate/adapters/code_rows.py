"""Programming problems: a Python program goes to /app/solution.py (paper §4).

Checked by what the row has: cases of input and output (of a program or of a function), or assertions. A reference
solution is run by the oracle gate; without one, only fail-first guards the tests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from terminal_task_gen.errors import GateError
from terminal_task_gen.generate.adapters.adapted import Adapted, fill_suite, share_evenly, write_file_script

MAX_CASE_CHARS = 200_000
"""Input and output of one case; a larger one is left out."""
CONTRACT = """
Solve this in Python and put the whole program into `/app/solution.py`. {how} Only what is installed on this machine is
there. Try the program on the given and on further inputs before you stop.
"""
_STDIN = "It reads standard input and writes standard output."
_IMPORTED = "It is imported; define the names that the problem asks for{names}, and let importing print nothing."
_FENCE = re.compile(r"```(?:python3?|py)?[ \t]*\n(.*?)\n[ \t]*```", re.DOTALL | re.IGNORECASE)
_NO_PROMPTS = ("", "-")


def adapt_code(row: Mapping[str, Any], max_cases: int) -> Adapted:
    """See the module's head."""
    prompt = str(row.get("prompt", "")).strip()
    if prompt in _NO_PROMPTS:
        raise GateError("row_no_prompt", "the problem is missing (a split that refers to another data set?)")
    case, check, why = _read_checks(row, max_cases)
    starter = str(row.get("starter", "")).strip()
    shown = f"\n\nStart from:\n\n```python\n{starter}\n```" if starter else ""
    name = str(row.get("entry_point") or (case or {}).get("name") or "")
    called = check in ("check_call", "check_statement") or bool(starter)
    how = _IMPORTED.format(names=f", `{name}` among them" if name else "") if called else _STDIN
    instruction = f"{prompt}{shown}\n{CONTRACT.format(how=how)}"
    if case is None:
        return Adapted(instruction=instruction, no_outcome=why)
    names = [f"test_case_{number:02d}" for number in range(1, len(case["cases"]) + 1)]
    functions = [f"def {name}() -> None:\n    {check}({number})\n" for number, name in enumerate(names)]
    solution = _read_solution(row.get("solution"))
    return Adapted(
        instruction=instruction,
        tests=fill_suite("code_suite.py", case, functions),
        weights=share_evenly(names),
        solution=write_file_script("/app/solution.py", solution) if solution else None,
    )


def _read_checks(row: Mapping[str, Any], max_cases: int) -> tuple[dict[str, Any] | None, str, str]:
    """What the suite gets and the function that checks a case; or None and why."""
    raw = _load(row.get("cases"))
    cases = [case for case in _list_cases(raw) if sum(len(json.dumps(side)) for side in case) <= MAX_CASE_CHARS]
    if cases:
        name = raw.get("fn_name") if isinstance(raw, dict) else None
        chosen = _choose(cases, max_cases)
        if name:
            return {"name": str(name), "cases": chosen}, "check_call", ""
        return {"cases": [[_join(stdin), _join(stdout)] for stdin, stdout in chosen]}, "check_output", ""
    statements = _list_statements(row)
    if statements:
        return {"cases": _choose(statements, max_cases)}, "check_statement", ""
    return (
        None,
        "",
        "the row has no test cases" if raw is None else "no test case of the row can be read or is small enough",
    )


def _load(value: Any) -> Any:
    """JSON in a string, as many sets keep their cases, or the value itself."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _list_cases(raw: Any) -> Iterator[tuple[Any, Any]]:
    """(input, output) of `{inputs: […], outputs: […]}` and of `[{input: …, output: …}]`."""
    if isinstance(raw, dict):
        inputs, outputs = raw.get("inputs") or raw.get("input"), raw.get("outputs") or raw.get("output")
        if isinstance(inputs, list) and isinstance(outputs, list):
            yield from zip(inputs, outputs, strict=False)
    elif isinstance(raw, list):
        for entry in raw:
            if isinstance(entry, dict):
                stdin = next((entry[key] for key in ("input", "stdin", "inputs") if key in entry), None)
                stdout = next(
                    (entry[key] for key in ("output", "stdout", "expected_output", "outputs") if key in entry), None
                )
                if stdin is not None and stdout is not None:
                    yield stdin, stdout


def _join(side: Any) -> str:
    return "\n".join(map(str, side)) if isinstance(side, list) else str(side)


def _list_statements(row: Mapping[str, Any]) -> list[str]:
    raw = _load(row.get("asserts"))
    parts = [part for part in (raw if isinstance(raw, list) else [raw]) if isinstance(part, str) and part.strip()]
    entry_point = str(row.get("entry_point", ""))
    if entry_point.isidentifier() and any("def check(" in part for part in parts):
        return [f"{part}\ncheck({entry_point})\n" for part in parts]
    return parts


def _choose(cases: Sequence[Any], most: int) -> list[Any]:
    """At most so many, spread over all: the first are often the examples, the last the hard ones."""
    if len(cases) <= most:
        return list(cases)
    return [cases[position * (len(cases) - 1) // max(1, most - 1)] for position in range(most)]


def _read_solution(value: Any) -> str:
    """The first program of what a row calls its solution: code, code in a fence, or a list of such."""
    value = _load(value)
    if isinstance(value, list):
        value = next((one for one in value if isinstance(one, str) and one.strip()), "")
    text = value if isinstance(value, str) else ""
    fenced = _FENCE.findall(text)
    code = (fenced[-1] if fenced else text).strip("\n")
    return f"{code}\n" if code.strip() else ""
