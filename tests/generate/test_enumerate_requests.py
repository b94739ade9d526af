"""Enumeration is a pure function: same first requests for any count, balanced, independent of iteration."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from terminal_task_gen.config import GenerateConfig
from terminal_task_gen.errors import UsageError
from terminal_task_gen.generate.requests import enumerate_requests, list_distinct_skills
from terminal_task_gen.seeds import Seed
from terminal_task_gen.task import Mode, Request
from terminal_task_gen.taxonomy import Domain


def make_domain(name: str, skills: int = 30) -> Domain:
    texts = tuple(f"{name} skill {n}" for n in range(skills))
    return Domain(
        name=name,
        title=name,
        image=name,
        role="A role.",
        focus=("one",),
        scenarios=("a port", "a mill", "a school"),
        artifacts=("a log", "a table"),
        skills={"Kind": texts},
    )


DOMAINS = {name: make_domain(name) for name in ("alpha", "beta", "gamma")}
SEEDS = {
    f"s{n}": Seed(id=f"s{n}", problem=f"Problem {n}", domain=domain)
    for n, domain in enumerate(["alpha", "beta", "alpha", "elsewhere", "gamma"])
}


def enumerate_all(mode: Mode = "skill", run_seed: int = 7, **fields: Any) -> list[Request]:
    config = GenerateConfig(**{"count": 12, **fields})
    return list(enumerate_requests(config, run_seed=run_seed, mode=mode, domains=DOMAINS, seeds=SEEDS))


@pytest.mark.parametrize("mode", ["skill", "seed"])
def test_a_longer_run_has_the_same_first_requests(mode: Mode) -> None:
    short, long = enumerate_all(mode, count=5), enumerate_all(mode, count=50)
    assert long[:5] == short
    assert len({request.id for request in long}) == 50


@pytest.mark.parametrize("mode", ["skill", "seed"])
def test_another_run_seed_gives_other_requests(mode: Mode) -> None:
    assert not {r.id for r in enumerate_all(mode, run_seed=1)} & {r.id for r in enumerate_all(mode, run_seed=2)}


def test_ids_are_the_same_on_every_machine() -> None:
    assert [r.id for r in enumerate_all(count=2)] == ["req-b4000bb8162fa7cb", "req-7008ec48b4d49d9e"]


def test_a_domain_that_has_had_its_number_is_passed_over() -> None:
    limited = enumerate_all(count=50, domain_counts={"alpha": 3, "beta": 1, "gamma": 2})
    assert [(r.domain, r.ordinal) for r in limited] == [
        *(("alpha", 1), ("beta", 1), ("gamma", 1)),
        *(("alpha", 2), ("gamma", 2), ("alpha", 3)),
    ]
    assert [r.skills for r in limited if r.domain == "gamma"] == [
        r.skills for r in enumerate_all() if r.domain == "gamma"
    ][:2]
    assert len(enumerate_all(count=50, domain_counts={"alpha": 3})) == 50, "the others have no limit"
    with pytest.raises(UsageError, match="domain_counts: 'alhpa' is none of the domains alpha, beta, gamma"):
        enumerate_all(domain_counts={"alhpa": 1})


def test_domains_are_dealt_in_turn_and_commissions_counted() -> None:
    requests = enumerate_all(count=7)
    assert [r.domain for r in requests] == ["alpha", "beta", "gamma"] * 2 + ["alpha"]
    assert [r.ordinal for r in requests] == [1, 1, 1, 2, 2, 2, 3]
    assert [r.index for r in requests] == list(range(7))


def test_sampled_skills_are_distinct_and_of_the_domain() -> None:
    sizes = Counter(len(r.skills) for r in enumerate_all(count=300))
    assert set(sizes) == {3, 4, 5}
    assert min(sizes.values()) > 60
    for request in enumerate_all(count=30):
        assert len(set(request.skills)) == len(request.skills)
        assert all(skill.startswith(request.domain) for skill in request.skills)


@pytest.mark.parametrize("choice", ["sampled", "menu"])
def test_what_a_domain_gets_does_not_depend_on_the_others(choice: str) -> None:
    together = [r for r in enumerate_all(count=60, skill_choice=choice) if r.domain == "beta"]
    config = GenerateConfig.model_validate({"count": 20, "skill_choice": choice})
    alone = list(enumerate_requests(config, run_seed=7, mode="skill", domains={"beta": DOMAINS["beta"]}, seeds={}))
    assert [(r.ordinal, r.skills, r.axes) for r in together] == [(r.ordinal, r.skills, r.axes) for r in alone]


def test_axes_are_part_of_a_request_and_of_its_id() -> None:
    first, second = (
        next(iter(enumerate_requests(GenerateConfig(), run_seed=7, mode="skill", domains=domains, seeds={})))
        for domains in (
            {"alpha": DOMAINS["alpha"]},
            {"alpha": DOMAINS["alpha"].model_copy(update={"scenarios": ("elsewhere",)})},
        )
    )
    assert (first.skills, first.axes.artifact) == (second.skills, second.axes.artifact)
    assert first.axes.scenario in ("a port", "a mill", "a school")
    assert second.axes.scenario == "elsewhere"
    assert first.id != second.id


def test_seed_mode_rotates_scenarios_within_a_domain() -> None:
    requests = [r for r in enumerate_all("seed", count=12) if r.domain == "alpha"]
    assert Counter(r.axes.scenario for r in requests) == {"a port": 2, "a mill": 2, "a school": 2}
    assert {r.axes.artifact for r in requests} == {""}


def test_a_primitive_under_two_types_is_one() -> None:
    domain = DOMAINS["alpha"].model_copy(update={"skills": {"A": ("one", "two"), "B": ("two", "three")}})
    assert [(skill.type, skill.text) for skill in list_distinct_skills(domain)] == [
        ("A", "one"),
        ("A", "two"),
        ("B", "three"),
    ]


def test_menu_shows_a_longer_list() -> None:
    assert {len(r.skills) for r in enumerate_all(skill_choice="menu", menu_size=10)} == {10}


def test_every_seed_of_the_domains_comes_once_a_round() -> None:
    requests = enumerate_all("seed", count=8)
    rounds = [[r.seed_id for r in requests[:4]], [r.seed_id for r in requests[4:]]]
    assert [sorted(map(str, ids)) for ids in rounds] == [["s0", "s1", "s2", "s4"]] * 2
    assert [r.ordinal for r in requests if r.domain == "alpha"] == [1, 2, 3, 4]
    assert all(r.skills == () for r in requests)


def test_seed_rounds_differ_in_order() -> None:
    requests = enumerate_all("seed", count=40)
    assert len({tuple(r.seed_id for r in requests[n : n + 4]) for n in range(0, 40, 4)}) > 1


def test_difficulty_is_fixed_or_drawn_by_weight() -> None:
    assert {r.difficulty for r in enumerate_all(difficulty="hard")} == {"hard"}
    drawn = Counter(r.difficulty for r in enumerate_all(count=1000))
    assert 240 < drawn["easy"] < 360
    assert 430 < drawn["medium"] < 570
    assert 150 < drawn["hard"] < 250


def test_weights_that_are_all_zero_are_refused() -> None:
    with pytest.raises(UsageError, match="difficulty_weights"):
        enumerate_all(difficulty_weights={"easy": 0.0})


def test_no_seed_for_the_domains_is_a_usage_error() -> None:
    domains = {"lonely": make_domain("lonely")}
    with pytest.raises(UsageError, match="no problem or command seed belongs to lonely"):
        list(enumerate_requests(GenerateConfig(), run_seed=0, mode="seed", domains=domains, seeds=SEEDS))


def test_a_seed_becomes_no_more_tasks_than_allowed() -> None:
    config = GenerateConfig(count=100, tasks_per_seed=2)
    requests = list(enumerate_requests(config, run_seed=1, mode="seed", domains=DOMAINS, seeds=SEEDS))
    assert Counter(request.seed_id for request in requests) == {
        seed.id: 2 for seed in SEEDS.values() if seed.domain in DOMAINS
    }


def test_kinds_of_seeds_take_turns_and_can_be_chosen() -> None:
    commands = {f"c{n}": Seed(id=f"c{n}", problem="Does.", command="ls", domain="alpha") for n in range(20)}
    everything = {**SEEDS, **commands}

    def deal(**fields: Any) -> list[str]:
        config = GenerateConfig.model_validate({"count": 40, **fields})
        requests = enumerate_requests(config, run_seed=7, mode="seed", domains=DOMAINS, seeds=everything)
        return [str(request.seed_id) for request in requests]

    assert [seed_id[0] for seed_id in deal()] == ["s", "c"] * 20
    assert len(set(deal(seed_kinds=["command"]))) == 20
    assert deal(seed_kinds=["problem"]) == [r.seed_id for r in enumerate_all("seed", count=40)]
    # The four problems are used up first; the commands go on alone.
    assert Counter(seed_id[0] for seed_id in deal(tasks_per_seed=1)) == {"s": 4, "c": 20}
