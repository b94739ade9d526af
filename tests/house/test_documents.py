"""Documents tell the truth: links resolve, named commands exist, README opens as promised."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("images/*.md")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_resolve(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_named_commands_and_options_exist(path: Path) -> None:
    """Every `ttg …` line of a code block is understood by the program's own parser as far as options go."""
    blocks = re.findall(r"^```\w*\n(.*?)^```|((?:^ {4}\S.*\n)+)", path.read_text(encoding="utf-8"), re.S | re.M)
    commands = re.findall(r"^\s*(?:\$ )?ttg ([^#\n]+)", "\n".join(a or b for a, b in blocks), re.M)
    named = re.compile(r"[a-z]+(?: (?:build|list|check|manifest|push|pull|serve|index|show|sample|coverage))?")
    for command in {found[0] for c in commands if (found := named.match(c))}:
        result = subprocess.run(
            [sys.executable, "-m", "terminal_task_gen", *command.split(), "--help"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{path.name}: ttg {command}"
        for line in (c for c in commands if c.startswith(command)):
            for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", line):
                assert option in result.stdout, f"{path.name}: ttg {line}: no option {option}"


def test_readme_opens_with_the_command_and_its_output() -> None:
    head = "\n".join((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()[:40])
    assert "make demo" in head
    assert "──►" in head or "→" in head
    assert "corpus" in head


def test_the_reference_is_what_the_code_says(tmp_path: Path) -> None:
    written = tmp_path / "reference.md"
    subprocess.run([sys.executable, str(REPOSITORY / "scripts/write_reference.py"), str(written)], check=True)
    assert written.read_text() == (REPOSITORY / "docs/reference.md").read_text(), "run: make docs"
