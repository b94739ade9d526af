"""Runs the demo as a user does, in a process of its own, and reads what it left on disk."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRON = {**os.environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "160"}


def run_demo(runs: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """`ttg demo --output-dir runs args…`, waited for."""
    command = [sys.executable, "-m", "terminal_task_gen", "demo", "--output-dir", str(runs), *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280, env=ENVIRON)


def start_demo(runs: Path, *args: str) -> subprocess.Popen[str]:
    """The same, not waited for."""
    command = [sys.executable, "-m", "terminal_task_gen", "demo", "--output-dir", str(runs), *args]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=ENVIRON)


def kill_after(process: subprocess.Popen[str], seconds: float) -> bool:
    """kill -9 after a while; False when it had ended by itself."""
    with process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return True
    return False


def wait_for(path: Path, pattern: str, *, at_least: int, timeout_sec: float = 60.0) -> None:
    """Until files matching `pattern` hold that many lines together."""
    deadline = time.monotonic() + timeout_sec
    while time.monotonic() < deadline:
        if sum(file.read_bytes().count(b"\n") for file in path.glob(pattern)) >= at_least:
            return
        time.sleep(0.02)
    raise AssertionError(f"{path}/{pattern} did not get {at_least} lines in {timeout_sec} s")


@dataclass(frozen=True)
class Lines:
    """What a run left, as plain JSON: read without the package, as a user would."""

    tasks: list[dict[str, Any]]
    rejected: list[dict[str, Any]]
    trajectories: list[dict[str, Any]]
    failed: list[dict[str, Any]]
    kept: list[dict[str, Any]]
    dropped: list[dict[str, Any]]
    report: dict[str, Any]


def read_run(run: Path) -> Lines:
    corpus = run / "corpus"
    return Lines(
        tasks=read_lines(run, "tasks/tasks-*.jsonl"),
        rejected=read_lines(run, "tasks/rejected-*.jsonl"),
        trajectories=read_lines(run, "trajectories/trajectories-*.jsonl"),
        failed=read_lines(run, "trajectories/failed-*.jsonl"),
        kept=read_lines(corpus, "**/train-*.jsonl"),
        dropped=read_lines(corpus, "dropped-*.jsonl"),
        report=orjson.loads((corpus / "report.json").read_bytes()),
    )


def read_lines(folder: Path, pattern: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for path in sorted(folder.glob(pattern)) for line in path.read_bytes().splitlines()]


def summarise_verdicts(lines: Lines) -> dict[str, tuple[str, float, tuple[tuple[str, str], ...]]]:
    """Trajectory id → stop reason, reward and the status of each test: what must not depend on speed or sandbox."""
    return {
        row["id"]: (
            row["stop_reason"],
            row["verdict"]["reward"],
            tuple((test["name"], test["status"]) for test in row["verdict"]["tests"]),
        )
        for row in lines.trajectories
    }


def count_in(text: str, label: str) -> int:
    """The number that the printed funnel gives for a label."""
    found = re.search(rf"^\s*(?:generate|rollout|filter)?\s*{re.escape(label)}\s+(\d+)\s*$", text, re.MULTILINE)
    assert found, f"{label!r} is not in the funnel:\n{text}"
    return int(found.group(1))
