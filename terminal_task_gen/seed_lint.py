"""What can be told of seeds without a teacher: which are alike, and which command lines are no bash.

Likeness is the share of common word stems (taxonomy_lint.py), over the problem and, for a command, the command line
too. The search is exact and fast enough for a hundred thousand seeds: two sets whose likeness is above a bound share
one of their rarest members, so only those are looked up.
"""

from __future__ import annotations

import math
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from terminal_task_gen.seeds import Seed
from terminal_task_gen.taxonomy_lint import list_stems

MAX_LIKENESS = 0.5
"""Above it two seeds are one."""
_SYNTAX_TIMEOUT_SEC = 10.0


class AlikeSeeds(NamedTuple):
    """Two seeds and their likeness, the later one second."""

    likeness: float
    first: Seed
    second: Seed


def list_alike_seeds(seeds: Iterable[Seed], *, above: float = MAX_LIKENESS) -> list[AlikeSeeds]:
    """Pairs that are more alike than `above`, the worst first."""
    stemmed = [(seed, list_stems(f"{seed.problem} {seed.command or ''}")) for seed in seeds]
    uses = Counter(stem for _, stems in stemmed for stem in stems)
    holders: dict[str, list[int]] = defaultdict(list)
    alike: list[AlikeSeeds] = []
    for position, (seed, stems) in enumerate(stemmed):
        rarest = sorted(stems, key=lambda stem: (uses[stem], stem))
        looked_up = rarest[: len(rarest) - math.ceil(above * len(rarest)) + 1]
        for other in sorted({other for stem in looked_up for other in holders[stem]}):
            likeness = _compare(stemmed[other][1], stems)
            if likeness > above:
                alike.append(AlikeSeeds(likeness, stemmed[other][0], seed))
        for stem in looked_up:
            holders[stem].append(position)
    return sorted(alike, key=lambda pair: (-pair.likeness, pair.first.id, pair.second.id))


def find_syntax_error(command: str) -> str | None:
    """What bash says against the command line, None when it parses. Nothing is run."""
    argv: Sequence[str] = ("bash", "-n", "-c", command)
    checked = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_SYNTAX_TIMEOUT_SEC)
    return None if checked.returncode == 0 else checked.stderr.strip().partition("\n")[0]


def _compare(first: frozenset[str], second: frozenset[str]) -> float:
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared) if shared else 0.0
