"""Signatures of a corpus on disk, a pair of files a chunk, so that memory holds one band of them at a time.

<stem>.slots    text x SLOTS, 2 bytes each: compared in place
<stem>.bands    band x text, 8 bytes each: read a band at a time
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from terminal_task_gen.filters.similarity import SLOTS, Pairs, Signatures, find_pairs
from terminal_task_gen.filters.words import U64


@dataclass(frozen=True)
class SignatureFiles:
    """Of `count` texts."""

    stem: Path
    count: int

    @classmethod
    def write(cls, stem: Path, parts: Sequence[Signatures]) -> SignatureFiles:
        """All batches of a chunk, in order."""
        count = sum(len(part.slots) for part in parts)
        with stem.with_suffix(".slots").open("wb") as stream:
            for part in parts:
                stream.write(part.slots.tobytes())
        with stem.with_suffix(".bands").open("wb") as stream:
            if parts:
                stream.write(np.concatenate([part.bands for part in parts], axis=1).tobytes())
        return cls(stem, count)

    def read_band(self, band: int) -> U64:
        return np.fromfile(
            self.stem.with_suffix(".bands"), dtype=np.uint64, count=self.count, offset=8 * self.count * band
        )


@dataclass(frozen=True)
class BandJob:
    """Some bands of all texts of all files in order."""

    files: tuple[SignatureFiles, ...]
    ranks: Path
    """Text → its rank, 8 bytes each: of two alike the one of higher rank is the duplicate."""
    bands: range
    similarity: float


def find_band_pairs(job: BandJob) -> Pairs:
    """Texts that share one of the bands and are alike, each pair once. Called in any process."""
    filled = [file for file in job.files if file.count]
    if not filled:
        return Pairs.join([])
    bands = (np.concatenate([file.read_band(band) for file in filled]) for band in job.bands)
    ranks = np.fromfile(job.ranks, dtype=np.int64)
    return find_pairs(_Slots(filled), bands, ranks, similarity=job.similarity)


class _Slots:
    """Rows of several files by their numbers over all."""

    def __init__(self, files: Sequence[SignatureFiles]) -> None:
        self._parts = [
            np.memmap(file.stem.with_suffix(".slots"), dtype=np.uint16, mode="r", shape=(file.count, SLOTS))
            for file in files
        ]
        self._starts = np.cumsum([0, *(file.count for file in files)])

    def __getitem__(self, numbers: NDArray[np.int64]) -> NDArray[np.uint16]:
        found = np.empty((len(numbers), SLOTS), dtype=np.uint16)
        owners = np.searchsorted(self._starts, numbers, side="right") - 1
        for owner in np.unique(owners).tolist():
            here = owners == owner
            found[here] = self._parts[owner][numbers[here] - self._starts[owner]]
        return found
