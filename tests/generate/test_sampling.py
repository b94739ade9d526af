"""Draws spread evenly over pairs of skills, follow their key alone, and rotate axes."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, islice
from time import process_time

import pytest

from terminal_task_gen.generate.coverage import measure_coverage
from terminal_task_gen.generate.sampling import (
    deal_axes,
    deal_combinations,
    deal_independently,
    make_draw,
    shuffle,
)
from terminal_task_gen.task import Axes
from terminal_task_gen.taxonomy import Domain, Skill

SKILLS = [Skill(type=f"type {n % 7}", text=f"skill {n}") for n in range(65)]


def deal(
    number: int, *, seed: int = 3, skills: list[Skill] = SKILLS, least: int = 3, most: int = 5
) -> list[list[Skill]]:
    draw = make_draw(seed, "test")
    return list(islice(deal_combinations(skills, least=least, most=most, draw=draw), number))


def test_the_same_key_gives_the_same_draws_and_another_gives_others() -> None:
    assert deal(50) == deal(200)[:50]
    assert deal(50) != deal(50, seed=4)


def test_draws_are_the_same_on_every_machine() -> None:
    assert [[skill.text for skill in draw] for draw in deal(2)] == [
        ["skill 55", "skill 45", "skill 50", "skill 40", "skill 16"],
        ["skill 19", "skill 25", "skill 36"],
    ]


def test_hardly_a_pair_comes_twice_while_others_wait() -> None:
    coverage = measure_coverage(deal(200), SKILLS)
    assert coverage.most <= 2
    assert coverage.covered > 0.98 * coverage.mean * coverage.pairs


@pytest.mark.parametrize(("number", "spread"), [(1_000, 3), (10_000, 4)])
def test_pair_counts_grow_evenly(number: int, spread: int) -> None:
    balanced = measure_coverage(deal(number), SKILLS)
    draws = deal_independently(SKILLS, least=3, most=5, draw=make_draw(3, "test"))
    independent = measure_coverage(islice(draws, number), SKILLS)
    assert balanced.share == 1.0
    assert balanced.most - balanced.least <= spread
    assert independent.most - independent.least > 3 * spread
    assert abs(balanced.mean - independent.mean) < 0.1 * independent.mean


def test_every_skill_is_used_as_often_as_any_other() -> None:
    uses = Counter(skill.text for draw in deal(1_000) for skill in draw)
    assert max(uses.values()) - min(uses.values()) <= 2


def test_types_are_mixed_while_there_are_pairs_across_types() -> None:
    assert not [draw for draw in deal(150) if len({skill.type for skill in draw}) < len(draw)]


@pytest.mark.parametrize(("least", "most", "sizes"), [(3, 5, {3, 4, 5}), (4, 4, {4}), (1, 2, {1, 2})])
def test_sizes_are_as_asked_and_skills_distinct(least: int, most: int, sizes: set[int]) -> None:
    draws = deal(300, least=least, most=most)
    assert {len(draw) for draw in draws} == sizes
    assert all(len({skill.text for skill in draw}) == len(draw) for draw in draws)


def test_a_domain_with_fewer_skills_than_asked_gives_all_of_them() -> None:
    few = SKILLS[:2]
    assert {frozenset(skill.text for skill in draw) for draw in deal(20, skills=few)} == {
        frozenset(["skill 0", "skill 1"])
    }
    assert measure_coverage(deal(20, skills=SKILLS[:1]), SKILLS[:1]).share == 1.0


def test_ten_thousand_draws_take_no_time_worth_saving() -> None:
    """Resuming replays all draws; measured at half a second, so two leave room for a slow machine."""
    started = process_time()
    deal(10_000)
    assert process_time() - started < 2.0


def make_domain(**axes: tuple[str, ...]) -> Domain:
    return Domain(
        name="alpha", title="A", image="alpha", role="A role.", focus=("one",), skills={"Kind": ("a skill",)}, **axes
    )


def test_each_axis_comes_round_before_a_phrase_repeats() -> None:
    domain = make_domain(scenarios=("a", "b", "c", "d", "e"), artifacts=("x", "y", "z"))
    dealt = list(islice(deal_axes(domain, run_seed=1, mode="skill"), 15))
    for start in (0, 5, 10):
        assert sorted(axes.scenario for axes in dealt[start : start + 5]) == ["a", "b", "c", "d", "e"]
    assert Counter(axes.artifact for axes in dealt) == {"x": 5, "y": 5, "z": 5}
    assert {(axes.constraint, axes.check) for axes in dealt} == {("", "")}
    assert len({(axes.scenario, axes.artifact) for axes in dealt}) > 8, "the decks do not march in step"


def test_axes_follow_their_key() -> None:
    domain = make_domain(scenarios=tuple("abcdefgh"))
    first, again = (list(islice(deal_axes(domain, run_seed=1, mode="skill"), 8)) for _ in range(2))
    assert first == again
    assert first != list(islice(deal_axes(domain, run_seed=2, mode="skill"), 8))


def test_a_domain_without_axes_has_empty_ones() -> None:
    assert next(deal_axes(make_domain(), run_seed=1, mode="skill")) == Axes()


def test_a_seed_brings_its_artifact_and_tools_along() -> None:
    domain = make_domain(scenarios=("s",), artifacts=("a",), constraints=("c",), checks=("k",))
    assert next(deal_axes(domain, run_seed=1, mode="skill")) == Axes(
        scenario="s", artifact="a", constraint="c", check="k"
    )
    assert next(deal_axes(domain, run_seed=1, mode="seed")) == Axes(scenario="s", check="k")


def test_coverage_counts_pairs_by_hand() -> None:
    a, b, c, d = SKILLS[:4]
    coverage = measure_coverage([[a, b, c], [c, b]], [a, b, c, d])
    assert (coverage.draws, coverage.pairs, coverage.covered) == (2, 6, 3)
    assert (coverage.least, coverage.most, coverage.mean) == (0, 2, 4 / 6)


def test_shuffle_is_fair_enough() -> None:
    orders = Counter(tuple(shuffle("abc", make_draw(0, "order", n))) for n in range(600))
    assert len(orders) == len(list(combinations("abcd", 2)))
    assert min(orders.values()) > 60
