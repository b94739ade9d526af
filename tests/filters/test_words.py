"""Words cut by numpy are those that the plain definition gives, for any text."""

from __future__ import annotations

import random
import re
import unicodedata

import pytest

from terminal_task_gen.filters.words import MAX_HASHED_BYTES, split_texts, split_words

UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af]")


def cut_plainly(text: str) -> list[str]:
    """The definition: NFKC, casefold, runs of \\w, an ideograph or kana by itself."""
    text = re.sub(r"\\[ntr]", "  ", text)
    spaced = UNSPACED.sub(lambda found: f" {found[0]} ", unicodedata.normalize("NFKC", text).casefold())
    return re.findall(r"\w+", spaced)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "Write /app/out_1.CSV, don't ﬁx Straße!",
        'a "JSON\\nreply\\twith C:\\new \\"quotes\\"" in it',
        "e\u0301te\u0301 and \u0301 alone, ñ n\u0303",
        "这是DeepSeek写的 カタカナ ｶﾅ 한국어 текст ΣΑΣ",
        "├── a.txt\n└── ｂ．txt “q” — x…y 😀 ½ ² ①",
        "x" * 500 + " " + "y" * MAX_HASHED_BYTES,
    ],
)
def test_the_words_are_those_of_the_definition(text: str) -> None:
    assert split_words(text) == cut_plainly(text)


def test_random_texts_of_all_scripts_are_cut_as_defined() -> None:
    dice = random.Random(7)
    alphabet = "abcXYZ019_ntr\\ \n.,-/" * 4 + "éßñçøÅﬁ…—“”│├└→中文日本ｶﾅ한국кЖΣςאבก\u0301\u0308\u200d😀½②"
    for _ in range(300):
        text = "".join(dice.choices(alphabet, k=dice.randint(1, 80)))
        assert split_words(text) == cut_plainly(text), ascii(text)


def test_equal_words_have_equal_hashes_and_different_ones_do_not() -> None:
    words = sorted({*(f"w{n}" for n in range(5_000)), *("a" * n for n in range(1, 300)), "abcdefgh", "abcdefghi"})
    batch = split_texts([" ".join(words), " ".join(word.upper() for word in words)])
    half = len(batch.hashes) // 2
    assert (batch.hashes[:half] == batch.hashes[half:]).all()
    assert len(set(batch.hashes.tolist())) == len(words)


def test_hashes_are_the_same_on_every_machine() -> None:
    """They are in index files: another value here is another file format."""
    batch = split_texts(["Fix the broken build-system_2 of the quick brown foxes"])
    assert [int(value) for value in batch.hashes[:2]] == HASHES
    assert int(batch.hash_grams(5)[0]) == GRAM


HASHES = [9841591745551303560, 6897604899186474207]
GRAM = 2816248888221856313


def test_grams_do_not_depend_on_what_was_asked_before_or_stands_around() -> None:
    text = " ".join(f"w{n}" for n in range(40))
    alone, among = split_texts([text]), split_texts(["before it", text, "after it"])
    among.hash_grams(3)
    for size in (1, 2, 5, 13, 14, 32):
        assert (alone.hash_grams(size) == among.hash_grams(size)[2 : 2 + 41 - size]).all()
    assert len(alone.hash_grams(41)) == 0


def test_masked_numbers_are_one_word() -> None:
    batch = split_texts(["12 345 a1 7"], mask_numbers=True)
    assert batch.hashes[0] == batch.hashes[1] == batch.hashes[3] != batch.hashes[2]
