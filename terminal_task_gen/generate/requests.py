"""Enumerates the units of generation work; nothing here asks anybody or reads anything.

A pure function of its arguments. A request's difficulty is keyed by (run seed, mode, index), its skills and axes by
(run seed, mode, domain, ordinal), so the first n requests are the same whatever the count, and what a domain's n-th
author gets does not depend on which other domains take part. How draws are spread evenly is `sampling.py`'s matter.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, islice

from terminal_task_gen.config import GenerateConfig
from terminal_task_gen.errors import UsageError
from terminal_task_gen.generate.sampling import deal_axes, deal_combinations, make_draw, shuffle
from terminal_task_gen.records import content_id
from terminal_task_gen.seeds import Seed, SeedKind
from terminal_task_gen.task import Difficulty, Mode, Request
from terminal_task_gen.taxonomy import Domain, Skill


def enumerate_requests(
    config: GenerateConfig,
    *,
    run_seed: int,
    mode: Mode,
    domains: Mapping[str, Domain],
    seeds: Mapping[str, Seed],
) -> Iterator[Request]:
    """`config.count` requests of a mode: domains in turn (skill), or the seeds (seed), kinds in turn and each kind in
    shuffled rounds, fewer where `domain_counts` or `tasks_per_seed` ends the rounds.

    Raises UsageError when there is nothing to make a request from.
    """
    if not domains:
        raise UsageError("there is no domain to generate for; check --taxonomy and --domain")
    if mode == "skill":
        strangers = sorted(set(config.domain_counts) - set(domains))
        if strangers:
            raise UsageError(f"generate.domain_counts: {strangers[0]!r} is none of the domains {', '.join(domains)}")
        return islice(_deal_skills(config, run_seed, domains), config.count)
    usable = [seed for seed in seeds.values() if seed.domain in domains and seed.kind in config.seed_kinds]
    if not usable and config.count:
        kinds = " or ".join(config.seed_kinds)
        raise UsageError(f"no {kinds} seed belongs to {', '.join(domains)}; check --seeds, --seed-kind and --domain")
    return islice(_deal_seeds(config, run_seed, domains, usable), config.count)


def list_distinct_skills(domain: Domain) -> list[Skill]:
    """The domain's primitives in file order; one that stands under two types counts once, under the first."""
    distinct: dict[str, Skill] = {}
    for skill in domain.list_skills():
        distinct.setdefault(skill.text, skill)
    return list(distinct.values())


def _deal_skills(config: GenerateConfig, run_seed: int, domains: Mapping[str, Domain]) -> Iterator[Request]:
    skills = {name: _choose_skills(config, domain, run_seed) for name, domain in domains.items()}
    axes = {name: deal_axes(domain, run_seed=run_seed, mode="skill") for name, domain in domains.items()}
    for index, (domain, ordinal) in enumerate(_take_turns(domains, config.domain_counts)):
        request = Request(
            id="",
            mode="skill",
            domain=domain,
            difficulty=_draw_difficulty(config, make_draw(run_seed, "skill", index)),
            index=index,
            ordinal=ordinal,
            skills=next(skills[domain]),
            axes=next(axes[domain]),
        )
        yield _identify(request, run_seed)


def _take_turns(domains: Iterable[str], limits: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Domain and ordinal, round by round; a domain that has had its number is passed over, the last one ends it."""
    for ordinal in count(1):
        due = [domain for domain in domains if ordinal <= limits.get(domain, ordinal)]
        if not due:
            return
        yield from ((domain, ordinal) for domain in due)


def _deal_seeds(
    config: GenerateConfig, run_seed: int, domains: Mapping[str, Domain], seeds: Sequence[Seed]
) -> Iterator[Request]:
    axes = {name: deal_axes(domain, run_seed=run_seed, mode="seed") for name, domain in domains.items()}
    ordinals: Counter[str] = Counter()
    for index, seed in enumerate(_alternate_kinds(config, run_seed, seeds)):
        ordinals[seed.domain] += 1
        request = Request(
            id="",
            mode="seed",
            domain=seed.domain,
            difficulty=_draw_difficulty(config, make_draw(run_seed, "seed", index)),
            index=index,
            ordinal=ordinals[seed.domain],
            axes=next(axes[seed.domain]),
            seed_id=seed.id,
        )
        yield _identify(request, run_seed)


def _alternate_kinds(config: GenerateConfig, run_seed: int, seeds: Sequence[Seed]) -> Iterator[Seed]:
    """A seed of each kind in turn, so that hundreds of commands do not drown the problems."""
    rounds = [
        _deal_rounds(config, run_seed, kind, [seed for seed in seeds if seed.kind == kind])
        for kind in config.seed_kinds
    ]
    while rounds:
        for dealt in list(rounds):
            seed = next(dealt, None)
            if seed is None:
                rounds.remove(dealt)
            else:
                yield seed


def _deal_rounds(config: GenerateConfig, run_seed: int, kind: SeedKind, seeds: Sequence[Seed]) -> Iterator[Seed]:
    purpose = "seed round" if kind == "problem" else f"{kind} seed round"
    for round_number in range(config.tasks_per_seed) if config.tasks_per_seed else count():
        if not seeds:
            return
        yield from shuffle(seeds, make_draw(run_seed, purpose, round_number))


def _identify(request: Request, run_seed: int) -> Request:
    payload = {**request.model_dump(mode="json", exclude={"id"}), "run_seed": run_seed}
    return request.model_copy(update={"id": content_id("req", payload)})


def _draw_difficulty(config: GenerateConfig, draw: random.Random) -> Difficulty:
    if config.difficulty != "mixed":
        return config.difficulty
    levels = sorted((level, weight) for level, weight in config.difficulty_weights.items() if weight > 0)
    if not levels:
        raise UsageError("generate.difficulty_weights: at least one weight must be above 0")
    point = draw.random() * sum(weight for _, weight in levels)
    for level, weight in levels:
        point -= weight
        if point < 0:
            return level
    return levels[-1][0]


def _choose_skills(config: GenerateConfig, domain: Domain, run_seed: int) -> Iterator[tuple[str, ...]]:
    """What the domain's authors are shown, one after the other: the skills to combine, or a menu to pick from."""
    skills = list_distinct_skills(domain)
    if config.skill_choice == "menu":
        for position in count():
            menu = shuffle(skills, make_draw(run_seed, f"menu {domain.name}", position))[: config.menu_size]
            yield tuple(skill.text for skill in menu)
    least, most = sorted(config.skills_per_task)
    draw = make_draw(run_seed, f"combinations {domain.name}")
    for combination in deal_combinations(skills, least=least, most=most, draw=draw):
        yield tuple(skill.text for skill in combination)
