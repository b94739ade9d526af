"""One undisturbed demo run, shared by the tests that only look at it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

# Tests run in importlib mode, without packages; the module beside us is made importable by its name.
_spec = importlib.util.spec_from_file_location("demo_run", Path(__file__).with_name("demo_run.py"))
assert _spec is not None and _spec.loader is not None
demo_run = importlib.util.module_from_spec(_spec)
sys.modules["demo_run"] = demo_run
_spec.loader.exec_module(demo_run)


class Finished(NamedTuple):
    runs: Path
    run: Path
    result: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    runs = tmp_path_factory.mktemp("runs")
    result = demo_run.run_demo(runs)
    return Finished(runs, runs / "demo", result)
