"""A rerun from the replay cache: the same bytes, no call, nothing charged to a budget."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from benchmarks.faults.campaign import read_stats, serve
from benchmarks.faults.repertoire import DOMAIN, write_repertoire
from tests.e2e.demo_run import ENVIRON

pytestmark = [pytest.mark.bubblewrap, pytest.mark.slow]
NOWHERE = "http://127.0.0.1:9/v1"


def run_ttg(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "terminal_task_gen", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=ENVIRON)


def list_options(runs: Path, name: str, base_url: str) -> list[str]:
    where = ["--output-dir", str(runs), "--name", name, "--base-url", base_url, "--model", "m", "--api-key-env", ""]
    how = ["--sandbox", "bubblewrap", "--set", "generate.repair_rounds=1", "--set", "teacher.author.max_retries=0"]
    return ["--domain", DOMAIN, "-n", "26", *where, *how]


def generate(runs: Path, name: str, base_url: str, *more: str) -> subprocess.CompletedProcess[str]:
    return run_ttg("generate", *list_options(runs, name, base_url), *more)


def start_generate(runs: Path, name: str, base_url: str, *more: str) -> subprocess.Popen[bytes]:
    """The same, not waited for."""
    command = [sys.executable, "-m", "terminal_task_gen", "generate", *list_options(runs, name, base_url), *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRON)


def read_rows(run: Path) -> list[bytes]:
    shards = sorted((run / "tasks").glob("*.jsonl*"))
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


def test_a_killed_run_asks_again_only_for_what_was_on_its_way(tmp_path: Path) -> None:
    write_repertoire(tmp_path / "repertoire")
    with serve(tmp_path, "", 0.1) as server:
        killed = 0
        for number in (3, 9):
            process = start_generate(tmp_path / "runs", "first", server.base_url, "--parallel", "4")
            with process:
                while process.poll() is None and len(read_rows(tmp_path / "runs" / "first")) < number:
                    time.sleep(0.02)
                process.kill()
            killed += process.returncode == -signal.SIGKILL
        assert killed == 2, "it must be under way when it is killed"
        finished = generate(tmp_path / "runs", "first", server.base_url, "--parallel", "4")
        assert finished.returncode == 0, finished.stderr
        asked = read_stats(server)["requests"]
    rows = [orjson.loads(row) for row in read_rows(tmp_path / "runs" / "first")]
    used = sum(row["usage"]["calls"] for row in rows)
    assert len(rows) == 26
    assert used <= asked <= used + killed * 4, "four calls at most are on their way at a kill"
