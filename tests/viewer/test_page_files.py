"""The page's own files: small, and without the ways by which data could become markup or code."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

import terminal_task_gen.viewer

PAGE = Path(terminal_task_gen.viewer.__file__).parent / "page"
PLAYER = PAGE / "vendor" / "asciinema-player"
OWN = sorted(path for path in PAGE.rglob("*") if path.is_file() and "vendor" not in path.parts)
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\(\"style\""
    r"|srcdoc|DOMParser|createContextualFragment|https?://(?!www\.w3\.org/2000/svg)"
)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_own_files_are_small_and_make_no_markup_of_text(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= 400, f"{path.name}: two rooms in one?"
    assert not FORBIDDEN.findall(source), path.name
    if path.suffix == ".js":
        assert source.startswith("// "), f"{path.name} opens without saying what it owns"
    if path.suffix == ".html":
        assert not re.search(r"<style|style=|<script(?![^>]* src=)|\son\w+=", source)


def test_every_module_is_reached_and_every_import_resolves() -> None:
    imported = {name for path in PAGE.glob("*.js") for name in re.findall(r'from "\./([\w.]+)"', path.read_text())}
    modules = {path.name for path in PAGE.glob("*.js")}
    assert imported <= modules and modules - imported == {"app.js"}
    named = set(re.findall(r'(?:href|src)="page/([^"]+)"', (PAGE / "index.html").read_text()))
    assert all((PAGE / name).is_file() for name in named)
    assert {path.name for path in PAGE.glob("*.css")} <= named


def test_the_player_is_the_one_that_was_vendored() -> None:
    """asciinema-player's files as published, with their licence: vendor/README.md says which version."""
    readme = (PAGE / "vendor" / "README.md").read_text()
    for name in ("asciinema-player.min.js", "asciinema-player.css", "LICENSE"):
        assert hashlib.sha256((PLAYER / name).read_bytes()).hexdigest() in readme, name
    assert "Apache License" in (PLAYER / "LICENSE").read_text()
