"""Second pass of a mix: the chosen rows, copied from where they lie.

    <folder>/
      data/train-00000-of-00002.jsonl              with a curriculum train-1-<stage>-…, train-2-<stage>-…, in this order
      data/validation-00000-of-00001.jsonl
      subsets/1pct/train-…                         rows of training, in training's order
      manifest.json  mix.json  plots/*.svg  README.md

`datasets` loads it by the card: `default`, each stage and each subset by its config, validation with all of them.
`ttg export` writes it in trainers' formats. mix.json says what was taken, what was left and why.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from terminal_task_gen.config.mixing import MixRecipe
from terminal_task_gen.errors import UsageError
from terminal_task_gen.export.card import load_template
from terminal_task_gen.export.folder import check_replaceable, dump_record, replace_folder, write_file
from terminal_task_gen.export.header import list_features, render_header
from terminal_task_gen.export.manifest import MANIFEST, DataConfig, Manifest, RowLine
from terminal_task_gen.export.mix.index import IndexedRow, index_sources
from terminal_task_gen.export.mix.released import holds_released_rows, unpack_released
from terminal_task_gen.export.mix.report import MixReport, build_report
from terminal_task_gen.export.mix.select import MixPlan, plan_mix
from terminal_task_gen.export.plots import draw_statistics
from terminal_task_gen.export.rows import COLUMN_MEANINGS, CorpusRow
from terminal_task_gen.export.shards import DataFile, write_shards
from terminal_task_gen.export.source import RowSource, parse_row
from terminal_task_gen.export.statistics import Statistics
from terminal_task_gen.token_count import make_counter

MIX_MARK = "mix.json"

Files = tuple[DataFile, ...]


def write_mix(folder: Path, recipe: MixRecipe, *, places: Sequence[Path] | None = None) -> MixReport:
    """Write `folder` anew. `places`: where each source can be read, by default where the recipe says.

    Raises UsageError: bad recipe or source, an empty mix, a disk that refuses.
    """
    if not recipe.sources:
        raise UsageError("nothing to mix; give runs or corpora, or a recipe with sources")
    check_replaceable(folder, MIX_MARK)
    given = places or [Path(source.path) for source in recipe.sources]
    if not any(map(holds_released_rows, given)):
        return _write_mix(folder, recipe, [RowSource(place) for place in given])
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f"{folder.name}.unpacked-", dir=folder.parent) as scratch:
        return _write_mix(folder, recipe, _open_sources(given, Path(scratch)))


def _open_sources(places: Sequence[Path], scratch: Path) -> list[RowSource]:
    unpacked = (
        unpack_released(place, scratch / str(number)) if holds_released_rows(place) else place
        for number, place in enumerate(places)
    )
    return [RowSource(place) for place in unpacked]


def _write_mix(folder: Path, recipe: MixRecipe, sources: list[RowSource]) -> MixReport:
    counter = make_counter(recipe.tokenizer)
    index = index_sources(sources, recipe, counter)
    plan = plan_mix(index, recipe)
    report = build_report(recipe, index, plan, names=[source.manifest.name for source in sources], counter=counter.name)
    with replace_folder(folder) as temporary:
        statistics = Statistics()
        configs = _write_rows(temporary, plan, recipe, statistics)
        manifest = Manifest(
            kind="mix",
            name=recipe.name,
            licence=_join_licences(sources),
            run_ids=tuple(sorted({run_id for source in sources for run_id in source.manifest.run_ids})),
            rows=configs[0].rows,
            ordered=recipe.curriculum != "mixed",
            configs=configs,
            statistics=statistics.dump(),
        )
        write_file(temporary / MANIFEST, dump_record(manifest, indent=True) + b"\n")
        write_file(temporary / MIX_MARK, dump_record(report, indent=True) + b"\n")
        for name, svg in draw_statistics(statistics).items():
            write_file(temporary / "plots" / name, svg.encode())
        write_file(temporary / "README.md", _render_card(manifest, report).encode())
    return report


def _write_rows(folder: Path, plan: MixPlan, recipe: MixRecipe, statistics: Statistics) -> tuple[DataConfig, ...]:
    max_bytes = recipe.shard_mb * 1_000_000
    stages: dict[str, Files] = {}
    for number, stage in enumerate(plan.stages, start=1):
        prefix = f"train-{number}-{stage.name}" if stage.name else "train"
        lines = _copy_rows(stage.rows, statistics)
        stages[f"stage{number}"] = write_shards(lines, folder, "data", prefix, max_bytes=max_bytes)
    held_out = write_shards(
        _copy_rows(plan.validation, Statistics()), folder, "data", "validation", max_bytes=max_bytes
    )
    validation = {"validation": held_out} if held_out else {}
    everything = tuple(file for files in stages.values() for file in files)
    configs = [DataConfig(name="default", splits={"train": everything, **validation})]
    if len(stages) > 1:
        configs += [DataConfig(name=name, splits={"train": files, **validation}) for name, files in stages.items()]
    for percent, chosen in plan.subsets.items():
        rows = (row for stage in plan.stages for row in stage.rows if row.row_id in chosen)
        place = f"subsets/{percent:g}pct"
        files = everything
        if percent < 100:
            files = write_shards(_copy_rows(rows, Statistics()), folder, place, "train", max_bytes=max_bytes)
        name = f"pct{percent:g}".replace(".", "_")
        configs.append(DataConfig(name=name, splits={"train": files, **validation}))
    return tuple(configs)


def _copy_rows(rows: Iterable[IndexedRow], statistics: Statistics) -> Iterator[bytes]:
    """Lines as they lie, or with this version's columns where they have others."""
    with ExitStack() as stack:
        fds: dict[Path, int] = {}
        for row in rows:
            if row.path not in fds:
                fds[row.path] = os.open(row.path, os.O_RDONLY | os.O_CLOEXEC)
                stack.callback(os.close, fds[row.path])
            line = os.pread(fds[row.path], row.size_bytes, row.offset)
            parsed = parse_row(RowLine(row.path, 0, row.offset, line))
            statistics.count(parsed, tokens=row.tokens)
            yield orjson.dumps(parsed, option=orjson.OPT_APPEND_NEWLINE)


def _join_licences(sources: Iterable[RowSource]) -> str:
    """The sources' licence; `other` where they differ, which the card explains."""
    licences = sorted({source.manifest.licence for source in sources})
    return licences[0] if len(licences) == 1 else "other"


def _render_card(manifest: Manifest, report: MixReport) -> str:
    header = render_header(
        manifest.name,
        licence=manifest.licence,
        rows=manifest.rows,
        configs=manifest.configs,
        features=[list_features(CorpusRow)] * len(manifest.configs),
    )
    columns = {name: COLUMN_MEANINGS[name] for name in CorpusRow.model_fields}
    return header + load_template("mix/card.md.j2").render(manifest=manifest, report=report, columns=columns)
