"""`ttg report` on the demo's run: its numbers are those of the shards, its words those of the files."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.conftest import FinishedDemo
from tests.e2e.demo_run import ENVIRON, read_run

pytestmark = pytest.mark.bubblewrap


def run_report(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "terminal_task_gen", "report", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRON)


def test_numbers_are_those_of_the_shards(demo: FinishedDemo) -> None:
    lines = read_run(demo.run)
    result = run_report(str(demo.run), "--json")
    assert result.returncode == 0, result.stderr
    report: dict[str, Any] = orjson.loads(result.stdout)
    assert report == orjson.loads((demo.run / "tasks" / "report.json").read_bytes())
    total = report["total"]
    assert (total["requested"], total["passed"]) == (len(lines.tasks) + len(lines.rejected), len(lines.tasks))
    assert total["rejected"] == dict(Counter(row["reason"] for row in lines.rejected))
    assert total["usage"]["calls"] == sum(row["usage"]["calls"] for row in [*lines.tasks, *lines.rejected])
    for kind, key in (("domains", "domain"), ("difficulties", "difficulty")):
        found = {one["name"]: one["passed"] for one in report[kind] if one["passed"]}
        assert found == dict(Counter(row[key] for row in lines.tasks))
    given = Counter(skill for row in lines.tasks for skill in row["lineage"]["skills"])
    given.update(skill for row in lines.rejected for skill in row["skills"])
    assert {one["name"]: one["requested"] for one in report["skills"]} == dict(given)
    assert total["seconds"] > 0
    assert {"static", "collect", "oracle"} <= {gate["gate"] for gate in report["gates"]}
    examples = {one["example_id"] for one in report["reasons"]}
    assert examples <= {row["lineage"]["request_id"] for row in lines.tasks} | {row["id"] for row in lines.rejected}


def test_the_table_tells_a_person(demo: FinishedDemo) -> None:
    result = run_report(str(demo.run), "--skills", "2")
    assert result.returncode == 0, result.stderr
    for words in (
        "yield",
        "first replies",
        "repair round 1",
        "reasons for refusal",
        "weights sum to 1.1",
        "report.json",
    ):
        assert words in result.stdout


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    result = run_report(str(tmp_path))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1 and "not a run directory" in result.stderr
