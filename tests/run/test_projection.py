"""The arithmetic of `ttg estimate`: known values, and ranges that hold what they promise."""

from __future__ import annotations

import random

import pytest

from terminal_task_gen.pipeline.projection import (
    Range,
    add,
    get_t,
    project_dependent,
    project_share,
    project_total,
    scale,
)


def test_a_total_is_the_mean_times_the_population() -> None:
    found = project_total([10.0, 20.0, 30.0], 300)
    assert found.mid == 6000
    # t(2) = 4.303, s = 10: 4.303 · 10 · 300 · sqrt(1/3 + 1/300)
    assert found.high == pytest.approx(6000 + 4.303 * 10 * 300 * (1 / 3 + 1 / 300) ** 0.5)
    assert found.low == 0, "below nothing there is nothing"
    assert project_total([5.0] * 4, 8) == Range(low=40, mid=40, high=40)


def test_one_sample_has_no_range_and_none_is_nothing() -> None:
    assert project_total([7.0], 10) == Range(low=None, mid=70, high=None)
    assert project_total([], 10) == Range(low=0, mid=0, high=0)
    assert add(Range(low=None, mid=1, high=None), Range(low=1, mid=1, high=1)) == Range(low=None, mid=2, high=None)


def test_a_share_has_wilsons_interval() -> None:
    found = project_share(8, 10)
    assert found.mid == 0.8
    assert [found.low, found.high] == pytest.approx([0.490, 0.943], abs=1e-3)
    assert project_share(0, 5).high == pytest.approx(0.434, abs=1e-3)
    assert project_share(0, 0) == Range(low=0, mid=0, high=1)


@pytest.mark.parametrize(("degrees", "t"), [(1, 12.706), (7, 2.365), (15, 2.131), (20, 2.086), (60, 2.000)])
def test_students_t(degrees: int, t: float) -> None:
    assert get_t(degrees) == pytest.approx(t, abs=0.012)


def test_a_dependent_total_is_wider_than_either_of_its_parts() -> None:
    samples = [90.0, 100.0, 110.0, 100.0]
    tasks = scale(project_share(6, 8), 100)
    found = project_dependent(samples, tasks)
    assert tasks.low and tasks.high and found.low and found.high
    assert found.low < 100 * tasks.low and found.high > 100 * tasks.high
    assert found.mid == 100 * tasks.mid


def test_nineteen_of_twenty_ranges_hold_the_total() -> None:
    rng = random.Random(1)
    held = 0
    for _ in range(400):
        population = [rng.gauss(1000, 200) for _ in range(200)]
        found = project_total(population[:8], 200)
        assert found.low is not None and found.high is not None
        held += found.low <= sum(population) <= found.high
    assert 0.92 <= held / 400 <= 0.99
