"""What tests of exports share: no way to the hub, and `ttg` in this process, which is quicker than a new one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from terminal_task_gen.cli.main import main


class Result(NamedTuple):
    code: int
    out: str
    err: str


Ttg = Callable[..., Result]


@pytest.fixture(autouse=True)
def stay_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_TOKEN", raising=False)


@pytest.fixture
def ttg(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ttg:
    """`ttg ARGS…` as `main` runs it."""

    def run(*args: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["ttg", *args])
        with pytest.raises(SystemExit) as leaving:
            main()
        code = leaving.value.code
        captured = capsys.readouterr()
        return Result(code if isinstance(code, int) else 0 if code is None else 1, captured.out, captured.err)

    return run
