"""One undisturbed demo run, shared by the tests that only look at it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.demo_run import run_demo


class FinishedDemo(NamedTuple):
    runs: Path
    run: Path
    result: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> FinishedDemo:
    runs = tmp_path_factory.mktemp("runs")
    result = run_demo(runs)
    return FinishedDemo(runs, runs / "demo", result)
