"""`--help` teaches and costs nothing: no heavy import, an example in every command."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("docker", "openai", "ray", "aiohttp", "datasets", "pytest", "pyarrow", "tokenizers", "huggingface_hub")
COMMANDS = (
    ["demo"],
    ["run"],
    ["generate"],
    ["rollout"],
    ["filter"],
    ["mix"],
    ["export"],
    ["contamination", "index"],
    ["contamination", "show"],
    ["doctor"],
    ["images", "build"],
    ["images", "list"],
    ["images", "check"],
    ["images", "manifest"],
    ["images", "push"],
    ["images", "pull"],
    ["teacher", "serve"],
    ["taxonomy", "check"],
    ["taxonomy", "sample"],
    ["taxonomy", "coverage"],
    ["domains", "new"],
    ["domains", "list"],
)


def run_ttg(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "terminal_task_gen", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['ttg', '--help']\n"
        "from terminal_task_gen.cli.main import main\n"
        "try: main()\n"
        f"except SystemExit: print('HEAVY', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert "HEAVY []" in result.stdout, result.stdout + result.stderr
    assert "ttg demo" in result.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_shows_an_example(command: list[str]) -> None:
    result = run_ttg(*command, "--help")
    assert result.returncode == 0, result.stderr
    assert f"ttg {' '.join(command)}" in result.stdout.replace("Usage: ", "", 1).split("Examples", 1)[1]


def test_version() -> None:
    assert run_ttg("--version").stdout.startswith("ttg 0.")


def test_an_unknown_command_exits_2() -> None:
    assert run_ttg("gnerate").returncode == 2
