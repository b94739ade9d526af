"""Draws that spread evenly: skills over their combinations, axis phrases in rotation.

Every sequence here is endless and a pure function of its key (run seed, mode, domain), so the n-th draw is the same
whatever is asked for later and whichever other domains take part. Skills are dealt greedily: a draw starts at a
least-used skill and goes on with the skill whose pairs with those already drawn have come up least often, which is
the greedy step for the sum of squares of all pair counts; then the less used one, then the lot. A draw costs a few
passes over a row of n small numbers (35 microseconds at 65 skills), so a resumed run simply replays from the start.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from itertools import combinations, count
from operator import add
from typing import TypeVar

from terminal_task_gen.task import Axes, Mode
from terminal_task_gen.taxonomy import Domain, Skill

Choice = TypeVar("Choice")

SAME_TYPE_LEAD = 1
"""Times that a pair of skills of one type counts as drawn before it ever was: pairs across types come first."""
BELOW_A_PAIR = 2.0**-20
"""Weight of a skill's own uses (and of the lot below them) against one more use of a pair."""
ITSELF = 1 << 40
"""Count of a skill with itself: never drawn twice."""


def make_draw(run_seed: int, purpose: str, index: int = 0) -> random.Random:
    """A source of its own for each purpose and index. Use `random()` only: Python guarantees no other sequence."""
    digest = hashlib.sha256(f"{run_seed}:{purpose}:{index}".encode()).digest()
    return random.Random(int.from_bytes(digest[:16], "big"))


def shuffle(items: Sequence[Choice], draw: random.Random) -> list[Choice]:
    """A new list in an order sorted by lot."""
    keyed = sorted((draw.random(), position) for position in range(len(items)))
    return [items[position] for _, position in keyed]


def deal_combinations(skills: Sequence[Skill], *, least: int, most: int, draw: random.Random) -> Iterator[list[Skill]]:
    """Endless combinations of `least` to `most` skills, fewer where there are not so many; see the module's head."""
    n = len(skills)
    pairs = [[_count_before(a, b) for b in skills] for a in skills]
    uses = [0] * n
    while True:
        size = min(n, least + int(draw.random() * (most - least + 1)))
        cost = [(times + draw.random()) * BELOW_A_PAIR for times in uses]
        chosen: list[int] = []
        while len(chosen) < size:
            pick = cost.index(min(cost))
            chosen.append(pick)
            uses[pick] += 1
            cost = list(map(add, cost, pairs[pick]))
        for a, b in combinations(chosen, 2):
            pairs[a][b] += 1
            pairs[b][a] += 1
        yield [skills[position] for position in chosen]


def deal_independently(skills: Sequence[Skill], *, least: int, most: int, draw: random.Random) -> Iterator[list[Skill]]:
    """The same without memory: what `deal_combinations` is measured against."""
    while True:
        size = least + int(draw.random() * (most - least + 1))
        yield shuffle(skills, draw)[:size]


def deal_axes(domain: Domain, *, run_seed: int, mode: Mode) -> Iterator[Axes]:
    """Endless axes, each from a deck of its own that is shuffled anew when it is used up.

    A seed brings its artifact along, and often the tools of its solution, so in seed mode two axes stay empty.
    """
    key = f"{mode} {domain.name}"
    is_skill = mode == "skill"
    decks = (
        _deal_deck(domain.scenarios, run_seed, f"{key} scenario"),
        _deal_deck(domain.artifacts if is_skill else (), run_seed, f"{key} artifact"),
        _deal_deck(domain.constraints if is_skill else (), run_seed, f"{key} constraint"),
        _deal_deck(domain.checks, run_seed, f"{key} check"),
    )
    for scenario, artifact, constraint, check in zip(*decks, strict=True):
        yield Axes(scenario=scenario, artifact=artifact, constraint=constraint, check=check)


def _deal_deck(phrases: Sequence[str], run_seed: int, purpose: str) -> Iterator[str]:
    for round_number in count():
        yield from shuffle(phrases, make_draw(run_seed, purpose, round_number)) or ("",)


def _count_before(first: Skill, second: Skill) -> int:
    if first.text == second.text:
        return ITSELF
    return SAME_TYPE_LEAD if first.type == second.type else 0
