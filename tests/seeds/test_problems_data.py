"""Every shipped seed can be trusted: its solution runs on the standard library alone and prints the stated answer.

The solutions run once, side by side, each in an interpreter of its own with a limit of two seconds of processor time.
What is asked of the collection as a whole (fields, domains, no two alike) is counted here too.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import pytest

from terminal_task_gen.resources import data_dir
from terminal_task_gen.seeds import Seed, load_seeds

SEEDS = {id: seed for id, seed in load_seeds([data_dir("seeds")]).items() if seed.kind == "problem"}
STATED = "# prints: "
CPU_LIMIT_SEC = 2
# Wall time is generous: only a solution that waits for something would reach it.
WALL_LIMIT_SEC = 60

FIELDS = {
    "physics",
    "chemistry",
    "biology",
    "earth science",
    "statistics",
    "optimisation",
    "numerical methods",
    "algorithms",
    "text",
    "systems",
}
DOMAINS = {
    "data_processing",
    "data_querying",
    "data_science",
    "debugging",
    "dependency_management",
    "file_operations",
    "scientific_computing",
    "security",
    "software_engineering",
}


def get_solution(seed: Seed) -> str:
    assert seed.solution is not None, "every shipped seed has a reference solution"
    return seed.solution


def get_stated_answer(seed: Seed) -> str:
    last = get_solution(seed).strip().splitlines()[-1]
    assert last.startswith(STATED)
    return last.removeprefix(STATED)


def get_words(seed: Seed) -> set[str]:
    return set(re.findall(r"[a-z]{3,}", seed.problem.casefold()))


def run_solution(seed: Seed) -> subprocess.CompletedProcess[str]:
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_CPU, ({CPU_LIMIT_SEC}, {CPU_LIMIT_SEC}))\n"
    argv = [sys.executable, "-I", "-S", "-W", "error", "-c", limit + get_solution(seed)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=WALL_LIMIT_SEC, check=False)


@pytest.fixture(scope="module")
def runs() -> dict[str, subprocess.CompletedProcess[str]]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(SEEDS, pool.map(run_solution, SEEDS.values()), strict=True))


@pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS)
def test_the_solution_prints_the_stated_answer(seed: Seed, runs: dict[str, subprocess.CompletedProcess[str]]) -> None:
    ran = runs[seed.id]
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
    assert seed.domain in DOMAINS
    assert len(seed.problem) > 120
    assert get_stated_answer(seed) not in seed.problem, "the problem must not give its answer away"


def test_there_are_enough_seeds_of_every_field() -> None:
    assert len(SEEDS) >= 155
    labels = Counter(seed.label for seed in SEEDS.values())
    assert {field: labels[field] for field in FIELDS if labels[field] < 12} == {}


def test_every_domain_has_seeds() -> None:
    domains = Counter(seed.domain for seed in SEEDS.values())
    assert {domain: domains[domain] for domain in DOMAINS if domains[domain] < 8} == {}


def test_no_two_problems_are_alike() -> None:
    words = {seed.id: get_words(seed) for seed in SEEDS.values()}
    alike = [(a, b) for a, b in combinations(words, 2) if 5 * len(words[a] & words[b]) > 2 * len(words[a] | words[b])]
    assert alike == []
