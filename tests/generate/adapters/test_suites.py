"""The generated suites, run in a sandbox over right, half right and wrong results."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from terminal_task_gen.bundle import list_sandbox_files
from terminal_task_gen.generate.adapters.adapted import Adapted
from terminal_task_gen.generate.adapters.code_rows import adapt_code
from terminal_task_gen.generate.adapters.math_rows import adapt_math
from terminal_task_gen.generate.adapters.swe_rows import adapt_swe
from terminal_task_gen.sandbox import SandboxFile, SandboxSpec
from terminal_task_gen.sandbox.bubblewrap import BubblewrapFactory
from terminal_task_gen.verifier.bench import TestBench

pytestmark = pytest.mark.bubblewrap

CALC = "def add(a, b):\n    return a - b\n"
GOLD = "--- a/calc.py\n+++ b/calc.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return a + b\n"
SWE_ROW = {"prompt": "It adds.", "files": {"calc.py": CALC, "other.py": "x = 1\n"}, "patch": GOLD}
CASES = {"inputs": ["3\n", "0.5\n"], "outputs": ["9\n", "0.25\n"]}


class Judge:
    """Judges what lies at a path by an adapted row's tests."""

    def __init__(self, factory: BubblewrapFactory, bench: TestBench) -> None:
        self._factory, self._bench = factory, bench

    async def __call__(self, adapted: Adapted, path: str, content: str) -> float:
        sandbox = await self._factory.start(SandboxSpec(image="base", run_id="suites", item_id="item"))
        try:
            await sandbox.upload([*list_sandbox_files(adapted.files), SandboxFile(f"/app/{path}", content.encode())])
            report = await self._bench.run_tests(
                sandbox, "base", tests=adapted.tests, weights=adapted.weights, timeout_sec=100
            )
        finally:
            await sandbox.close()
        assert not report.list_by_status("crashed", "missing"), report.log
        return report.reward


@pytest.fixture
async def judge() -> AsyncIterator[Judge]:
    factory = BubblewrapFactory()
    yield Judge(factory, TestBench(factory, run_id="suites"))
    await factory.close()


async def test_math(judge: Judge) -> None:
    adapted = adapt_math({"prompt": "?", "answer": "\\frac{1}{2}"}, 12)
    assert await judge(adapted, "solution.txt", "x = 0.5\n") == 1.0
    assert await judge(adapted, "solution.txt", "2\n") == 0.0
    assert await judge(adapted, "solution.txt", "\n") == 0.0


async def test_programs(judge: Judge) -> None:
    adapted = adapt_code({"prompt": "Square.", "cases": CASES}, 12)
    assert await judge(adapted, "solution.py", "x = float(input())\nprint(x * x)\n") == 1.0, "9.0 is near 9"
    assert await judge(adapted, "solution.py", "x = float(input())\nprint(f'{x * x:g}')\n") == 1.0
    assert await judge(adapted, "solution.py", "x = int(input())\nprint(x * x)\n") == 0.5
    assert await judge(adapted, "solution.py", "while True: pass\n") == 0.0
    assert await judge(adapted, "other.py", "") == 0.0


async def test_functions(judge: Judge) -> None:
    cases = {"fn_name": "pairs", "inputs": [[2], [0]], "outputs": [[[0, 1]], []]}
    adapted = adapt_code({"prompt": "Pairs.", "cases": cases}, 12)
    right = "class Solution:\n    def pairs(self, n):\n        print('noise')\n        return [(0, 1)] if n else []\n"
    assert await judge(adapted, "solution.py", right) == 1.0
    assert await judge(adapted, "solution.py", "def pairs(n):\n    return [[0, 1]]\n") == 0.5


async def test_assertions(judge: Judge) -> None:
    adapted = adapt_code({"prompt": "f", "asserts": ["assert f(1) == 1", "assert f(2) == 4"]}, 12)
    assert await judge(adapted, "solution.py", "def f(x):\n    return x\n") == 0.5
    assert await judge(adapted, "solution.py", "def f(x):\n    return x * x\n") == 1.0


@pytest.mark.parametrize(
    ("patch", "reward"),
    [
        (GOLD, 1.0),
        (GOLD.replace("a/", "/app/").replace("b/", "/app/"), 1.0),
        (GOLD.replace("a/", "").replace("b/", ""), 1.0),
        (GOLD.replace("+    return a + b", "+    # mended\n+    return (a + b)").replace("+1,2", "+1,3"), 1.0),
        (GOLD.replace("a + b", "b + a"), 0.5),
        (GOLD + "--- a/other.py\n+++ b/other.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n", 0.7),
        ("--- a/other.py\n+++ b/other.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n", 0.2),
        (GOLD.replace("a - b", "a / b"), 0.0),
        ("I would add them.\n", 0.0),
    ],
)
async def test_repairs(judge: Judge, patch: str, reward: float) -> None:
    assert await judge(adapt_swe(SWE_ROW, 12), "solution.patch", patch) == reward


async def test_repairs_with_tests_of_their_own(judge: Judge) -> None:
    tests = "from calc import add\n\ndef test_add():\n    assert add(1, 2) == 3\n"
    adapted = adapt_swe({**SWE_ROW, "tests": tests}, 12)
    assert await judge(adapted, "solution.patch", GOLD.replace("a + b", "b + a")) == 1.0
    assert await judge(adapted, "solution.patch", GOLD.replace("a + b", "a * b")) == 0.5


def test_no_suite_knows_the_host(tmp_path: Path) -> None:
    for adapted in (adapt_swe(SWE_ROW, 12), adapt_math({"prompt": "?", "answer": "1"}, 12)):
        assert "terminal_task_gen" not in adapted.tests
