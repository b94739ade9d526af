"""What makes a taxonomy good, as far as a program can tell: enough phrases, concrete in form, no two alike.

One measure and one set of minima, which `ttg taxonomy check` and the test of the shipped data both use. Likeness is an
error, since it quietly halves the worth of both primitives; everything else is a remark. Nothing here raises.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import NamedTuple

from terminal_task_gen.taxonomy import Domain

MAX_LIKENESS = 0.35
"""Above it two primitives are one."""
MIN_SKILLS = 60
MIN_SKILLS_OF_A_TYPE = 3
MIN_AXIS_PHRASES = {"scenarios": 12, "artifacts": 8, "constraints": 6, "checks": 6}
MIN_VERIFICATION = 4
SKILL_WORDS = (7, 25)
"""Fewest and most words of a primitive: neither vague nor a recipe."""
_STOP_WORDS = re.compile(
    r"\b(?:after|and|any|are|been|before|but|can|each|every|few|for|from|given|has|have|into|its|more|most|must|not|off"
    r"|one|only|other|out|over|own|same|several|some|than|that|the|their|them|then|they|this|those|through|two|under"
    r"|until|was|were|what|when|where|which|while|who|whose|will|with|without)\b"
)
_ENDING = re.compile(r"(?<=\w{3})(?:ies|ing|ed|es|e|s|y)$")
_STEM_CHARS = 6
_SKILL = re.compile(r"[a-z].*[^.\s]", re.DOTALL)


class Alike(NamedTuple):
    """Two primitives and their likeness."""

    likeness: float
    first_domain: str
    first: str
    second_domain: str
    second: str

    @property
    def is_within(self) -> bool:
        """Both are of one domain."""
        return self.first_domain == self.second_domain


def measure_likeness(first: str, second: str) -> float:
    """Of the word stems that two phrases hold, the share that both hold, from 0 to 1; stop words do not count."""
    return _compare(list_stems(first), list_stems(second))


def list_alike(domains: Iterable[Domain], *, above: float = MAX_LIKENESS) -> list[Alike]:
    """Pairs of primitives within and across domains that are more alike than `above`, the worst first."""
    primitives = [(domain.name, skill.text) for domain in domains for skill in domain.list_skills()]
    stems = [list_stems(text) for _, text in primitives]
    alike = [
        Alike(likeness, *primitives[a], *primitives[b])
        for a, b in combinations(range(len(primitives)), 2)
        if (likeness := _compare(stems[a], stems[b])) > above
    ]
    return sorted(alike, key=lambda pair: (-pair.likeness, pair))


def list_remarks(domain: Domain) -> list[str]:
    """What the domain lacks, a line each; empty when there is nothing to say."""
    return [*_check_counts(domain), *_check_axes(domain), *_check_form(domain)]


def _check_counts(domain: Domain) -> Iterator[str]:
    total = len({skill.text for skill in domain.list_skills()})
    if total < MIN_SKILLS:
        yield f"{total} skills; with fewer than {MIN_SKILLS} a large run repeats itself"
    for kind, texts in domain.skills.items():
        if len(texts) < MIN_SKILLS_OF_A_TYPE:
            yield f"skill type {kind!r} has {len(texts)}; with fewer than {MIN_SKILLS_OF_A_TYPE} it is no type"


def _check_axes(domain: Domain) -> Iterator[str]:
    for axis, least in MIN_AXIS_PHRASES.items():
        found = len(getattr(domain, axis))
        if found < least:
            yield f"{found} {axis}; {least} or more make tasks differ"
        for phrase, times in Counter(getattr(domain, axis)).items():
            if times > 1:
                yield f"{axis}: {phrase!r} stands {times} times"
    if len(domain.verification) < MIN_VERIFICATION:
        yield f"{len(domain.verification)} pairs of verification; {MIN_VERIFICATION} or more keep authors out of traps"


def _check_form(domain: Domain) -> Iterator[str]:
    least, most = SKILL_WORDS
    for skill in domain.list_skills():
        if not _SKILL.fullmatch(skill.text):
            yield f"skill {skill.text!r}: write a lower-case phrase without a full stop"
        if not least <= len(skill.text.split()) <= most:
            yield f"skill {skill.text!r}: {least} to {most} words are neither vague nor a recipe"


def list_stems(text: str) -> frozenset[str]:
    """`merge`, `merges` and `merging` are one, and nearly always rightly so."""
    words = re.findall(r"[a-z]{3,}", _STOP_WORDS.sub("", text.lower()))
    return frozenset(_ENDING.sub("", word)[:_STEM_CHARS] for word in words)


def _compare(first: frozenset[str], second: frozenset[str]) -> float:
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared) if shared else 0.0
