"""mix.json: what a mix took, what it left, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from terminal_task_gen import __version__
from terminal_task_gen.config.mixing import MixRecipe
from terminal_task_gen.export.mix.index import IndexedRow, MixIndex
from terminal_task_gen.export.mix.select import MixPlan
from terminal_task_gen.records import Record


class SourceReport(Record):
    """rows = train + validation + sum(left_out)."""

    name: str
    path: str
    part: str
    rows: int
    train: int
    validation: int
    left_out: dict[str, int]
    """domain, difficulty, reward, not_completed: not asked for. duplicate: an earlier source has it. over_length:
    longer than max_tokens. task_cap: its task has max_per_task rows. not_drawn: beyond the source's share."""
    shortfall: int
    """Rows it should have given besides; it has no more, and none is taken twice."""


class SplitReport(Record):
    """One side of the split, or one subset or stage."""

    rows: int
    tasks: int
    families: int
    tokens: int


class MixReport(Record):
    """mix.json."""

    ttg_version: str = __version__
    recipe: MixRecipe
    tokens_by: str
    """What lengths were counted with."""
    sources: tuple[SourceReport, ...]
    splits: dict[str, SplitReport]
    """train, validation, each stage and each subset."""
    domains: dict[str, int]
    """Of training."""
    difficulties: dict[str, int]
    skills: int
    """Different skills in training."""
    over_length: int
    """Rows longer than max_tokens that were kept whole."""


def build_report(recipe: MixRecipe, index: MixIndex, plan: MixPlan, *, names: Sequence[str], counter: str) -> MixReport:
    train = [row for stage in plan.stages for row in stage.rows]
    splits = {"train": _measure(train)}
    if plan.validation:
        splits["validation"] = _measure(plan.validation)
    for number, stage in enumerate(plan.stages, start=1):
        if stage.name:
            splits[f"stage{number} ({stage.name})"] = _measure(stage.rows)
    for percent, chosen in plan.subsets.items():
        splits[f"{percent:g}%"] = _measure([row for row in train if row.row_id in chosen])
    taken = {"train": Counter(row.source for row in train), "validation": Counter(r.source for r in plan.validation)}
    return MixReport(
        recipe=recipe,
        tokens_by=counter,
        sources=tuple(
            SourceReport(
                name=names[number],
                path=str(source.path),
                part=source.part,
                rows=index.read[number],
                train=taken["train"][number],
                validation=taken["validation"][number],
                left_out=dict(sorted(plan.left_out[number].items())),
                shortfall=plan.shortfall.get(number, 0),
            )
            for number, source in enumerate(recipe.sources)
        ),
        splits=splits,
        domains=_count(row.domain for row in train),
        difficulties=_count(row.difficulty for row in train),
        skills=len({skill for row in train for skill in row.skills}),
        over_length=index.over_length,
    )


def _measure(rows: Sequence[IndexedRow]) -> SplitReport:
    return SplitReport(
        rows=len(rows),
        tasks=len({row.task for row in rows}),
        families=len({row.family for row in rows}),
        tokens=sum(row.tokens for row in rows),
    )


def _count(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))
