"""Every shipped seed can be trusted: its solution runs on the standard library alone and prints the stated answer."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter

import pytest

from terminal_task_gen.resources import data_dir
from terminal_task_gen.seeds import Seed, load_seeds
from terminal_task_gen.taxonomy import load_domains

SEEDS = load_seeds([data_dir("seeds")])
STATED = "# prints: "


def get_solution(seed: Seed) -> str:
    assert seed.solution is not None, "every shipped seed has a reference solution"
    return seed.solution


def get_stated_answer(seed: Seed) -> str:
    last = get_solution(seed).strip().splitlines()[-1]
    assert last.startswith(STATED)
    return last.removeprefix(STATED)


@pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS)
def test_the_solution_prints_the_stated_answer(seed: Seed) -> None:
    argv = [sys.executable, "-I", "-W", "error", "-c", get_solution(seed)]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == get_stated_answer(seed) + "\n"


@pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS)
def test_the_solution_needs_the_standard_library_only(seed: Seed) -> None:
    tree = ast.parse(get_solution(seed))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
    assert any(isinstance(node, ast.FunctionDef) for node in tree.body), "it defines what it says"


@pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS)
def test_the_problem_stands_alone(seed: Seed) -> None:
    assert seed.label
    assert seed.domain in load_domains([data_dir("taxonomy")])
    assert len(seed.problem) > 120
    assert get_stated_answer(seed) not in seed.problem, "the problem must not give its answer away"


def test_there_are_enough_seeds_of_enough_kinds() -> None:
    assert len(SEEDS) >= 24
    labels = Counter(seed.label for seed in SEEDS.values())
    wanted = {
        "physics",
        "chemistry",
        "biology",
        "statistics",
        "numerical methods",
        "algorithms",
        "text",
        "cryptography",
    }
    assert wanted <= set(labels)
    assert min(Counter(seed.domain for seed in SEEDS.values()).values()) >= 5
    assert len({seed.problem for seed in SEEDS.values()}) == len(SEEDS)
