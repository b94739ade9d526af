"""Reads the documentation's pages: blocks of code, and the remark before each that says what to do with it.

```console            lines with `$ ` are run, in order, in one folder a page; other lines must occur in the output
<!-- not run: why --> before a console block: its commands are only parsed
<!-- file: name -->   before any block: it is written to that file
<!-- apply -->        before a diff: it is applied to a copy of the package
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.e2e.demo_run import REPOSITORY

PAGES = sorted((REPOSITORY / "docs").rglob("*.md"))
_BLOCK = re.compile(r"(?:^<!-- (?P<remark>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.S | re.M)


class Block(NamedTuple):
    language: str
    remark: str
    text: str

    @property
    def is_run(self) -> bool:
        return self.language == "console" and not self.remark.startswith("not run: ")


class Command(NamedTuple):
    line: str
    expected: tuple[str, ...]
    """Pieces of its output, blanks squeezed."""


def read_blocks(page: Path) -> list[Block]:
    found = _BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(match["language"], match["remark"] or "", match["text"]) for match in found]


def list_commands(block: Block) -> list[Command]:
    commands: list[Command] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            commands.append(Command(line[2:], ()))
        elif line.strip():
            assert commands, f"output before any command: {line}"
            commands[-1] = commands[-1]._replace(expected=(*commands[-1].expected, " ".join(line.split())))
    return commands
