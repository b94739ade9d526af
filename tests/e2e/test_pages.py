"""Every command of the pages works: run against the scripted teacher, or parsed where it needs more than that."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from terminal_task_gen.cli.main import app
from tests.e2e.conftest import FinishedDemo
from tests.e2e.demo_run import ENVIRON, REPOSITORY
from tests.e2e.pages import PAGES, Block, list_commands, read_blocks

RUN = [page for page in PAGES if any(block.is_run for block in read_blocks(page))]
PARSED = [page for page in PAGES if any(b.language == "console" and not b.is_run for b in read_blocks(page))]
WRITTEN_URL = "http://127.0.0.1:8000/v1"


def name_page(page: Path) -> str:
    return page.stem


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A scripted teacher, as the pages tell their reader to start one."""
    command = [sys.executable, "-u", "-m", "terminal_task_gen", "teacher", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRON) as server:
        assert server.stdout is not None
        said = ""
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/v1", said)):
            line = server.stdout.readline()
            assert line, f"the scripted teacher did not start: {said}"
            said += line
        yield found[0]
        server.terminate()


@pytest.fixture
def folder(demo: FinishedDemo, tmp_path: Path) -> Path:
    """Where a reader of a page stands: a run of the demo, the shipped configurations, `ttg` on the path."""
    shutil.copytree(demo.run, tmp_path / "runs" / "demo")
    shutil.copytree(REPOSITORY / "configs", tmp_path / "configs")
    (tmp_path / "bin").mkdir()
    ttg = tmp_path / "bin" / "ttg"
    ttg.write_text(f'#!/bin/sh\nexec {sys.executable} -m terminal_task_gen "$@"\n')
    ttg.chmod(0o755)
    return tmp_path


@pytest.mark.bubblewrap
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", RUN, ids=name_page)
def test_commands_work(page: Path, folder: Path, endpoint: str) -> None:
    environment = {
        **ENVIRON,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "DOCKER_HOST": "unix:///nowhere",  # the pages are run on bubblewrap, here as elsewhere
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    for block in read_blocks(page):
        if block.remark.startswith("file: "):
            (folder / block.remark.removeprefix("file: ")).write_text(block.text.replace(WRITTEN_URL, endpoint))
        elif block.remark == "apply":
            environment["PYTHONPATH"] = str(apply_diff(block, folder))
        elif block.is_run:
            for command in list_commands(block):
                run_command(command.line.replace(WRITTEN_URL, endpoint), command.expected, folder, environment)


def run_command(line: str, expected: tuple[str, ...], folder: Path, environment: dict[str, str]) -> None:
    result = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=250
    )
    said = " ".join((result.stdout + result.stderr).split())
    assert result.returncode == 0, f"$ {line}\n{result.stdout}{result.stderr}"
    for piece in expected:
        assert piece in said, f"$ {line}\nsays nothing of {piece!r}:\n{result.stdout}{result.stderr}"


def apply_diff(block: Block, folder: Path) -> Path:
    """Change a copy of the package, made at the first diff; where it lies."""
    checkout = folder / "checkout"
    if not checkout.exists():
        for name in ("terminal_task_gen", "configs", "taxonomy", "seeds", "images"):
            shutil.copytree(REPOSITORY / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    result = subprocess.run(
        ["git", "apply", "-C1", "-"], input=block.text, cwd=checkout, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"a page's diff does not fit the code any more: {result.stderr}\n{block.text}"
    return checkout


@pytest.mark.parametrize("page", PARSED, ids=name_page)
def test_commands_that_need_more_are_understood(page: Path) -> None:
    for block in read_blocks(page):
        if block.language == "console" and not block.is_run:
            for command in list_commands(block):
                words = shlex.split(command.line)
                if words[0] == "ttg":
                    parse(words[1:])


def parse(words: list[str]) -> None:
    """As the program does, up to where it would begin to work."""
    command, context = typer.main.get_command(app), None
    while hasattr(command, "commands"):
        assert words[0] in command.commands, f"no command {words[0]!r}"
        command, words = command.commands[words[0]], words[1:]
    with command.make_context("ttg", list(words), parent=context):
        pass


def test_the_page_of_the_first_steps_is_among_those_that_run() -> None:
    assert {"quickstart", "real-endpoint", "corpus-to-sft", "write-a-rule"} <= {page.stem for page in RUN}
    assert all(block.language != "bash" for page in PAGES for block in read_blocks(page)), "commands go into ```console"


def test_the_site_builds_without_a_broken_link(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    home = (tmp_path / "site" / "index.html").read_text()
    loaded = re.findall(r"<(?:script|img|iframe)[^>]*\ssrc=\"([^\"]+)\"|<link[^>]*\shref=\"([^\"]+)\"", home)
    assert not [url for pair in loaded for url in pair if "://" in url], "the site loads from elsewhere"
