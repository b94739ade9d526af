"""What is kept, and how the corpus is written."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from terminal_task_gen.records import Record


class FilterConfig(Record):
    """What is kept. Defaults are the paper's; completion and success are not demanded (paper §5: no filter won)."""

    contamination: bool = True
    benchmarks: tuple[Path, ...] = ()
    """JSONL files with an `instruction` (or `prompt`) field, or folders of Harbor tasks."""
    ngram: int = Field(default=14, ge=2)
    """Words; shorter benchmark prompts match as a whole."""
    identity: bool = True
    identity_terms: tuple[str, ...] = ()
    """Names that betray the teacher, besides the built-in list and the configured model's own name."""
    chinese: bool = True
    completed_only: bool = False
    success_only: bool = False
    licence: str = "cc-by-4.0"
    """Put on the dataset card."""
