"""Documents tell the truth: links resolve, named commands exist, README opens as promised."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from terminal_task_gen.cli.main import app

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("images/*.md")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_and_anchors_resolve(path: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?[^)]*\)", path.read_text(encoding="utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        place = path.parent / target if target else path
        assert place.exists(), f"{path.name} links to {target}"
        if anchor:
            assert anchor in list_anchors(place), f"{path.name} links to {target}#{anchor}, a heading that is not there"


def list_anchors(path: Path) -> set[str]:
    """As GitHub and mkdocs make them of plain headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_named_commands_and_options_exist(path: Path) -> None:
    """Every `ttg …` line of a code block names a command that there is, with options that it has."""
    blocks = re.findall(r"^```\w*\n(.*?)^```|((?:^ {4}\S.*\n)+)", path.read_text(encoding="utf-8"), re.S | re.M)
    for line in re.findall(r"^\s*(?:\$ )?ttg ([^#\n]+)", "\n".join(a or b for a, b in blocks), re.M):
        words = line.split()
        command: Any = typer.main.get_command(app)
        while hasattr(command, "commands") and words:
            assert words[0] in command.commands, f"{path.name}: ttg {line}: no command {words[0]}"
            command, words = command.commands[words[0]], words[1:]
        known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)} | {"--help", "-h"}
        for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", " ".join(words)):
            assert option in known, f"{path.name}: ttg {line}: no option {option}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_named_configurations_exist(path: Path) -> None:
    for name in re.findall(r"\bconfigs/[\w./-]+\.ya?ml\b", path.read_text(encoding="utf-8")):
        assert (REPOSITORY / name).is_file(), f"{path.name} names {name}"


def test_readme_opens_with_the_command_and_its_output() -> None:
    head = "\n".join((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()[:40])
    assert "make demo" in head
    assert "──►" in head or "→" in head
    assert "corpus" in head


def test_the_reference_is_what_the_code_says(tmp_path: Path) -> None:
    written = tmp_path / "reference.md"
    subprocess.run([sys.executable, str(REPOSITORY / "scripts/write_reference.py"), str(written)], check=True)
    assert written.read_text() == (REPOSITORY / "docs/reference.md").read_text(), "run: make docs"
