"""What is planted is found, what is legitimate is left alone; the whole table stands in docs/filters.md."""

from __future__ import annotations

from benchmarks.filter.planted import measure, measure_similarity


def test_planted_cases_are_found_and_legitimate_ones_left_alone() -> None:
    lines = measure(seed=23)
    missed = {line.what: line.planted - line.found for line in lines if line.found < line.planted}
    wrong = {line.what: line.false for line in lines if line.false}
    planted, clean = sum(line.planted for line in lines), sum(line.clean for line in lines)
    assert planted > 700 and clean > 700
    assert sum(missed.values()) <= 0.01 * planted, missed
    assert sum(wrong.values()) <= 0.002 * clean, wrong


def test_near_duplicates_are_found_by_how_alike_they_are() -> None:
    shares = {low: found / total for low, _, total, found in measure_similarity(seed=23, pairs=40)}
    assert all(shares[low] >= 0.95 for low in (0.85, 0.9, 0.95)), shares
    assert shares[0.75] >= 0.5, shares
    assert all(shares[low] <= 0.05 for low in (0.5, 0.55, 0.6)), shares
