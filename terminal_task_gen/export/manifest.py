"""manifest.json: what lies in a data folder (a corpus or a mix), with counts and hashes, for people and for readers.

Readers go by it: they take the files it lists, in its order, and refuse a folder it does not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ValidationError

from terminal_task_gen import __version__
from terminal_task_gen.errors import UsageError
from terminal_task_gen.export.shards import DataFile
from terminal_task_gen.records import Record, content_digest

MANIFEST = "manifest.json"


class DataConfig(Record):
    """A config of `datasets`: which files each split has."""

    name: str
    splits: dict[str, tuple[DataFile, ...]]

    @property
    def rows(self) -> int:
        return sum(file.rows for files in self.splits.values() for file in files)

    @property
    def version(self) -> str:
        """`1.x.y` from the content; `datasets` wants three numbers, and caches by them."""
        digest = content_digest({split: [file.sha256 for file in files] for split, files in self.splits.items()})
        return f"1.{int(digest[:4], 16)}.{int(digest[4:8], 16)}"


class Manifest(Record):
    """Format 1."""

    format: int = 1
    kind: Literal["corpus", "mix"]
    name: str
    ttg_version: str = __version__
    licence: str
    run_ids: tuple[str, ...]
    """Runs whose rows are here; empty where that is not known."""
    rows: int
    """Of the `default` config."""
    ordered: bool = False
    """The order of rows means something (a curriculum); trainers must not shuffle."""
    configs: tuple[DataConfig, ...]
    """`default` first."""
    statistics: dict[str, dict[str, int]]
    """Counter → bin → rows, of the `default` config's training rows (statistics.py)."""

    def list_files(self, config: str = "default") -> dict[str, tuple[DataFile, ...]]:
        """Split → files of a config. Raises UsageError listing the known ones."""
        for known in self.configs:
            if known.name == config:
                return known.splits
        raise UsageError(f"no part {config!r}; known: {', '.join(known.name for known in self.configs)}")


class RowLine(NamedTuple):
    """One line of a data file, newline included, and where it lies."""

    path: Path
    number: int
    offset: int
    line: bytes


def read_manifest(folder: Path) -> Manifest:
    """Raises UsageError when there is none, or none that this version reads."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError as error:
        raise UsageError(f"{folder} holds no corpus (no {MANIFEST}); make one with: ttg filter RUN") from error
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise UsageError(f"{folder / MANIFEST} is damaged at {where or 'its start'}; make the folder anew") from error


def read_lines(folder: Path, files: Iterable[DataFile]) -> Iterator[RowLine]:
    """Lines of the listed files in order. Raises UsageError naming the file that is missing or has another size."""
    for file in files:
        path = folder / file.path
        size_bytes = path.stat().st_size if path.is_file() else -1
        if size_bytes != file.size_bytes:
            what = "is missing" if size_bytes < 0 else f"has {size_bytes} bytes, not {file.size_bytes}"
            raise UsageError(f"{path} {what}: the folder does not fit its {MANIFEST}; make it anew")
        offset = 0
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                yield RowLine(path, number, offset, line)
                offset += len(line)
