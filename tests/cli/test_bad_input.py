"""What a user gets wrong costs one clear line and exit code 2, and nothing is half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ENDPOINT = ["--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--api-key-env", ""]


def run_ttg(cwd: Path, *args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "terminal_task_gen", *args]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), **(env or {})}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=cwd, env=environ)


def assert_one_line(result: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert result.returncode == 2, result.stdout + result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("ttg: ")
    for part in parts:
        assert part in lines[0]
    assert "Traceback" not in result.stderr


def test_unknown_domain(tmp_path: Path) -> None:
    result = run_ttg(tmp_path, "generate", "--mode", "skill", "--domain", "securty", *ENDPOINT)
    assert_one_line(result, "unknown domain 'securty'", "known: data_processing")


def test_no_endpoint(tmp_path: Path) -> None:
    result = run_ttg(tmp_path, "generate", "--mode", "skill")
    assert_one_line(result, "no endpoint", "--base-url", "ttg demo")


def test_missing_key(tmp_path: Path) -> None:
    result = run_ttg(tmp_path, "generate", "--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--mode", "skill")
    assert_one_line(result, "OPENAI_API_KEY is not set", "api_key_env")


def test_bad_yaml(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("generate: [")
    assert_one_line(run_ttg(tmp_path, "run", "c.yaml"), "c.yaml is not valid YAML", "line 1")


def test_unknown_field(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("rollout: {max_trun: 3}")
    assert_one_line(run_ttg(tmp_path, "run", "c.yaml"), "unknown field 'rollout.max_trun'", "max_turns")


def test_a_mode_that_does_not_exist(tmp_path: Path) -> None:
    assert_one_line(run_ttg(tmp_path, "generate", "--mode", "skil", *ENDPOINT), "generate.modes", "skill")


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    assert_one_line(run_ttg(tmp_path, "rollout", "nowhere"), "nowhere is not a run directory", "ttg generate")


def test_no_docker_engine(tmp_path: Path) -> None:
    environ = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    result = run_ttg(tmp_path, "demo", "--sandbox", "docker", env=environ)
    assert_one_line(result, "no Docker engine answers", "/nowhere/docker.sock", "bubblewrap")


@pytest.mark.bubblewrap
def test_a_read_only_run_directory(tmp_path: Path) -> None:
    """Root writes through permission bits, so the folder lies on a read-only mount."""
    command = f"{sys.executable} -m terminal_task_gen demo --output-dir {tmp_path}/runs"
    result = subprocess.run(
        ["bwrap", "--dev-bind", "/", "/", "--ro-bind", str(tmp_path), str(tmp_path), "sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        cwd="/",
    )
    assert_one_line(result, f"cannot write {tmp_path}/runs/demo", "choose another --output-dir")


def test_a_key_in_the_address(tmp_path: Path) -> None:
    address = ["--base-url", "http://127.0.0.1:9/v1?api-key=SECRET12345", "--model", "m", "--api-key-env", ""]
    result = run_ttg(tmp_path, "generate", "--mode", "skill", *address)
    assert_one_line(result, "base_url has a query", "api_key_env")
    assert "SECRET12345" not in result.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"SECRET12345" in path.read_bytes()]


def test_seeds_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "seeds" / "x.jsonl").mkdir(parents=True)
    result = run_ttg(tmp_path, "generate", "--mode", "seed", "--seeds", "seeds", *ENDPOINT)
    assert_one_line(result, "cannot read seeds", "x.jsonl")


def test_an_unquoted_date_is_a_date(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("date: 2026-01-01\n")
    assert_one_line(run_ttg(tmp_path, "run", "c.yaml"), "no endpoint configured")
