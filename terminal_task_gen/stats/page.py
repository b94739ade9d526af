"""Tables and pictures in one file: no script, nothing loaded from anywhere, dark or light as the reader has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from terminal_task_gen.harmless import make_harmless
from terminal_task_gen.stats.survey import Survey
from terminal_task_gen.stats.tables import TableText
from terminal_task_gen.svg import adopt_page_colours

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark;
  --ink: #1f2933; --muted: #5b6875; --grid: #e4e8ec; --paper: #ffffff; --ground: #f4f6f8 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e8ee; --muted: #9aa7b4; --grid: #36424e; --paper: #1d252d; --ground: #12181e }
}
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 84rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 Helvetica, Arial, sans-serif }
h1 { font-size: 1.5rem; margin: 0 }
h2 { font-size: 1.1rem; margin: 0 0 .6rem }
p { color: var(--muted); margin: .2rem 0 1rem }
.pictures, .tables { columns: 30rem 2; column-gap: 1rem; margin-top: 1rem }
.pictures svg { width: 100%; height: auto; display: block; break-inside: avoid; margin-bottom: 1rem }
section { background: var(--paper); border-radius: 6px; padding: 1rem 1.25rem; margin-bottom: 1rem; overflow-x: auto;
  break-inside: avoid }
table { border-collapse: collapse }
th, td { padding: .2rem .9rem .2rem 0; text-align: right; white-space: pre; font-variant-numeric: tabular-nums }
th { color: var(--muted); font-weight: normal; border-bottom: 1px solid var(--grid) }
.word { text-align: left }
.padded td, .padded th { text-align: left }
.padded td + td { font: 13px/1.2 monospace }
"""


def render_page(surveys: Sequence[Survey], tables: Sequence[TableText], pictures: Mapping[str, str]) -> str:
    """One HTML document. Names of runs, skills and reasons are escaped: they are not ours."""
    title = make_harmless(" · ".join(survey.run for survey in surveys))
    models = sorted({make_harmless(model) for survey in surveys for model in survey.models})
    drawn = "\n".join(adopt_page_colours(svg) for svg in pictures.values())
    return "\n".join(
        [
            "<!doctype html>",
            "<html lang='en'><head><meta charset='utf-8'>",
            f"<meta http-equiv='Content-Security-Policy' content=\"{_POLICY}\">",
            "<meta name='viewport' content='width=device-width, initial-scale=1'>",
            f"<title>{escape(title)}: statistics</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1><p>acted: {escape(', '.join(models) or 'nobody yet')}</p>",
            f"<div class='pictures'>{drawn}</div>",
            "<div class='tables'>",
            *(_render_table(table) for table in tables),
            "</div>",
            "</body></html>",
            "",
        ]
    )


def _render_table(table: TableText) -> str:
    def line(tag: str, cells: Sequence[str]) -> str:
        return "".join(
            f"<{tag} class='word'>{escape(cell)}</{tag}>" if place < table.labels else f"<{tag}>{escape(cell)}</{tag}>"
            for place, cell in enumerate(cells)
        )

    rows = "\n".join(f"<tr>{line('td', row)}</tr>" for row in table.rows)
    look = " class='padded'" if table.padded else ""
    note = f"<p>{escape(table.note)}</p>" if table.note else ""
    head = f"<thead><tr>{line('th', table.columns)}</tr></thead>"
    return f"<section><h2>{escape(table.title)}</h2>{note}<table{look}>{head}<tbody>{rows}</tbody></table></section>"
