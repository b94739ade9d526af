"""`ttg demo --domains all --sandbox docker`: whatever is scripted, in every domain's own image."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from terminal_task_gen.pipeline.scripted_teacher import REPERTOIRE, count_scripted_tasks
from terminal_task_gen.resources import data_dir
from terminal_task_gen.taxonomy import load_domains
from tests.e2e.demo_run import ENVIRON, Lines, read_run, run_demo

SCRIPTED = sorted(path.name for path in REPERTOIRE.iterdir() if path.is_dir())
MINIMUM = 3


def count_scripts(domain: str, *, with_actor: bool) -> int:
    """Scripts that an actor goes on with are meant to be accepted, those without one to be refused."""
    scripts = (path.parent for path in (REPERTOIRE / domain).glob("*/script.yaml"))
    return sum((folder / "actor-1.md").is_file() is with_actor for folder in scripts)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Lines:
    runs = tmp_path_factory.mktemp("all")
    command = [sys.executable, "-m", "terminal_task_gen", "demo", "--domains", "all", "--sandbox", "docker"]
    # Every further proof is another container for each of some fifty drafts; the gate has tests of its own.
    command += ["--set", "generate.gates.flake_proofs=1"]
    result = subprocess.run(
        [*command, "--output-dir", str(runs)], capture_output=True, text=True, check=False, timeout=1500, env=ENVIRON
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return read_run(runs / "demo-all-docker")


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(1600)
@pytest.mark.parametrize("domain", SCRIPTED)
def test_every_domain_yields_its_tasks_proven_by_solution_and_untouched_machine(lines: Lines, domain: str) -> None:
    tasks = [task for task in lines.tasks if task["domain"] == domain]
    rejected = [f"{row['reason']}: {row['evidence']}" for row in lines.rejected if row["domain"] == domain]
    assert len(tasks) == count_scripts(domain, with_actor=True) >= MINIMUM, rejected
    assert len(rejected) == count_scripts(domain, with_actor=False), rejected
    for task in tasks:
        passed = {gate["gate"]: gate["evidence"] for gate in task["gates"]}
        assert passed["fail_first"].startswith(f"none of {len(task['weights'])} tests passes untouched")
        assert passed["oracle"].startswith(f"all {len(task['weights'])} tests pass")
        assert task["skills"] or task["lineage"]["mode"] == "seed", "the author names skills of the menu"
        assert task["lineage"]["image_manifest"].startswith(f"{task['image']}-")


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.timeout(1600)
@pytest.mark.parametrize("domain", SCRIPTED)
def test_every_task_is_worked_on_and_most_are_solved(lines: Lines, domain: str) -> None:
    rows = [row for row in lines.trajectories if row["domain"] == domain]
    assert len(rows) == count_scripts(domain, with_actor=True)
    assert 2 * sum(row["verdict"]["passed"] for row in rows) > len(rows), [row["verdict"] for row in rows]
    assert not any(row["verdict"]["tampered"] for row in rows)


def test_every_script_is_met_by_a_request() -> None:
    """Commissions count on without a gap; a script beyond one would never be asked for."""
    scripts = Counter(
        path.parent.parent.name
        for path in REPERTOIRE.glob("*/*/script.yaml")
        if "Commission number" in path.read_text(encoding="utf-8")
    )
    assert count_scripted_tasks(SCRIPTED) == {domain: scripts[domain] for domain in SCRIPTED}
    assert set(SCRIPTED) == set(load_domains([data_dir("taxonomy")]))


@pytest.mark.bubblewrap
def test_bubblewrap_says_in_one_line_what_it_lacks(tmp_path: Path) -> None:
    options = ["--domains", "security", "--set", "generate.count=0"]
    result = run_demo(tmp_path, *options)
    assert result.returncode == 0, result.stderr
    told = [line for line in result.stderr.splitlines() if "bubblewrap has only this machine's programs" in line]
    assert len(told) == 1 and "security (" in told[0] and "--sandbox docker" in told[0]


@pytest.mark.parametrize(
    ("domains", "complaint"),
    [("gardening", "unknown domain 'gardening'; known: data_processing"), ("a,b", "unknown domain 'a'")],
)
def test_a_domain_that_cannot_be_shown_is_refused(domains: str, complaint: str, tmp_path: Path) -> None:
    result = run_demo(tmp_path, "--domains", domains)
    assert result.returncode == 2
    assert complaint in result.stderr
    assert list(tmp_path.iterdir()) == []
