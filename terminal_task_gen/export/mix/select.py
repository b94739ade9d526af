"""Which rows a mix takes, on which side, and in what order. Pure: equal index and recipe give equal plans.

Caps first, then each source's share, balanced if asked, then the split by family, then the order. Every choice is by
lot (`draw`), so it depends on ids and seed alone, not on the order in which rows were read.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from terminal_task_gen.config.mixing import MixRecipe
from terminal_task_gen.errors import UsageError
from terminal_task_gen.export.mix.index import IndexedRow, MixIndex, draw
from terminal_task_gen.export.rows import STREAMS

_LEVELS = ("easy", "medium", "hard")


@dataclass(frozen=True)
class Stage:
    """Rows that are trained on together, in their order. A mix without a curriculum has one, without a name."""

    name: str
    rows: list[IndexedRow]


@dataclass(frozen=True)
class MixPlan:
    """What is written."""

    stages: list[Stage]
    """Of training."""
    validation: list[IndexedRow]
    subsets: dict[float, set[str]]
    """Per cent → row ids, of training; each is contained in the next."""
    left_out: list[Counter[str]]
    """Reason → rows, by source, the index's reasons included."""
    shortfall: dict[int, int]
    """Source → rows that it should have given and has not."""

    @property
    def train_rows(self) -> int:
        return sum(len(stage.rows) for stage in self.stages)


def plan_mix(index: MixIndex, recipe: MixRecipe) -> MixPlan:
    """Raises UsageError for a recipe that does not fit together, or when nothing is left."""
    left_out = [Counter(counts) for counts in index.left_out]
    capped = _cap_tasks(index.rows, recipe, left_out)
    by_source: list[list[IndexedRow]] = [[] for _ in recipe.sources]
    for row in capped:
        by_source[row.source].append(row)
    shares = share_out([len(rows) for rows in by_source], recipe)
    chosen: list[IndexedRow] = []
    shortfall: dict[int, int] = {}
    for number, (rows, share) in enumerate(zip(by_source, shares, strict=True)):
        taken = _pick_rows(rows, min(share, len(rows)), recipe)
        left_out[number]["not_drawn"] += len(rows) - len(taken)
        if share > len(rows):
            shortfall[number] = share - len(rows)
        chosen += taken
    if not chosen:
        reasons = ", ".join(f"{reason} {rows}" for reason, rows in sorted(sum(left_out, Counter()).items()) if rows)
        raise UsageError(f"the mix would be empty; rows read: {sum(index.read)}, left out: {reasons or 'none'}")
    held_out = _hold_out_families({row.family for row in chosen}, recipe)
    train = [row for row in chosen if row.family not in held_out]
    validation = sorted((row for row in chosen if row.family in held_out), key=_by_lot("shuffle", recipe.seed))
    return MixPlan(
        stages=_order_stages(train, recipe),
        validation=validation,
        subsets=_nest_subsets(train, recipe),
        left_out=[Counter({reason: rows for reason, rows in counts.items() if rows}) for counts in left_out],
        shortfall=shortfall,
    )


def share_out(available: Sequence[int], recipe: MixRecipe) -> list[int]:
    """Rows wanted of each source; may be more than it has where `rows` says so."""
    weights = [source.weight for source in recipe.sources]
    given = [weight for weight in weights if weight is not None]
    if given and len(given) < len(weights):
        raise UsageError("give a weight to every source of the mix, or to none")
    if recipe.balance != "none" and recipe.rows is None and not given:
        raise UsageError(
            f"balance {recipe.balance}: set rows (or weights), for with everything taken nothing is chosen"
        )
    if not given:
        if recipe.rows is None:
            return list(available)
        return _apportion(min(recipe.rows, sum(available)), [float(count) for count in available])
    total = recipe.rows
    if total is None:
        total = math.floor(
            min(count / weight for count, weight in zip(available, given, strict=True)) * sum(given) + 1e-9
        )
    return _apportion(total, given)


def _apportion(total: int, weights: Sequence[float]) -> list[int]:
    """Whole numbers in proportion, by largest remainder."""
    if not total:
        return [0] * len(weights)
    exact = [total * weight / sum(weights) for weight in weights]
    shares = [math.floor(value + 1e-9) for value in exact]
    order = sorted(range(len(weights)), key=lambda place: (shares[place] - exact[place], place))
    for place in order[: total - sum(shares)]:
        shares[place] += 1
    return shares


def _cap_tasks(rows: Sequence[IndexedRow], recipe: MixRecipe, left_out: list[Counter[str]]) -> list[IndexedRow]:
    if recipe.max_per_task is None:
        return list(rows)
    taken: Counter[str] = Counter()
    kept = []
    for row in sorted(rows, key=_by_lot("cap", recipe.seed)):
        taken[row.task] += 1
        if taken[row.task] > recipe.max_per_task:
            left_out[row.source]["task_cap"] += 1
        else:
            kept.append(row)
    return kept


def _pick_rows(rows: list[IndexedRow], share: int, recipe: MixRecipe) -> list[IndexedRow]:
    drawn = sorted(rows, key=_by_lot("pick", recipe.seed))
    if recipe.balance == "none" or share == len(rows):
        return drawn[:share]
    return _pick_evenly(drawn, share, recipe.balance)


def _pick_evenly(drawn: list[IndexedRow], share: int, balance: str) -> list[IndexedRow]:
    """Again and again a row of the domain or skill that was taken least; a row counts for all its skills."""
    queues: dict[str, list[int]] = defaultdict(list)
    keys = [_list_keys(row, balance) for row in drawn]
    for place in range(len(drawn) - 1, -1, -1):
        for key in keys[place]:
            queues[key].append(place)
    used = Counter(dict.fromkeys(queues, 0))
    heap = [(0, key) for key in sorted(queues)]
    taken: set[int] = set()
    picked: list[int] = []
    while len(picked) < share and heap:
        count, key = heapq.heappop(heap)
        if count < used[key]:
            heapq.heappush(heap, (used[key], key))
            continue
        queue = queues[key]
        while queue and queue[-1] in taken:
            queue.pop()
        if not queue:
            continue
        place = queue.pop()
        taken.add(place)
        picked.append(place)
        used.update(keys[place])
        heapq.heappush(heap, (used[key], key))
    return [drawn[place] for place in picked]


def _list_keys(row: IndexedRow, balance: str) -> tuple[str, ...]:
    """What a row counts for; one without skills counts as its domain's."""
    return (row.domain,) if balance == "domain" or not row.skills else tuple(dict.fromkeys(row.skills))


def _hold_out_families(families: set[str], recipe: MixRecipe) -> set[str]:
    """By each family's own lot, so that more data or another mix moves none; one at least where there are two."""
    if not recipe.validation:
        return set()
    lots = sorted((draw("validation", family, recipe.seed), family) for family in families)
    limit = int(recipe.validation * 2**96).to_bytes(12, "big")
    held_out = {family for lot, family in lots if lot < limit}
    if not held_out and len(lots) > 1:
        held_out = {lots[0][1]}
    return held_out if len(held_out) < len(lots) else set()


def _order_stages(rows: list[IndexedRow], recipe: MixRecipe) -> list[Stage]:
    shuffled = sorted(rows, key=_by_lot("shuffle", recipe.seed))
    if recipe.curriculum == "mixed":
        return [Stage("", shuffled)]
    stages: dict[str, list[IndexedRow]] = {}
    if recipe.curriculum == "staged":
        stages = {"adapters": [], "synthetic": []}
        for row in shuffled:
            stages["adapters" if row.stream == STREAMS["adapt"] else "synthetic"].append(row)
    else:
        stages = {level: [] for level in (*_LEVELS, "other")}
        for row in shuffled:
            stages[row.difficulty if row.difficulty in _LEVELS else "other"].append(row)
    return [Stage(name, members) for name, members in stages.items() if members]


def _nest_subsets(rows: list[IndexedRow], recipe: MixRecipe) -> dict[float, set[str]]:
    order = [row.row_id for row in sorted(rows, key=_by_lot("subset", recipe.seed))]
    subsets: dict[float, set[str]] = {}
    for percent in sorted(set(recipe.subsets)):
        if not 0 < percent <= 100:
            raise UsageError(f"subsets: {percent:g} is not a percentage above 0 and up to 100")
        subsets[percent] = set(order[: math.ceil(len(order) * percent / 100)])
    return subsets


def _by_lot(purpose: str, seed: int) -> Callable[[IndexedRow], bytes]:
    return lambda row: draw(purpose, row.row_id, seed)
