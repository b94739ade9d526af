"""Writes the corpus folder whole:

    corpus/
      adapters/<data set>/train-00000-of-00002.jsonl            kept rows by part, sorted by id
      seed_based/train-…
      skill_based/<difficulty>/<domain>/train-…
      dropped-00000-of-00001.jsonl         dropped rows, sorted by id, with drop_reason and findings (config `dropped`)
      manifest.json                        every data file with rows, bytes and SHA-256; configs; statistics
      report.json                          the funnel
      plots/*.svg                          for the card
      README.md                            the dataset card

It is a view and is made anew each time, swapped in whole (folder.py). Rows are spooled in the order they come, a spool
each worker (spool.py), and copied into shards in the order of their ids, so bytes do not depend on concurrency; memory
holds an id and a place a row. `datasets` loads the folder by the card: all of it, or a part by its config; with no
row kept there is one empty train shard, which `datasets` refuses ("corresponds to no data") rather than taking the
dropped rows for the corpus.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from terminal_task_gen.export.card import CardFacts, render_card
from terminal_task_gen.export.folder import dump_record, replace_folder, write_file
from terminal_task_gen.export.manifest import MANIFEST, DataConfig, Manifest
from terminal_task_gen.export.parts import DROPPED, list_configs
from terminal_task_gen.export.plots import draw_funnel, draw_statistics
from terminal_task_gen.export.report import Report, list_funnel
from terminal_task_gen.export.rows import RunStamp, build_row
from terminal_task_gen.export.shard_jobs import ShardJob, copy_shard, plan_shards
from terminal_task_gen.export.shards import DataFile, write_shard
from terminal_task_gen.export.spool import RowSpool, SpoolIndex
from terminal_task_gen.export.statistics import Statistics
from terminal_task_gen.export.tally import Tally
from terminal_task_gen.finding import FilterFacts, Judged
from terminal_task_gen.task import Rejection, Task


@dataclass(frozen=True)
class RunRecords:
    """A run's records, each iterated over once. Rejections are final, one an item."""

    tasks: Iterable[Task]
    rejections: Iterable[Rejection]
    """Of generation."""
    failures: Iterable[Rejection]
    """Of rollouts."""
    judged: Iterable[Judged]


def export_corpus(
    folder: Path,
    records: RunRecords,
    *,
    stamp: RunStamp,
    filters: FilterFacts,
    card: CardFacts,
    max_shard_bytes: int = 256_000_000,
) -> Report:
    """Write `folder` anew, in this process alone, and say what is in it.

    Raises:
        UsageError: the disk refuses (full, read-only). The old corpus is intact, nothing else is left behind.
    """
    with open_corpus(folder) as draft:
        tally = Tally(filters)
        tally.add_tasks(records.tasks)
        tally.add_rejections(records.rejections)
        tally.add_failures(records.failures)
        with draft.open_spool(0) as spool:
            for item in records.judged:
                row = build_row(item, stamp)
                tally.add_row(item, row)
                spool.add(row)
        report = tally.build()
        files = map(copy_shard, draft.plan_shards([spool.index], max_shard_bytes=max_shard_bytes))
        draft.finish([spool.index], files, report, stamp=stamp, card=card)
    return report


@contextmanager
def open_corpus(folder: Path) -> Iterator[CorpusDraft]:
    """A corpus in the making; it takes `folder`'s place when the block ends well. Raises as export_corpus."""
    with replace_folder(folder) as temporary:
        yield CorpusDraft(temporary)


class CorpusDraft:
    """Give each worker a spool, of any number; `finish` when all are closed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "spools").mkdir()

    def open_spool(self, number: int) -> RowSpool:
        return RowSpool(self.get_spool_path(number))

    def get_spool_path(self, number: int) -> Path:
        """For a worker in another process: `RowSpool(path)`."""
        return self._folder / "spools" / f"{number:05d}"

    def plan_shards(self, indexes: Sequence[SpoolIndex], *, max_shard_bytes: int) -> list[ShardJob]:
        """Give each to `copy_shard`, in any process; `finish` wants what came of them, in this order."""
        parts = sorted({part for index in indexes for part, places in index.parts.items() if len(places)})
        jobs: list[ShardJob] = []
        for part in parts:
            place, prefix = ("", DROPPED) if part == DROPPED else (part, "train")
            jobs += plan_shards(
                indexes, part, folder=self._folder, place=place, prefix=prefix, max_bytes=max_shard_bytes
            )
        return jobs

    def finish(
        self,
        indexes: Sequence[SpoolIndex],
        files: Iterable[DataFile],
        report: Report,
        *,
        stamp: RunStamp,
        card: CardFacts,
    ) -> Manifest:
        """Manifest, report, plots and card, from all spools together and the shards made of them."""
        statistics = Statistics()
        for index in indexes:
            statistics.merge(index.statistics)
        configs = self._list_configs(files)
        shutil.rmtree(self._folder / "spools")
        manifest = Manifest(
            kind="corpus",
            name=card.name,
            licence=card.licence,
            run_ids=(stamp.run_id,),
            rows=statistics.rows,
            configs=configs,
            statistics=statistics.dump(),
        )
        write_file(self._folder / MANIFEST, dump_record(manifest, indent=True) + b"\n")
        write_file(self._folder / "report.json", dump_record(report, indent=True) + b"\n")
        if statistics.rows:
            for name, svg in {**draw_statistics(statistics), "funnel.svg": draw_funnel(list_funnel(report))}.items():
                write_file(self._folder / "plots" / name, svg.encode())
        text = render_card(report, manifest=manifest, stamp=stamp, facts=card)
        write_file(self._folder / "README.md", text.encode())
        return manifest

    def _list_configs(self, files: Iterable[DataFile]) -> tuple[DataConfig, ...]:
        kept: dict[str, tuple[DataFile, ...]] = {}
        dropped: tuple[DataFile, ...] = ()
        for file in files:
            part, _, name = file.path.rpartition("/")
            if not part and name.startswith(DROPPED):
                dropped += (file,)
            else:
                kept[part] = (*kept.get(part, ()), file)
        if not kept:
            kept[""] = (write_shard((), self._folder, "train-00000-of-00001.jsonl"),)
        configs = {name: tuple(f for part in parts for f in kept[part]) for name, parts in list_configs(kept).items()}
        if dropped:
            configs[DROPPED] = dropped
        return tuple(DataConfig(name=name, splits={"train": files}) for name, files in configs.items() if name)
