"""What binds a run: only a stage that has written something, and then in every later start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal_task_gen.config import Config, load_config
from terminal_task_gen.errors import Cause, UsageError
from terminal_task_gen.identity import enter_stage, read_identity
from terminal_task_gen.store import REJECTED, RunDirectory
from terminal_task_gen.task import Rejection


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDirectory]:
    directory = RunDirectory(tmp_path / "r")
    directory.lock()
    yield directory
    directory.unlock()


def enter(run: RunDirectory, stage: str, *overrides: str) -> None:
    config: Config = load_config(None, ["sandbox.driver=bubblewrap", *overrides])
    enter_stage(run, config, stage, contents={"prompts": "1"}, image_digests={})


def write_line(run: RunDirectory) -> None:
    writer = run.open_writer(REJECTED, max_bytes=1000)
    writer.write(Rejection(id="r", stage="generate", cause=Cause.MERIT, reason="x", evidence="", domain="security"))
    writer.close()


def test_before_the_first_line_a_typo_can_be_mended(run: RunDirectory) -> None:
    enter(run, "generate", "teacher.author.model=typo")
    enter(run, "generate", "teacher.author.model=right")
    write_line(run)
    with pytest.raises(UsageError, match=r"teacher\.author\.model = 'right', now it is = 'typo'"):
        enter(run, "generate", "teacher.author.model=typo")


def test_a_later_stage_may_not_change_what_binds_an_earlier_one(run: RunDirectory) -> None:
    enter(run, "generate")
    write_line(run)
    with pytest.raises(UsageError, match=r"sandbox\.disk_mb = 2048.*data of 'generate'"):
        enter(run, "rollout", "sandbox.disk_mb=1024")
    enter(run, "rollout", "rollout.max_turns=7")


def test_the_run_id_is_the_same_for_the_same_configuration(run: RunDirectory, tmp_path: Path) -> None:
    enter(run, "generate")
    other = RunDirectory(tmp_path / "elsewhere")
    other.lock()
    enter(other, "generate")
    other.unlock()
    first, second = read_identity(run), read_identity(other)
    assert first is not None and second is not None
    assert first.run_id == second.run_id


def test_a_damaged_identity_is_named(run: RunDirectory) -> None:
    run.identity_path.write_text("{")
    with pytest.raises(UsageError, match=r"run\.json is damaged"):
        enter(run, "generate")
