"""The parts that shown rows are made of: headings, facts, texts. All text is untrusted and made harmless here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from terminal_task_gen.harmless import make_harmless

CUT_CHARS = 6_000
"""A text beyond this is cut in the middle, unless all of it is asked for."""
CUT_LINE_CHARS = 2_000


class Page:
    """Prints to a console."""

    def __init__(self, console: Console, *, full: bool) -> None:
        self._console = console
        self._full = full

    def head(self, text: str) -> None:
        self._console.print(Rule(Text(f" {make_harmless(text)} ", style="bold"), align="left", style="dim"))

    def facts(self, facts: Sequence[tuple[str, Any]]) -> None:
        """Word and value a line; empty values are left out."""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for word, value in facts:
            if value not in (None, "", [], ()):
                table.add_row(word, self.make_text(value if isinstance(value, str) else str(value)))
        self._console.print(table)

    def body(self, text: str, *, style: str = "", indent: int = 2, margin: str = "") -> None:
        """A text of several lines; `margin` is drawn before each of them."""
        shown = self.make_text(text.strip("\n"), style)
        if not shown.plain.strip():
            return
        if margin:
            lines = Table.grid()
            lines.add_column(style="dim", no_wrap=True, width=len(margin))
            lines.add_column(overflow="fold")
            for line in shown.split("\n", allow_blank=True):
                lines.add_row(margin, line)
            self._console.print(Padding(lines, (0, 0, 0, indent)))
            return
        self._console.print(Padding(shown, (0, 0, 0, indent)))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[RenderableType]]) -> None:
        table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*row)
        self._console.print(Padding(table, (0, 0, 0, 2)))

    def blank(self) -> None:
        self._console.print()

    def make_text(self, text: str, style: str = "") -> Text:
        """Harmless, and cut where it is long."""
        if not self._full:
            text = "\n".join(_cut(line, CUT_LINE_CHARS, " … ") for line in _cut(text, CUT_CHARS, "\n… ").split("\n"))
        return Text(make_harmless(text), style=style)


def _cut(text: str, most: int, mark: str) -> str:
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}{mark}[{len(text) - 2 * half:,} characters cut; --full shows them]{mark[::-1]}{text[-half:]}"
