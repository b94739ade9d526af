"""The wheel carries everything: installed into an empty folder, `ttg demo` works from any directory."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.e2e.demo_run import REPOSITORY, read_run

pytestmark = [pytest.mark.bubblewrap, pytest.mark.slow]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but what the wheel holds; its dependencies are those of this environment."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(wheels), str(REPOSITORY)], check=True)
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if name.startswith("tests/")]
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    return target


def run_installed(installed: Path, cwd: Path, *args: str) -> subprocess.CompletedProcess[str]:
    # -P: not even the working directory is on the path; the checkout is hidden behind the installed package.
    command = [sys.executable, "-P", "-m", "terminal_task_gen", *args]
    environ = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280, cwd=cwd, env=environ)


def test_the_demo_runs_from_an_installed_package(installed: Path, tmp_path: Path) -> None:
    result = run_installed(installed, tmp_path, "demo")
    assert result.returncode == 0, result.stderr
    assert len(read_run(tmp_path / "runs" / "demo").tasks) >= 12
    assert not list(installed.rglob("runs"))


def test_domains_images_and_seeds_of_the_users_own(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "taxonomy").mkdir()
    (tmp_path / "images" / "gardening").mkdir(parents=True)
    (tmp_path / "images" / "gardening" / "Dockerfile").write_text(
        "ARG BASE_IMAGE=ttg-base:latest\nFROM ${BASE_IMAGE}\n"
    )
    (tmp_path / "taxonomy" / "gardening.yaml").write_text(
        "name: gardening\ntitle: Gardening\nimage: gardening\nrole: You plan gardens.\nfocus: [beds]\n"
        "skills:\n  Beds: [lay out a bed from a plan, rotate crops over years, compute watering by soil]\n"
    )
    listed = run_installed(installed, tmp_path, "images", "list", "--images", "images")
    assert "gardening" in listed.stdout + listed.stderr
    endpoint = ["--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--api-key-env", ""]
    options = ["--domain", "gardening", "--taxonomy", "taxonomy", "--images", "images", "-n", "1"]
    retries = ["--set", "teacher.author.max_retries=0", "--sandbox", "bubblewrap"]
    result = run_installed(installed, tmp_path, "generate", "--mode", "skill", *options, *endpoint, *retries)
    assert result.returncode == 1, result.stderr
    rejected = (tmp_path / "runs/run/tasks/rejected-00000.jsonl").read_text()
    assert '"domain":"gardening"' in rejected and '"cause":"teacher_unavailable"' in rejected
