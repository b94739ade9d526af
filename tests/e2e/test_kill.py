"""kill -9 in each stage at random points, then go on: the same ids, nothing lost, nothing doubled, no orphan."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from demo_run import kill_after, read_run, run_demo, start_demo, summarise_verdicts, wait_for

pytestmark = [pytest.mark.bubblewrap, pytest.mark.slow]


def list_sandbox_processes() -> list[str]:
    found = subprocess.run(["pgrep", "-af", "^bwrap .*--hostname sandbox"], capture_output=True, text=True, check=False)
    return found.stdout.splitlines()


def test_killed_in_every_stage_at_random_points(demo: Any, tmp_path: Path) -> None:
    rng = random.Random(20)
    killed = 0
    for shard, folder in (("tasks-*", "tasks"), ("tasks-*", "tasks"), ("trajectories-*", "trajectories")) * 2:
        process = start_demo(tmp_path)
        before = sum(p.read_bytes().count(b"\n") for p in (tmp_path / "demo" / folder).glob(shard))
        try:
            wait_for(tmp_path / "demo" / folder, shard, at_least=before + 1, timeout_sec=20.0)
        except AssertionError:
            pass  # that stage is done already; the kill falls wherever the run is
        killed += kill_after(process, rng.uniform(0.0, 0.6))
    assert killed >= 4
    result = run_demo(tmp_path)
    assert result.returncode == 0, result.stderr
    undisturbed, survived = read_run(demo.run), read_run(tmp_path / "demo")
    assert sorted(t["id"] for t in survived.tasks) == sorted(t["id"] for t in undisturbed.tasks)
    assert sorted(r["id"] for r in survived.rejected) == sorted(r["id"] for r in undisturbed.rejected)
    assert len({r["id"] for r in survived.trajectories}) == len(survived.trajectories)
    assert summarise_verdicts(survived) == summarise_verdicts(undisturbed)
    assert survived.kept == undisturbed.kept
    assert not list((tmp_path / "demo").rglob("*.part"))


def test_no_sandbox_outlives_a_killed_run(tmp_path: Path) -> None:
    before = set(list_sandbox_processes())
    process = start_demo(tmp_path)
    wait_for(tmp_path / "demo" / "trajectories", "trajectories-*", at_least=1)
    assert kill_after(process, 0.0)
    for _ in range(50):
        left = set(list_sandbox_processes()) - before
        if not left:
            break
        subprocess.run(["sleep", "0.1"], check=True)
    assert not left
