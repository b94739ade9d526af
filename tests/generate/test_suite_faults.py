"""Which crashes on an untouched machine are the suite's own fault, and which the work still to be done explains."""

from __future__ import annotations

import pytest

from terminal_task_gen.generate.draft import Draft
from terminal_task_gen.generate.suite_faults import is_suite_fault
from terminal_task_gen.task import TaskFile

PLACE = "test_outputs.py:3: "


def make_draft(*paths: str, tests: str = "") -> Draft:
    files = tuple(TaskFile(path=path, content="x\n") for path in paths)
    instruction = "Write `/app/pricing.py`."
    return Draft(title="T", instruction=instruction, files=files, tests=tests, weights={})


@pytest.mark.parametrize(
    "message",
    [
        f"{PLACE}NameError: name 'jsn' is not defined",
        f"setup: {PLACE}NameError: name 'jsn' is not defined",
        f"{PLACE}UnboundLocalError: cannot access local variable 'x'",
        f"{PLACE}AttributeError: module 'json' has no attribute 'laods'",
        f"{PLACE}TypeError: load() takes 0 positional arguments but 1 was given",
        f"{PLACE}ModuleNotFoundError: No module named 'os.pth'",
        f"{PLACE}ImportError: cannot import name 'laods' from 'json' (/usr/lib/json.py)",
        "ast.py:52:   File \"<unknown>\", line 1\n    (\n    ^\nSyntaxError: '(' was never closed",
    ],
)
def test_no_missing_output_explains(message: str) -> None:
    assert is_suite_fault(message, make_draft())


@pytest.mark.parametrize(
    "message",
    [
        f"{PLACE}FileNotFoundError: [Errno 2] No such file or directory: '/app/out.json'",
        f"{PLACE}ModuleNotFoundError: No module named 'pricing'",
        f"{PLACE}ImportError: cannot import name 'total' from 'pricing' (/app/pricing.py)",
        f"{PLACE}AttributeError: module 'pricing' has no attribute 'total'",
        f"{PLACE}AttributeError: 'NoneType' object has no attribute 'group'",
        f"{PLACE}TypeError: 'NoneType' object is not subscriptable",
        "pricing.py:9: NameError: name 'rate' is not defined",
        "the test run ended early with exit code 3",
        "",
    ],
)
def test_work_still_to_be_done_explains(message: str) -> None:
    assert not is_suite_fault(message, make_draft())


def test_a_shipped_file_that_the_tests_look_at_may_be_what_is_wrong() -> None:
    message = f"{PLACE}TypeError: convert() takes 1 positional argument but 2 were given"
    tests = "from units import convert\n"
    assert not is_suite_fault(message, make_draft("lib/units.py", tests=tests))
    assert is_suite_fault(message, make_draft("lib/other.py", tests=tests))
