"""Writes a corpus or a mix as one trainer reads it:

<folder>/
  train/train-00000-of-00002.jsonl     (.parquet)
  validation/…                         where the mix has one
  export.json                          what it is: format, files with counts and hashes, what was left out
  README.md                            card
  trl-sft.yaml, chat_template.jinja    or verl-sft.yaml, or llamafactory-sft.yaml and dataset_info.json
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from terminal_task_gen import __version__
from terminal_task_gen.errors import UsageError
from terminal_task_gen.export.folder import EXPORT_MARK, check_replaceable, dump_record, replace_folder, write_file
from terminal_task_gen.export.shards import DataFile
from terminal_task_gen.export.source import RowSource
from terminal_task_gen.export.trainers.chat import Thinking, UnusableError
from terminal_task_gen.export.trainers.formats import RowFormat, list_columns, shape_row
from terminal_task_gen.export.trainers.recipes import render_companions, render_export_card
from terminal_task_gen.export.trainers.tables import FileType, check_installed, write_table
from terminal_task_gen.records import Record


class RowOptions(Record):
    """How rows are written."""

    form: RowFormat
    file_type: FileType = FileType.JSONL
    thinking: Thinking = Thinking.INLINE
    part: str = "default"
    """Config of the corpus or mix to take."""
    max_shard_bytes: int = 500_000_000


class ExportReport(Record):
    """export.json. rows of the source = rows + sum(left_out)."""

    format: str
    ttg_version: str = __version__
    source: str
    part: str
    rows: int
    left_out: dict[str, int]
    """Reason → rows that no trainer can use."""
    files: dict[str, tuple[DataFile, ...]]
    """Split → files."""


def export_rows(source: RowSource, folder: Path, options: RowOptions) -> ExportReport:
    """Write `folder` anew. Raises UsageError: bad source, nothing to write, a disk that refuses, a missing extra."""
    options = check_options(options)
    check_replaceable(folder, EXPORT_MARK)
    left_out: Counter[str] = Counter()
    columns = list_columns(options.form, options.thinking)
    with replace_folder(folder) as temporary:
        files: dict[str, tuple[DataFile, ...]] = {}
        for split in source.list_splits(options.part):
            rows = _shape_rows(source, split, options, left_out)
            written = write_table(
                rows,
                temporary,
                split,
                columns=columns,
                file_type=options.file_type,
                max_bytes=options.max_shard_bytes,
            )
            if written:
                files[split] = written
        if not files:
            raise UsageError(f"{source.folder} has no row to export{_explain(left_out)}")
        report = ExportReport(
            format=options.form,
            source=source.manifest.name,
            part=options.part,
            rows=sum(file.rows for members in files.values() for file in members),
            left_out=dict(sorted(left_out.items())),
            files=files,
        )
        companions = render_companions(source.manifest, files, options.form)
        companions["README.md"] = render_export_card(
            source.manifest, files, options.form, options.thinking, report.left_out
        )
        for name, text in companions.items():
            write_file(temporary / name, text.encode())
        write_file(temporary / EXPORT_MARK, dump_record(report, indent=True) + b"\n")
    return report


def check_options(options: RowOptions) -> RowOptions:
    """The options as they will be used: veRL reads Parquet alone. Raises PrerequisiteError."""
    if options.form is RowFormat.VERL:
        options = options.model_copy(update={"file_type": FileType.PARQUET})
    check_installed(options.file_type)
    return options


def _shape_rows(source: RowSource, split: str, options: RowOptions, left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    for row in source.read_rows(split, options.part):
        try:
            yield shape_row(row, options.form, options.thinking)
        except UnusableError as unusable:
            left_out[str(unusable)] += 1


def _explain(left_out: Counter[str]) -> str:
    reasons = ", ".join(f"{reason} {rows}" for reason, rows in sorted(left_out.items()))
    return f" (left out: {reasons})" if reasons else ""
