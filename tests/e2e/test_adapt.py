"""`ttg generate --mode adapt` as a user runs it: every row ends as one line, and the run goes on where it stopped."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.demo_run import ENVIRON

pytestmark = pytest.mark.bubblewrap

ROWS: list[dict[str, Any]] = [
    {"problem": "What is 6 times 7?", "expected_answer": "42"},
    {"problem": "Prove that the root of two is irrational.", "expected_answer": "n/a"},
    {"problem": "", "expected_answer": "1"},
    {"problem": "What is 6 times 7?", "expected_answer": "42"},
]


def run_adapt(folder: Path, rows: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "terminal_task_gen", "generate", "--mode", "adapt", "--rows", str(rows)]
    command += ["--adapter", "openmathreasoning", "--name", "a", "--sandbox", "bubblewrap", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200, env=ENVIRON, cwd=folder)


def read_lines(folder: Path, prefix: str) -> list[dict[str, Any]]:
    paths = sorted((folder / "runs" / "a" / "tasks").glob(f"{prefix}-*"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def test_rows_become_tasks_and_named_rejections(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        "".join(json.dumps(row) + "\n" for row in ROWS) + '{"problem": NaN}\nbroken\n{"problem": "\\ud800"}\n'
    )
    result = run_adapt(tmp_path, rows)
    assert result.returncode == 0, result.stderr
    tasks = {task["title"]: task for task in read_lines(tmp_path, "tasks")}
    judged, unjudged = tasks["What is 6 times 7?"], tasks["Prove that the root of two is irrational."]
    assert [gate["gate"] for gate in judged["gates"]] == ["adapted", "collect", "fail_first", "oracle", "budget"]
    assert judged["lineage"]["dataset_row"] == "rows.jsonl line 1"
    assert judged["lineage"]["dataset"] == "nvidia/OpenMathReasoning"
    assert judged["lineage"]["request_id"].startswith("row-")
    assert (judged["domain"], judged["image"]) == ("math", "scientific_computing")
    assert unjudged["weights"] == {}
    assert unjudged["gates"] == [{"gate": "adapted", "evidence": "no outcome: the row has no answer"}]
    assert len(tasks) == 2, "equal rows are one task"
    reasons = sorted((line["reason"], line["evidence"].split(":")[0]) for line in read_lines(tmp_path, "rejected"))
    assert reasons == [
        ("row_encoding", "rows.jsonl line 7"),
        ("row_json", "rows.jsonl line 6"),
        ("row_no_prompt", "rows.jsonl line 3"),
        ("row_no_prompt", "rows.jsonl line 5"),
    ]

    with rows.open("a") as more:
        more.write(json.dumps({"problem": "What is one half of one half?", "expected_answer": "1/4"}) + "\n")
    assert run_adapt(tmp_path, rows).returncode == 0
    assert len(read_lines(tmp_path, "tasks")) == 3
    assert len(read_lines(tmp_path, "rejected")) == 4


def test_max_rows_and_no_proof(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        "".join(json.dumps({"problem": f"What is {n} + 1?", "expected_answer": n + 1}) + "\n" for n in range(50))
    )
    result = run_adapt(tmp_path, rows, "-n", "20", "--set", "generate.adapt.prove=false")
    assert result.returncode == 0, result.stderr
    tasks = read_lines(tmp_path, "tasks")
    assert len(tasks) == 20
    assert [gate["gate"] for gate in tasks[0]["gates"]] == ["adapted"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--adapter", "openmath"], "no adapter 'openmath'; known: apps"),
        (["--rows", "nowhere.jsonl"], "nowhere.jsonl does not exist"),
        (["--mode", "skill"], "mode adapt stands alone"),
    ],
)
def test_what_a_user_gets_wrong(tmp_path: Path, args: list[str], message: str) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n")
    result = run_adapt(tmp_path, tmp_path / "rows.jsonl", *args)
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
