"""A damaged line, a full disk, Ctrl-C, a resume with another configuration: told in a line, and nothing is lost."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.e2e.conftest import FinishedDemo
from tests.e2e.demo_run import ENVIRON, read_lines, read_run, run_demo, start_demo, wait_for

pytestmark = pytest.mark.bubblewrap


def run_ttg(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "terminal_task_gen", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=ENVIRON)


def damage_line(shard: Path, number: int) -> None:
    lines = shard.read_bytes().splitlines(keepends=True)
    lines[number - 1] = lines[number - 1][: len(lines[number - 1]) // 2] + b"\n"
    shard.write_bytes(b"".join(lines))


def test_a_damaged_line_is_named_the_rest_used_and_the_item_made_again(demo: FinishedDemo, tmp_path: Path) -> None:
    run = tmp_path / "demo"
    shutil.copytree(demo.run, run)
    shard = run / "trajectories" / "trajectories-00000.jsonl"
    damage_line(shard, 2)
    filtered = run_ttg("filter", str(run))
    assert filtered.returncode == 2
    assert f"{shard} line 2: not valid JSON" in filtered.stderr
    assert "Traceback" not in filtered.stderr
    before, after = read_run(demo.run), read_lines(run / "corpus", "**/*.jsonl")
    assert len(after) == len(before.trajectories) - 1

    checked = run_ttg("doctor", str(run))
    assert checked.returncode == 2 and "line 2" in checked.stdout and "--repair" in checked.stderr
    assert run_ttg("doctor", str(run), "--repair").returncode == 0
    again = run_demo(tmp_path)
    assert again.returncode == 0, again.stderr
    assert "rollout: 1 to do" in again.stderr
    assert read_run(run).kept == before.kept


def test_a_full_disk_leaves_only_whole_lines_and_the_run_goes_on(demo: FinishedDemo, tmp_path: Path) -> None:
    """The run lies on a tmpfs of its own that is too small; what is on it is copied out at the end."""
    saved = tmp_path / "saved"
    saved.mkdir()
    script = (
        f"{sys.executable} -m terminal_task_gen demo --output-dir /mnt --set rollout.record=false; code=$?; "
        f"cp -r /mnt/demo {saved}/; exit $code"
    )
    small = ["--size", str(400_000), "--tmpfs", "/mnt", "--bind", str(saved), str(saved)]
    result = subprocess.run(
        ["bwrap", "--dev-bind", "/", "/", *small, "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env=ENVIRON,
    )
    assert result.returncode == 2, result.stdout + result.stderr
    assert "ttg: disk full while writing /mnt/demo/" in result.stderr
    assert "Traceback" not in result.stderr
    for path in (saved / "demo").rglob("*.jsonl*"):
        content = path.read_bytes()
        assert content.endswith(b"\n"), path
        assert all(orjson.loads(line) for line in content.splitlines())
    resumed = run_demo(saved)
    assert resumed.returncode == 0, resumed.stderr
    assert read_run(saved / "demo").kept == read_run(demo.run).kept


def test_ctrl_c_drains_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    process = start_demo(tmp_path)
    wait_for(tmp_path / "demo" / "tasks", "tasks-*", at_least=2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "stopping: what is under way will finish" in stderr
    assert "stopped; to go on: the same command again" in stderr
    assert not list((tmp_path / "demo").rglob("*.part"))
    done = len(read_lines(tmp_path / "demo", "tasks/*.jsonl"))
    assert done >= 2
    resumed = run_demo(tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert f"({done} done before)" in resumed.stderr


def test_a_changed_configuration_is_refused_naming_field_and_remedy(demo: FinishedDemo) -> None:
    result = run_demo(demo.runs, "--set", "rollout.max_turns=9")
    assert result.returncode == 2
    assert "rollout.max_turns = 10, now it is = 9" in result.stderr
    assert "another --name" in result.stderr


def test_no_key_is_written_anywhere(tmp_path: Path) -> None:
    key = "sk-test-0123456789abcdef"
    options = ["--set", "teacher.author.api_key_env=TTG_TEST_KEY", "--set", "generate.count=3"]
    command = [sys.executable, "-m", "terminal_task_gen", "demo", "--output-dir", str(tmp_path), *options]
    environ = {**ENVIRON, "TTG_TEST_KEY": key}
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environ)
    assert result.returncode == 0, result.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files and not [path for path in files if key.encode() in path.read_bytes()]


def test_a_run_goes_on_from_its_own_folder_wherever_it_and_we_are(demo: FinishedDemo, tmp_path: Path) -> None:
    moved, elsewhere = tmp_path / "moved", tmp_path / "elsewhere"
    shutil.copytree(demo.run, moved)
    elsewhere.mkdir()
    command = [sys.executable, "-m", "terminal_task_gen", "filter", str(moved)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=elsewhere, env=ENVIRON)
    assert result.returncode == 0, result.stderr
    assert list(elsewhere.iterdir()) == []
    assert read_run(moved).kept == read_run(demo.run).kept


def test_a_line_that_is_json_but_no_record_is_not_taken_for_done(demo: FinishedDemo, tmp_path: Path) -> None:
    run = tmp_path / "demo"
    shutil.copytree(demo.run, run)
    shard = run / "tasks" / "tasks-00000.jsonl"
    lines = shard.read_bytes().splitlines()
    lines[1] = orjson.dumps({**orjson.loads(lines[1]), "weights": "x"})
    shard.write_bytes(b"\n".join(lines) + b"\n")
    result = run_demo(tmp_path)
    assert result.returncode == 2
    assert f"{shard} line 2: weights" in result.stderr
    assert run_ttg("doctor", str(run), "--repair").returncode == 0
    again = run_demo(tmp_path)
    assert again.returncode == 0, again.stderr
    assert "generate: 1 to do" in again.stderr
    assert read_run(run).kept == read_run(demo.run).kept


def test_another_name_makes_another_run_from_a_runs_own_configuration(demo: FinishedDemo, tmp_path: Path) -> None:
    config, place = str(demo.run / "config.yaml"), ["--output-dir", str(tmp_path)]
    endpoint = ["--base-url", "http://127.0.0.1:9/v1", "--set", "teacher.author.max_retries=0"]
    result = run_ttg("run", config, "--name", "second", *place, *endpoint, "--set", "generate.count=1")
    assert result.returncode == 1, result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"second"}
    assert len(read_lines(tmp_path / "second", "tasks/rejected-*.jsonl")) == 2
