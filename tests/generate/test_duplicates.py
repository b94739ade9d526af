"""Sketches of instructions: what counts as near, in which order, and that it costs the same whatever the text."""

from __future__ import annotations

import random

import pytest

from terminal_task_gen.generate.duplicates import BUCKETS, Sketches, estimate_likeness, list_triples, make_sketch

TEXT = (
    "The harbour master of a small island has arrivals in /app/data/arrivals.csv and berths in /app/data/berths.json. "
    "Work out which ships stayed longer than their permit allows, and write one line a ship to /app/out/overdue.txt, "
    "the longest overstay first. A ship that left and came back within two hours counts as having stayed all along."
)
OTHER = (
    "A radio telescope has lost its calibration table. Rebuild the gain of each of its sixteen channels from the two "
    "noise-diode scans in /app/scans, flag channels whose gain drifts by more than a tenth, and save the table as "
    "/app/gain.json together with the time of the scan that was used."
)


def make_text(draw: random.Random, words: int) -> list[str]:
    return ["".join(draw.choices("abcdefghijklmnop", k=6)) for _ in range(words)]


@pytest.mark.parametrize(
    "other",
    [
        TEXT,
        TEXT.upper(),
        TEXT.replace("two hours", "3 hours").replace(", ", " - "),
        f"It is urgent. {TEXT}",
        TEXT.replace("harbour master", "dock keeper").replace("small", "remote"),
    ],
)
def test_near(other: str) -> None:
    sketches = Sketches()
    sketches.add("other", OTHER)
    sketches.add("first", TEXT)
    near = sketches.find(other, least=0.6)
    assert near is not None
    assert near.name == "first"


def test_another_task_is_not_near() -> None:
    sketches = Sketches()
    sketches.add("first", TEXT)
    assert sketches.find(OTHER, least=0.1) is None
    assert sketches.find("", least=0.1) is None


def test_figures_make_no_other_task() -> None:
    assert list_triples("Keep 12 rows of 7.5 kg") == list_triples("keep 90 rows of 10.25 kg!")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_estimate_is_near_the_truth(share: float) -> None:
    draw = random.Random(4)
    errors = []
    for _ in range(30):
        common, left, right = (make_text(draw, n) for n in (int(300 * share), 200, 200))
        a, b = (" ".join([*common, *own[: int(150 * (1 - share))]]) for own in (left, right))
        mine, yours = list_triples(a), list_triples(b)
        truth = len(mine & yours) / len(mine | yours)
        errors.append(estimate_likeness(make_sketch(a).signature, make_sketch(b).signature) - truth)
    assert abs(sum(errors) / len(errors)) < 0.03
    assert max(map(abs, errors)) < 0.15


def test_a_sketch_has_one_size() -> None:
    assert {len(make_sketch(text).signature) for text in ("", "one", TEXT, OTHER * 50)} == {BUCKETS}


def test_the_earlier_one_stays_whatever_the_order_of_reading() -> None:
    texts = {"a": TEXT, "b": OTHER, "c": TEXT.replace("small", "remote"), "d": f"{TEXT} Thanks.", "e": OTHER.upper()}
    found = []
    for names in (list("abcde"), list("edcba"), list("cadbe")):
        sketches = Sketches()
        for name in names:
            sketches.add(name, texts[name])
        ranks = [sorted(texts).index(name) for name in names]
        found.append({name: near.name for name, near in sketches.list_repeated(ranks, least=0.6)})
    assert found == [{"c": "a", "d": "a", "e": "b"}] * 3


def test_a_thousand_copies_are_cheap_and_all_found() -> None:
    sketches = Sketches()
    for number in range(1000):
        sketches.add(str(number), TEXT)
    assert len(list(sketches.list_repeated(range(1000), least=0.6))) == 999
