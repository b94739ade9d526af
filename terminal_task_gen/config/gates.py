"""What a task is compared with, and how far its tests may go, before it is accepted."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from terminal_task_gen.records import Record


class GateConfig(Record):
    """Switches and limits of the gates; gates without a field here are always on."""

    max_likeness: float | None = Field(default=0.5, gt=0, le=1)
    """Share of word triples that two instructions may have in common; None: near-duplicates are not looked for."""
    corpora: tuple[Path, ...] = ()
    """What a task must not be a near-duplicate of: runs, JSONL files with an `instruction` (or `prompt`) field, or
    folders of Harbor tasks."""
    benchmarks: tuple[Path, ...] = ()
    """What a task must share no words in a row with, refused before it costs a sandbox; forms as in `corpora`."""
    ngram: int = Field(default=14, ge=2)
    """Words in a row, as in `filter.ngram`."""
    flake_proofs: int = Field(default=3, ge=0, le=20)
    """How often to solve and test again on a fresh machine, at first with the tests in reverse order on another day;
    what passes by chance half of the time gets through once in 2^(proofs + 1). 0: not at all."""
    max_test_memory_mb: int = Field(default=1024, ge=16)
    """Largest process of the tests."""
    max_test_files: int = Field(default=2_000, ge=1)
    """Files that the tests may leave behind under /app, /tmp and pytest's own folder."""
    max_test_written_mb: int = Field(default=256, ge=1)
    """Bytes of these files."""
