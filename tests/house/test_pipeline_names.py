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
    """numpy is the filters', the models of the `openai` package's API are nobody's; both cost a start of a second."""
    script = (
        "import sys; from terminal_task_gen.cli import main; main.make_app(['rollout'])\n"
        "from terminal_task_gen import pipeline; from terminal_task_gen.pipeline import rollouts\n"
        "from terminal_task_gen.teacher import client; from terminal_task_gen.sandbox import docker\n"
        "pipeline.rollout; print([name for name in ('numpy', 'openai', 'terminal_task_gen.generate', 'textual')"
        " if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"
