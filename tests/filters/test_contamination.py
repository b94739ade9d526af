"""Planted overlaps of known length; what counts as a word; prompts shorter than an n-gram."""

from __future__ import annotations

import pickle

import pytest

from terminal_task_gen.filters.benchmarks import BenchmarkPrompt
from terminal_task_gen.filters.contamination import BenchmarkScreen, build_index
from terminal_task_gen.filters.words import split_texts, split_words

PROMPT = " ".join(f"word{number}" for number in range(40))


def make_index(*texts: str, ngram: int = 14, mask_numbers: bool = False) -> BenchmarkScreen:
    prompts = [BenchmarkPrompt(benchmark="bench", entry=f"task-{n}", text=text) for n, text in enumerate(texts)]
    return BenchmarkScreen((build_index(prompts, ngram=ngram, mask_numbers=mask_numbers),) if prompts else ())


def plant(words: list[str]) -> str:
    return " ".join(["before", "this", *words, "after", "that"])


@pytest.mark.parametrize("ngram", [2, 8, 14, 40])
def test_exactly_n_words_are_an_overlap_and_one_fewer_is_none(ngram: int) -> None:
    index = make_index(PROMPT, ngram=ngram)
    words = PROMPT.split()
    found = index.find_overlap(plant(words[-ngram:]) + " and more words to be long enough" * 4)
    assert found is not None
    assert found.words == " ".join(words[-ngram:])
    assert not found.whole
    assert index.find_overlap(plant(words[: ngram - 1]) + " and more words to be long enough" * 4) is None


def test_an_interrupted_run_of_words_is_no_overlap() -> None:
    words = PROMPT.split()
    assert make_index(PROMPT).find_overlap(" ".join([*words[:13], "other", *words[13:26]])) is None


@pytest.mark.parametrize(
    "disguise",
    [
        PROMPT.upper(),
        PROMPT.replace(" ", ", "),
        PROMPT.replace(" ", "\n\n- "),
        "**" + PROMPT.replace(" ", "** `") + "`",
        PROMPT.replace("word", "ｗｏｒｄ"),
        PROMPT.replace(" ", "\u00a0"),
    ],
    ids=["case", "punctuation", "list", "markdown", "full width", "no-break space"],
)
def test_case_punctuation_and_layout_do_not_hide_an_overlap(disguise: str) -> None:
    found = make_index(PROMPT).find_overlap(disguise)
    assert found is not None
    assert found.words == " ".join(PROMPT.split()[:14])


def test_words_are_runs_of_letters_digits_and_underscores() -> None:
    assert split_words("Write /app/out_1.CSV, don't ﬁx Straße!") == [
        "write", "app", "out_1", "csv", "don", "t", "fix", "strasse",
    ]  # fmt: skip


def test_a_prompt_shorter_than_n_words_matches_as_a_whole_only() -> None:
    index = make_index("Recover the deleted password from archive")
    found = index.find_overlap("You are on a server. " * 5 + "Recover the DELETED password from: archive, then stop.")
    assert found is not None and found.whole
    assert found.words == "recover the deleted password from archive"
    assert (
        index.find_overlap("You are on a server. " * 5 + "Recover the deleted password from disk, then stop.") is None
    )


def test_a_very_short_prompt_must_be_the_whole_text() -> None:
    index = make_index("Fix the bug")
    assert index.find_overlap("Fix the bug!") is not None
    assert index.find_overlap("Read the log, fix the bug in /app/main.py and say so in /app/report.txt, please") is None
    assert index.find_overlap("Fix the bug in main") is None


def test_a_text_shorter_than_n_words_matches_inside_a_prompt_or_around_one() -> None:
    index = make_index(PROMPT, "list all open ports")
    inside = index.find_overlap("word7 word8 word9 word10 word11")
    assert inside is not None and inside.whole and inside.entry == "task-0"
    around = index.find_overlap("please list all open ports now")
    assert around is not None and around.entry == "task-1" and around.words == "list all open ports"
    assert index.find_overlap("word7 word8 word10 word11 word12") is None
    assert index.find_overlap("word7 word8") is None


def test_nothing_overlaps_with_nothing() -> None:
    assert make_index().find_overlap(PROMPT) is None
    assert make_index("?!").find_overlap("") is None
    assert make_index("?!", PROMPT).find_overlap(" ... ") is None


def test_the_first_place_in_the_text_and_the_prompt_it_comes_from_are_told() -> None:
    other = " ".join(f"else{number}" for number in range(20))
    found = make_index(PROMPT, other).find_overlap(f"Start. {other} middle {PROMPT}")
    assert found is not None
    assert (found.entry, found.words.split()[0]) == ("task-1", "else0")
    assert len(found.evidence) <= 120
    assert "start. else0 else1" in found.evidence


def test_an_index_survives_the_way_to_another_process() -> None:
    index = pickle.loads(pickle.dumps(make_index(PROMPT)))
    assert index.find_overlap(PROMPT) is not None


def test_in_a_conversation_no_overlap_crosses_texts_and_short_prompts_need_eight_words() -> None:
    words = PROMPT.split()
    screen = make_index(PROMPT, "list all open ports", "recover the deleted password from the old backup archive")
    texts = [
        " ".join(words[:7]),
        " ".join(words[7:14]),
        "now list all open ports please",
        "I shall Recover the DELETED password from the old backup: archive, then stop",
        "List all open ports",
        f"Done. {' '.join(words[3:17])}!",
    ]
    found = screen.find_in_turns(split_texts(texts), texts)
    assert {text: (overlap.entry, overlap.whole) for text, overlap in found.items()} == {
        3: ("task-2", True),
        4: ("task-1", True),
        5: ("task-0", False),
    }
    assert found[5].words == " ".join(words[3:17])


def test_masked_numbers_are_equal_and_unmasked_ones_are_not() -> None:
    prompt = "allocate 512 blocks of 4096 bytes and write 17 of them to disk number 3 at offset 99 then stop"
    disguised = prompt.replace("512", "8").replace("17", "21").replace("99", "100")
    assert make_index(prompt).find_overlap(disguised) is None
    found = make_index(prompt, mask_numbers=True).find_overlap(disguised)
    assert found is not None and found.words.startswith("allocate 8 blocks")


def test_benchmarks_cut_in_different_ways_are_screened_together() -> None:
    first = build_index([BenchmarkPrompt(benchmark="a", entry="x", text=PROMPT)], ngram=14)
    other = " ".join(f"else{number}" for number in range(20))
    second = build_index([BenchmarkPrompt(benchmark="b", entry="y", text=other)], ngram=8, mask_numbers=True)
    screen = BenchmarkScreen((first, second))
    assert screen.find_overlap(f"{PROMPT} {other}") is not None
    eight = screen.find_overlap("so " * 20 + " ".join(other.split()[:8]))
    assert eight is not None and (eight.benchmark, len(eight.words.split())) == ("b", 8)
