"""The dataset card: what `datasets` and the Hub read (YAML header) and what a person reads (card.md.j2).

The header declares every column's type, so that an empty list in one shard does not set the schema, and gives each
config a version made from its content: `datasets` caches a local folder by its card alone, and would go on serving
the old rows of a corpus that was filtered anew.
"""

from __future__ import annotations

import types
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args, get_origin

import jinja2
import yaml

from terminal_task_gen.export.report import Report, list_funnel
from terminal_task_gen.export.rows import COLUMN_MEANINGS, CorpusRow, DroppedRow, RunStamp
from terminal_task_gen.records import Record

_TEMPLATE = Path(__file__).with_name("card.md.j2")
_SCALARS = {bool: "bool", int: "int64", float: "float64"}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LARGER = "1M<n<10M"


class CardFacts(Record):
    """What the card tells besides the report."""

    name: str
    """Of the run."""
    licence: str
    """Hugging Face's word for it, e.g. `cc-by-4.0`."""
    contents: dict[str, str] = {}
    """What the tasks were made from → digest, e.g. `taxonomy data_processing`, `seeds`."""


class CorpusFiles(Record):
    """What was written, as the card needs it."""

    kept_digest: str
    """SHA-256 over all kept lines; the same for the dropped ones."""
    dropped_digest: str
    dropped_rows: int


def render_card(report: Report, *, files: CorpusFiles, stamp: RunStamp, facts: CardFacts) -> str:
    """README.md of the corpus."""
    header = yaml.safe_dump(_build_header(report, files, facts), sort_keys=False, allow_unicode=True, width=120)
    body = _load_template().render(
        report=report,
        funnel=list_funnel(report),
        stamp=stamp,
        facts=facts,
        columns={name: COLUMN_MEANINGS[name] for name in DroppedRow.model_fields},
        kept_version=_make_version(files.kept_digest),
    )
    return f"---\n{header}---\n{body}"


def _build_header(report: Report, files: CorpusFiles, facts: CardFacts) -> dict[str, Any]:
    kept = report.filtered.kept
    configs = [_build_config("default", "data/train-*.jsonl", files.kept_digest, default=True)]
    info = [{"config_name": "default", "features": list_features(CorpusRow)}]
    if files.dropped_rows:
        configs.append(_build_config("dropped", "dropped-*.jsonl", files.dropped_digest, default=False))
        info.append({"config_name": "dropped", "features": list_features(DroppedRow)})
    return {
        "license": facts.licence,
        "language": ["en"],
        "pretty_name": facts.name,
        "size_categories": [next((word for limit, word in _SIZES if kept < limit), _LARGER)],
        "task_categories": ["text-generation"],
        "tags": ["synthetic", "agent", "terminal", "sft", "terminal-task-gen"],
        "configs": configs,
        "dataset_info": info,
    }


def _build_config(name: str, pattern: str, digest: str, *, default: bool) -> dict[str, Any]:
    chosen = {"default": True} if default else {}
    files = [{"split": "train", "path": pattern}]
    return {"config_name": name, **chosen, "version": _make_version(digest), "data_files": files}


def _make_version(digest: str) -> str:
    """`1.x.y` from the first 32 bits of a digest; `datasets` wants three numbers."""
    return f"1.{int(digest[:4], 16)}.{int(digest[4:8], 16)}"


def list_features(record: type[Record]) -> list[dict[str, Any]]:
    """A record's fields as `dataset_info.features`."""
    return [{"name": name, **_describe_type(info.annotation)} for name, info in record.model_fields.items()]


def _describe_type(annotation: Any) -> dict[str, Any]:
    """Feature of one field; text, enumerations and literals alike are strings."""
    if get_origin(annotation) is tuple:
        item, rest = get_args(annotation)
        if rest is not types.EllipsisType and rest is not Ellipsis:
            raise TypeError(f"only homogeneous tuples are columns, not {annotation}")
        if isinstance(item, type) and issubclass(item, Record):
            return {"list": list_features(item)}
        return {"list": _describe_type(item)["dtype"]}
    return {"dtype": _SCALARS.get(annotation, "string")}


@lru_cache(maxsize=1)
def _load_template() -> jinja2.Template:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["cell"] = _escape_cell
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))


def _escape_cell(text: object) -> str:
    """Text that cannot end its cell in a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")
