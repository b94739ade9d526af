"""Signatures estimate similarity; pairs are found across chunks, in linear time in the size of a bucket."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from terminal_task_gen.filters.signature_files import BandJob, SignatureFiles, find_band_pairs
from terminal_task_gen.filters.similarity import (
    BANDS,
    MIN_SHINGLES,
    Signatures,
    Similar,
    choose_originals,
    find_similar,
    sign,
)
from terminal_task_gen.filters.words import split_texts

WORDS = [f"w{number}" for number in range(5_000)]
DICE = random.Random(3)


def sign_texts(texts: list[str]) -> Signatures:
    return sign(split_texts(texts), range(len(texts) + 1))


def find_pairs(texts: list[str], similarity: float = 0.75) -> dict[int, int]:
    signed = sign_texts(texts)
    found = find_similar(signed.slots, iter(signed.bands), np.arange(len(texts)), similarity=similarity)
    return {one.text: one.original for one in found}


def make_text(words: int = 300) -> str:
    return " ".join(DICE.choices(WORDS, k=words))


def test_equal_texts_are_duplicates_of_the_first_and_unlike_ones_are_not() -> None:
    first, other = make_text(), make_text()
    assert find_pairs([first, other, first.upper(), first]) == {2: 0, 3: 0}


def test_a_document_is_all_of_its_texts_and_nothing_of_its_neighbours() -> None:
    texts = [make_text(60) for _ in range(6)]
    alone = sign_texts(["\n".join(texts[2:4])])
    among = sign(split_texts(texts), [0, 2, 4, 6])
    assert (among.slots[1] == alone.slots[0]).mean() > 0.9
    assert (among.bands[:, 1] != 0).all()


def test_short_texts_have_no_signature() -> None:
    short = " ".join(WORDS[: MIN_SHINGLES + 3])
    assert find_pairs([short, short, "", "one"]) == {}


def test_what_resembles_a_duplicate_only_is_kept() -> None:
    """b resembles a, c resembles b and not a: b goes, so nothing that is kept resembles c."""
    words = make_text(400).split()
    a, b, c = (" ".join(words[start : start + 300]) for start in (0, 25, 50))
    pairs = find_pairs([a, b, c], similarity=0.8)
    assert pairs == {1: 0}


@pytest.mark.parametrize("share", [0.005, 0.01, 0.02, 0.04])
def test_the_estimate_is_near_the_true_similarity(share: float) -> None:
    errors = []
    for _ in range(30):
        words = make_text(1_000).split()
        edited = [DICE.choice(WORDS) if DICE.random() < share else word for word in words]
        signed = sign_texts([" ".join(words), " ".join(edited)])
        mine, theirs = ({tuple(some[i : i + 5]) for i in range(len(some) - 4)} for some in (words, edited))
        true = len(mine & theirs) / len(mine | theirs)
        errors.append(float((signed.slots[0] == signed.slots[1]).mean()) - true)
    assert abs(float(np.mean(errors))) < 0.03 and float(np.std(errors)) < 0.06


def test_chunks_on_disk_are_compared_like_one(tmp_path: Path) -> None:
    texts = [make_text() for _ in range(40)]
    texts[33], texts[7] = texts[2], texts[6]
    files = [
        SignatureFiles.write(tmp_path / f"chunk-{n}", [sign_texts(texts[s : s + 5]) for s in range(start, end, 5)])
        for n, (start, end) in enumerate(((0, 10), (10, 10), (10, 40)))
    ]

    def find(some: list[SignatureFiles], ranks: NDArray[np.int64]) -> list[Similar]:
        path = tmp_path / "ranks"
        ranks.tofile(path)
        jobs = [BandJob(tuple(some), path, range(band, band + 4), 0.75) for band in range(0, BANDS, 4)]
        return choose_originals([find_band_pairs(job) for job in jobs], ranks)

    found = find(files, np.arange(40))
    assert {one.text: one.original for one in found} == {33: 2, 7: 6}
    reverse = find(files, np.arange(40)[::-1].copy())
    assert {one.text: one.original for one in reverse} == {2: 33, 6: 7}
    assert find(files[1:2], np.arange(0)) == []


def test_a_bucket_of_many_equal_texts_costs_no_more_than_its_size() -> None:
    signed = sign_texts([make_text()])
    count = 50_000
    slots, bands = np.repeat(signed.slots, count, axis=0), np.repeat(signed.bands, count, axis=1)
    began = time.process_time()
    found = find_similar(slots, iter(bands[:4]), np.arange(count), similarity=0.75)
    assert len(found) == count - 1 and {one.original for one in found} == {0}
    assert time.process_time() - began < 20
