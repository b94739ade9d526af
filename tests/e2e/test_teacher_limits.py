"""`ttg generate` at the end of a budget and at an endpoint that fails every call: what it says, and how it goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.faults.campaign import read_outcome, serve
from benchmarks.faults.repertoire import DOMAIN, write_repertoire
from tests.e2e.demo_run import ENVIRON

pytestmark = [pytest.mark.bubblewrap, pytest.mark.slow]


def generate(runs: Path, base_url: str, *settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "terminal_task_gen", "generate", "--domain", DOMAIN, "-n", "20"]
    command += ["--sandbox", "bubblewrap", "--output-dir", str(runs), "--name", "limited", "--parallel", "4"]
    command += ["--base-url", base_url, "--model", "m", "--api-key-env", "", "--set", "generate.repair_rounds=0"]
    for setting in settings:
        command += ["--set", setting]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=ENVIRON)


def test_a_spent_budget_stops_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    write_repertoire(tmp_path / "repertoire")
    with serve(tmp_path, "", 0.02) as server:
        first = generate(tmp_path, server.base_url, "teacher.budget_tokens=25000")
        assert first.returncode == 2, first.stderr
        assert "ttg: teacher.budget_tokens is spent: " in first.stderr
        assert "raise it (--set) and run the same again to go on" in first.stderr
        before = read_outcome(tmp_path / "limited", 0.0)
        assert 4 <= len(before.refused) < 20
        again = generate(tmp_path, server.base_url)
        assert again.returncode == 2, "what earlier starts used counts"
        assert len(read_outcome(tmp_path / "limited", 0.0).refused) == len(before.refused)
        last = generate(tmp_path, server.base_url, "teacher.budget_tokens=0")
        assert last.returncode == 0, last.stderr
    after = read_outcome(tmp_path / "limited", 0.0)
    assert len(after.refused) == 20
    assert after.doubled == []
    assert set(after.owed) <= {"budget_spent"}


def test_a_budget_in_money_needs_prices(tmp_path: Path) -> None:
    result = generate(tmp_path, "http://127.0.0.1:9/v1", "teacher.author.budget_usd=1")
    assert result.returncode == 2
    assert "a budget in USD needs prices: set teacher.author.prompt_usd_per_mtok" in result.stderr


def test_an_endpoint_that_fails_every_call_ends_the_run(tmp_path: Path) -> None:
    write_repertoire(tmp_path / "repertoire")
    settings = ("teacher.author.max_retries=1", "teacher.author.max_backoff_sec=0.05")
    with serve(tmp_path, "server_error=1", 0.0) as server:
        result = generate(tmp_path, server.base_url, *settings, "teacher.author.stop_after_failures=6")
    assert result.returncode == 2, result.stderr
    assert "stopped: 6 calls in a row failed for one cause (teacher_server_error)" in result.stderr
    assert sum(read_outcome(tmp_path / "limited", 0.0).owed.values()) >= 5
    with serve(tmp_path, "", 0.0) as server:
        assert generate(tmp_path, server.base_url).returncode == 0
