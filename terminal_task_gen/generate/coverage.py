"""How evenly draws of skills spread over the pairs of a domain: the figure the sampler is judged by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations

from terminal_task_gen.records import Record
from terminal_task_gen.taxonomy import Skill


class PairCoverage(Record):
    """How often the pairs of a domain's skills came up in some draws."""

    draws: int
    pairs: int
    """Pairs there are."""
    covered: int
    """Pairs that came up at least once."""
    least: int
    mean: float
    most: int

    @property
    def share(self) -> float:
        """Covered pairs of all; 1 where there is no pair to cover."""
        return self.covered / self.pairs if self.pairs else 1.0


def measure_coverage(draws: Iterable[Sequence[Skill]], skills: Sequence[Skill]) -> PairCoverage:
    """Count the pairs of all draws, in which no skill may stand that is not in `skills`."""
    counts = dict.fromkeys(combinations(sorted({skill.text for skill in skills}), 2), 0)
    number = 0
    for draw in draws:
        number += 1
        for pair in combinations(sorted(skill.text for skill in draw), 2):
            counts[pair] += 1
    spread = Counter(counts.values())
    return PairCoverage(
        draws=number,
        pairs=len(counts),
        covered=len(counts) - spread[0],
        least=min(spread, default=0),
        mean=sum(counts.values()) / max(1, len(counts)),
        most=max(spread, default=0),
    )
