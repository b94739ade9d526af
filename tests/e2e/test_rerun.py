"""A rerun from the replay cache: the same bytes, no call, nothing charged to a budget."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.faults.campaign import serve
from benchmarks.faults.repertoire import DOMAIN, write_repertoire
from tests.e2e.demo_run import ENVIRON

pytestmark = [pytest.mark.bubblewrap, pytest.mark.slow]
NOWHERE = "http://127.0.0.1:9/v1"


def run_ttg(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "terminal_task_gen", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=ENVIRON)


def generate(runs: Path, name: str, base_url: str, *more: str) -> subprocess.CompletedProcess[str]:
    where = ["--output-dir", str(runs), "--name", name, "--base-url", base_url, "--model", "m", "--api-key-env", ""]
    how = ["--sandbox", "bubblewrap", "--set", "generate.repair_rounds=1", "--set", "teacher.author.max_retries=0"]
    return run_ttg("generate", "--domain", DOMAIN, "-n", "26", *where, *how, *more)


def read_rows(run: Path) -> list[bytes]:
    shards = sorted((run / "tasks").glob("*.jsonl"))
    return sorted(line for path in shards for line in path.read_bytes().splitlines())


def test_another_run_of_the_same_costs_nothing_and_has_the_same_bytes(tmp_path: Path) -> None:
    write_repertoire(tmp_path / "repertoire")
    with serve(tmp_path, "", 0.0) as server:
        first = generate(tmp_path, "first", server.base_url)
        assert first.returncode == 0, first.stderr
        assert "known already" not in first.stderr
    # No server any more, and a budget that one call would overstep.
    again = generate(tmp_path, "again", NOWHERE, "--set", "teacher.budget_tokens=100")
    assert again.returncode == 0, again.stderr
    assert "replies were known already: " in again.stderr
    assert read_rows(tmp_path / "again") == read_rows(tmp_path / "first")
    with serve(tmp_path, "", 0.0) as server:
        budget = ["--set", "teacher.budget_tokens=20000"]
        more = generate(tmp_path, "again", server.base_url, "-n", "28", *budget)
    assert more.returncode == 0, "what was replayed is in the rows and yet not spent"
    assert "is spent" not in more.stderr

    shown = run_ttg("cache", "show", "--output-dir", str(tmp_path))
    assert f"{tmp_path}/.cache/teacher: " in shown.stdout
    assert " 0 replies" not in shown.stdout
    unknown = generate(tmp_path, "anew", NOWHERE, "-n", "2", "--no-cache")
    assert unknown.returncode == 1, "asked, and nobody answered"
    assert "MB freed" in run_ttg("cache", "clear", "--output-dir", str(tmp_path)).stdout
    assert ": 0 replies, 0.0 MB" in run_ttg("cache", "show", "--output-dir", str(tmp_path)).stdout
