"""Enumerates the units of generation work; nothing here asks anybody or reads anything.

A pure function of its arguments. Each request's draws are keyed by (run seed, mode, index) alone, so the first n
requests are the same whatever the count, and none depends on how far the others got.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice
from typing import TypeVar

from terminal_task_gen.config import GenerateConfig
from terminal_task_gen.errors import UsageError
from terminal_task_gen.records import content_id
from terminal_task_gen.seeds import Seed
from terminal_task_gen.task import Difficulty, Mode, Request
from terminal_task_gen.taxonomy import Domain

Choice = TypeVar("Choice")


def enumerate_requests(
    config: GenerateConfig,
    *,
    run_seed: int,
    mode: Mode,
    domains: Mapping[str, Domain],
    seeds: Mapping[str, Seed],
) -> Iterator[Request]:
    """`config.count` requests of a mode: domains in turn (skill), or the seeds in shuffled rounds (seed),
    fewer where `tasks_per_seed` ends the rounds.

    Raises UsageError when there is nothing to make a request from.
    """
    if not domains:
        raise UsageError("there is no domain to generate for; check --taxonomy and --domain")
    if mode == "skill":
        return islice(_deal_skills(config, run_seed, domains), config.count)
    usable = [seed for seed in seeds.values() if seed.domain in domains]
    if not usable and config.count:
        raise UsageError(f"no seed belongs to {', '.join(domains)}; check --seeds and --domain")
    return islice(_deal_seeds(config, run_seed, usable), config.count)


def _deal_skills(config: GenerateConfig, run_seed: int, domains: Mapping[str, Domain]) -> Iterator[Request]:
    names = list(domains)
    for index in count():
        draw = _make_draw(run_seed, "skill", index)
        difficulty = _draw_difficulty(config, draw)
        domain = names[index % len(names)]
        yield _make_request(
            run_seed=run_seed,
            mode="skill",
            domain=domain,
            difficulty=difficulty,
            index=index,
            ordinal=index // len(names) + 1,
            skills=_draw_skills(config, domains[domain], draw),
        )


def _deal_seeds(config: GenerateConfig, run_seed: int, seeds: Sequence[Seed]) -> Iterator[Request]:
    ordinals: Counter[str] = Counter()
    index = 0
    for round_number in range(config.tasks_per_seed) if config.tasks_per_seed else count():
        for seed in _shuffle(seeds, _make_draw(run_seed, "seed round", round_number)):
            ordinals[seed.domain] += 1
            yield _make_request(
                run_seed=run_seed,
                mode="seed",
                domain=seed.domain,
                difficulty=_draw_difficulty(config, _make_draw(run_seed, "seed", index)),
                index=index,
                ordinal=ordinals[seed.domain],
                seed_id=seed.id,
            )
            index += 1


def _make_request(
    *,
    run_seed: int,
    mode: Mode,
    domain: str,
    difficulty: Difficulty,
    index: int,
    ordinal: int,
    skills: tuple[str, ...] = (),
    seed_id: str | None = None,
) -> Request:
    request = Request(
        id="",
        mode=mode,
        domain=domain,
        difficulty=difficulty,
        index=index,
        ordinal=ordinal,
        skills=skills,
        seed_id=seed_id,
    )
    payload = {**request.model_dump(mode="json", exclude={"id"}), "run_seed": run_seed}
    return request.model_copy(update={"id": content_id("req", payload)})


def _make_draw(run_seed: int, purpose: str, index: int) -> random.Random:
    digest = hashlib.sha256(f"{run_seed}:{purpose}:{index}".encode()).digest()
    return random.Random(int.from_bytes(digest[:16], "big"))


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


def _draw_skills(config: GenerateConfig, domain: Domain, draw: random.Random) -> tuple[str, ...]:
    texts = list(dict.fromkeys(skill.text for skill in domain.list_skills()))
    if config.skill_choice == "menu":
        return tuple(_shuffle(texts, draw)[: config.menu_size])
    least, most = sorted(config.skills_per_task)
    size = least + int(draw.random() * (most - least + 1))
    return tuple(_shuffle(texts, draw)[:size])


def _shuffle(items: Sequence[Choice], draw: random.Random) -> list[Choice]:
    """Sorted by `random()` alone: the one method whose sequence Python guarantees across versions."""
    keyed = sorted((draw.random(), position) for position in range(len(items)))
    return [items[position] for _, position in keyed]
