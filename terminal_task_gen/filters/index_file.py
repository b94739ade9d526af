"""A benchmark's index as a file: hashes of its word n-grams, so that its text need not be distributed.

    line 1    JSON: format, benchmark, ngram, mask_numbers, entries, grams (count), wholes, sha256 of the rest
    the rest  grams x 8 bytes (hashes, sorted, little-endian), grams x 4 bytes (entry of each)

The same prompts give the same bytes. A damaged file is refused, and so is one of another format: how words are cut and
hashed is part of it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
import orjson
from pydantic import Field, ValidationError

from terminal_task_gen.errors import UsageError
from terminal_task_gen.filters.contamination import BenchmarkIndex, Whole
from terminal_task_gen.records import Record
from terminal_task_gen.store import explain_os_error

SUFFIX = ".idx"
FORMAT = 1


class _Header(Record):
    format: Literal[1]
    benchmark: str
    ngram: int = Field(ge=2)
    mask_numbers: bool
    entries: tuple[str, ...]
    grams: int = Field(ge=0)
    wholes: tuple[tuple[int, int, int], ...]
    sha256: str


def write_index(path: Path, index: BenchmarkIndex) -> None:
    """Write one benchmark's index. Raises UsageError when the disk refuses."""
    body = index.hashes.astype("<u8").tobytes() + index.owners.astype("<u4").tobytes()
    header = _Header(
        format=FORMAT,
        benchmark=index.benchmark,
        ngram=index.ngram,
        mask_numbers=index.mask_numbers,
        entries=index.entries,
        grams=len(index.hashes),
        wholes=tuple((whole.words, whole.hash, whole.entry) for whole in index.wholes),
        sha256=hashlib.sha256(body).hexdigest(),
    )
    try:
        path.write_bytes(orjson.dumps(header.model_dump(mode="json")) + b"\n" + body)
    except OSError as error:
        raise explain_os_error(error, path) from error


def read_index(path: Path) -> BenchmarkIndex:
    """Read it back. Raises UsageError naming file, trouble and remedy."""
    try:
        first, _, body = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise UsageError(f"cannot read benchmark index {path}: {error.strerror}") from error
    remedy = "build it anew with: ttg contamination index"
    try:
        header = _Header.model_validate_json(first)
    except ValidationError as error:
        raise UsageError(f"{path} is no benchmark index of format {FORMAT}; {remedy}") from error
    if len(body) != 12 * header.grams or hashlib.sha256(body).hexdigest() != header.sha256:
        raise UsageError(f"benchmark index {path} is damaged (its bytes are not those it was written with); {remedy}")
    hashes = np.frombuffer(body, dtype="<u8", count=header.grams).astype(np.uint64)
    owners = np.frombuffer(body, dtype="<u4", offset=8 * header.grams).astype(np.uint32)
    wholes = tuple(Whole(*whole) for whole in header.wholes)
    return BenchmarkIndex(header.benchmark, header.ngram, header.mask_numbers, header.entries, hashes, owners, wholes)
