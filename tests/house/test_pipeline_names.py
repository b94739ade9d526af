"""The composition root offers what it says, though it imports a part only when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from terminal_task_gen import pipeline


@pytest.mark.parametrize("name", pipeline.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(pipeline, name) is not None


def test_a_rollout_does_not_pay_for_the_other_stages() -> None:
    """numpy is the filters'."""
    script = "import sys; from terminal_task_gen.cli import main; print('numpy' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"
