"""The dataset card of a corpus: the header (header.py) and what a person reads (card.md.j2)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

from terminal_task_gen.export.header import list_features, render_header
from terminal_task_gen.export.manifest import Manifest
from terminal_task_gen.export.parts import DROPPED
from terminal_task_gen.export.report import Report, list_funnel
from terminal_task_gen.export.rows import COLUMN_MEANINGS, CorpusRow, DroppedRow, RunStamp
from terminal_task_gen.records import Record


class CardFacts(Record):
    """What the card tells besides the report."""

    name: str
    """Of the run."""
    licence: str
    """Hugging Face's word for it, e.g. `cc-by-4.0`."""
    contents: dict[str, str] = {}
    """What the tasks were made from → digest, e.g. `taxonomy data_processing`, `seeds`."""


def render_card(report: Report, *, manifest: Manifest, stamp: RunStamp, facts: CardFacts) -> str:
    """README.md of the corpus."""
    kept, dropped = list_features(CorpusRow), list_features(DroppedRow)
    header = render_header(
        facts.name,
        licence=facts.licence,
        rows=manifest.rows,
        configs=manifest.configs,
        features=[dropped if config.name == DROPPED else kept for config in manifest.configs],
    )
    body = load_template("card.md.j2").render(
        report=report,
        manifest=manifest,
        funnel=list_funnel(report),
        stamp=stamp,
        facts=facts,
        columns={name: COLUMN_MEANINGS[name] for name in DroppedRow.model_fields},
    )
    return header + body


@lru_cache(maxsize=8)
def load_template(name: str) -> jinja2.Template:
    """A template beside or below this file; `cell` and `thousands` are its filters."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["cell"] = _escape_cell
    environment.filters["thousands"] = _group_digits
    return environment.from_string((Path(__file__).parent / name).read_text(encoding="utf-8"))


def _escape_cell(text: object) -> str:
    """Text that cannot end its cell in a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def _group_digits(number: Any) -> str:
    return f"{number:,}"
