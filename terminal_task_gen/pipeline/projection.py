"""From a few requests and rollouts to the whole run: totals with a range, by arithmetic that fits on a page.

A total over N items of which n were sampled is N times the sample's mean, and its range is the 95 % prediction interval
of Student's t: ± t(n−1) · s · N · sqrt(1/n + 1/N). One sample has no range. A share (the yield) has Wilson's interval.
Where a number depends on another (rollouts on how many tasks there will be), low meets low and high meets high, so the
range of a product is wider than 95 %.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from terminal_task_gen.records import Record

Z_95 = 1.96
T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
"""Student's t, two-sided 95 %, for 1 to 15 degrees of freedom; beyond it 2.12 falls to 1.96."""


class Range(Record):
    """A number and where it probably lies. `low` and `high` are None where one sample says nothing of a range."""

    low: float | None
    mid: float
    high: float | None


NOTHING = Range(low=0.0, mid=0.0, high=0.0)


def project_total(samples: Sequence[float], population: float) -> Range:
    """Sum over `population` items like the samples. No samples: nothing."""
    if not samples or not population:
        return NOTHING
    mean = statistics.fmean(samples)
    mid = mean * population
    if len(samples) == 1:
        return Range(low=None, mid=mid, high=None)
    error = math.sqrt(1 / len(samples) + 1 / population)
    half = get_t(len(samples) - 1) * statistics.stdev(samples) * error * population
    return Range(low=max(0.0, mid - half), mid=mid, high=mid + half)


def project_share(hits: int, trials: int) -> Range:
    """A share, from 0 to 1 (Wilson 1927). No trials: anything may be."""
    if not trials:
        return Range(low=0.0, mid=0.0, high=1.0)
    share, squared = hits / trials, Z_95**2 / trials
    centre = (share + squared / 2) / (1 + squared)
    half = Z_95 / (1 + squared) * math.sqrt(share * (1 - share) / trials + squared / (4 * trials))
    return Range(low=max(0.0, centre - half), mid=share, high=min(1.0, centre + half))


def scale(one: Range, factor: float) -> Range:
    return Range(low=_times(one.low, factor), mid=one.mid * factor, high=_times(one.high, factor))


def add(one: Range, other: Range) -> Range:
    """Low to low and high to high; a part without a range leaves the sum without one."""
    ends = [None if None in pair else math.fsum(pair) for pair in ((one.low, other.low), (one.high, other.high))]  # type: ignore[arg-type]
    return Range(low=ends[0], mid=one.mid + other.mid, high=ends[1])


def project_dependent(samples: Sequence[float], population: Range) -> Range:
    """As project_total, over a population that is itself only estimated."""
    low = project_total(samples, population.low if population.low is not None else population.mid).low
    high = project_total(samples, population.high if population.high is not None else population.mid).high
    return Range(low=low, mid=project_total(samples, population.mid).mid, high=high)


def get_t(degrees: int) -> float:
    """Student's t for a two-sided 95 % interval."""
    if degrees <= len(T_95):
        return T_95[degrees - 1]
    # Cornish-Fisher's first term; 0.012 too small at 16 degrees and less from there on.
    return Z_95 + (Z_95**3 + Z_95) / (4 * degrees)


def _times(end: float | None, factor: float) -> float | None:
    return None if end is None else end * factor
