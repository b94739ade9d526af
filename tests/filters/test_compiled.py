"""What words.c gives is what numpy gives, to the bit; and all works without it. The tests build it first."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.filter.make_run import write_identity, write_run
from terminal_task_gen.filters.benchmarks import BenchmarkPrompt
from terminal_task_gen.filters.compiled import LIBRARY, MAX_GRAM, SOURCE, Compiled, load_compiled
from terminal_task_gen.filters.contamination import BenchmarkScreen, build_index
from terminal_task_gen.filters.scripts import SCRIPTS, find_script
from terminal_task_gen.filters.similarity import sign
from terminal_task_gen.filters.words import (
    MAX_HASHED_BYTES,
    SAYS_ESCAPE_U,
    SAYS_FOREIGN,
    SAYS_PERSONAL,
    fold_character,
    get_compiled,
    split_by_compiled,
    split_by_numpy,
)

REPOSITORY = Path(__file__).resolve().parents[2]
ALPHABET = "abcXYZ019_ntr\\ \n.,-/@+u" * 4 + "éßñçøÅﬁ…—“”│├└→中文日本ｶﾅ한국кЖΣςאבก\u200d\ufe0f😀½②ｎｒ＼ﷺ"
COMBINING = "\u0301\u0308\u1161\u09be"


@pytest.fixture(autouse=True)
def use_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test asks for the one or the other, whatever the environment says."""
    monkeypatch.delenv("TTG_COMPILED", raising=False)
    get_compiled.cache_clear()


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    subprocess.run([sys.executable, REPOSITORY / "hatch_build.py"], check=True)
    found = load_compiled(fold_character)
    assert found is not None
    return found


def check_same(compiled: Compiled, texts: list[str], *, mask_numbers: bool = False) -> None:
    one = split_by_compiled(compiled, texts, mask_numbers=mask_numbers)
    other = split_by_numpy(texts, mask_numbers=mask_numbers)
    assert one is not None
    assert one.buffer.rstrip(b"\0") == other.buffer.rstrip(b"\0")
    for name in ("starts", "ends", "keys", "hashes", "bounds", "offsets", "lines"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert np.array_equal(one.says | other.says, other.says), "it may say less, where it knows better"


@pytest.mark.parametrize("mask_numbers", [False, True])
def test_random_texts_of_all_scripts_are_cut_alike(compiled: Compiled, mask_numbers: bool) -> None:
    dice = random.Random(3)
    for _ in range(400):
        texts = ["".join(dice.choices(ALPHABET, k=dice.randint(0, 90))) for _ in range(dice.randint(1, 5))]
        check_same(compiled, texts, mask_numbers=mask_numbers)


def test_no_text_and_very_long_words_are_cut_alike(compiled: Compiled) -> None:
    check_same(compiled, [""])
    check_same(compiled, ["", "x" * 5_000, "1" * (MAX_HASHED_BYTES + 1), "", "y" * MAX_HASHED_BYTES])


def test_every_character_is_folded_alike_or_left_to_python(compiled: Compiled) -> None:
    """One in eleven of all that there are, in a run of its own, behind a letter and behind its like."""
    characters = [chr(point) for point in range(0x80, 0x110000, 11) if not 0xD800 <= point < 0xE000]
    texts = [f"a{character}b {character}{character}1" for character in characters]
    left = 0
    for start in range(0, len(texts), 100):
        some = texts[start : start + 100]
        if split_by_compiled(compiled, some, mask_numbers=False) is None:
            some = [text for text in some if split_by_compiled(compiled, [text], mask_numbers=False) is not None]
            left += len(texts[start : start + 100]) - len(some)
        check_same(compiled, some)
    assert 150 < left < 350, "marks and vowel signs"


def test_texts_that_grow_beyond_their_room_are_left_to_python(compiled: Compiled) -> None:
    """One character that folds to thirty bytes takes the room of what follows it."""
    assert split_by_compiled(compiled, ["ﷺ" * 100 + "a" * 2_000], mask_numbers=False) is None
    assert split_by_compiled(compiled, ["ﷺ" * 100, "a" * 2_000, "b"], mask_numbers=False) is None
    check_same(compiled, ["ﷺ" * 100 + "a" * 4_000])


def test_what_joins_with_a_letter_before_it_is_left_to_python(compiled: Compiled) -> None:
    for mark in COMBINING:
        assert split_by_compiled(compiled, ["plain", f"e{mark}"], mask_numbers=False) is None


def test_texts_say_what_they_may_hold(compiled: Compiled) -> None:
    texts = ["plain", "a@b", "1+1", "an \\u4e2d", "é", "a\nb\\nc\\\\n", *(ranges[0] for ranges in SCRIPTS.values())]
    batch = split_by_compiled(compiled, texts, mask_numbers=False)
    assert batch is not None
    wanted = [0, SAYS_PERSONAL, SAYS_PERSONAL, SAYS_ESCAPE_U, SAYS_FOREIGN, 0]
    assert batch.says.tolist() == [*wanted, *(SAYS_FOREIGN | find_script(r[0]) for r in SCRIPTS.values())]
    assert batch.lines.tolist()[:6] == [0, 0, 0, 0, 0, 3]
    assert len({find_script(ranges[0]) for ranges in SCRIPTS.values()}) == len(SCRIPTS)


def test_runs_signatures_and_overlaps_are_alike(compiled: Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(5)
    words = [f"w{number}" for number in range(400)]
    prompts = [" ".join(dice.choices(words, k=60)) for _ in range(20)]
    texts = [" ".join(dice.choices(words, k=dice.randint(0, 700))) for _ in range(40)]
    texts = [f"{text} {dice.choice(prompts)[20:160]}" for text in texts]
    index = build_index([BenchmarkPrompt(benchmark="b", entry=str(n), text=t) for n, t in enumerate(prompts)], ngram=14)

    def look() -> list[object]:
        batch = split_by_numpy(texts)
        signed = sign(batch, [0, 3, 3, 20, len(texts)])
        grams = [batch.hash_grams(size).tolist() for size in (1, 2, 3, 5, 13, 14, 31, 32, MAX_GRAM)]
        found = BenchmarkScreen((index,)).find_in_turns(batch, texts)
        return [grams, signed.slots.tolist(), signed.bands.tolist(), found]

    assert get_compiled() is not None
    with_it = look()
    monkeypatch.setenv("TTG_COMPILED", "0")
    get_compiled.cache_clear()
    assert get_compiled() is None
    assert look() == with_it
    assert len(with_it[-1]) == len(texts)  # type: ignore[arg-type]


def test_a_library_of_other_source_or_none_is_not_used(tmp_path: Path) -> None:
    other = tmp_path / "other.so"
    subprocess.run(["cc", "-shared", "-fPIC", '-DTTG_SOURCE="0"', "-o", other, SOURCE], check=True)
    assert load_compiled(fold_character, other) is None
    assert load_compiled(fold_character, tmp_path / "missing.so") is None
    damaged = tmp_path / "damaged.so"
    damaged.write_text("no library")
    assert load_compiled(fold_character, damaged) is None


def test_a_corpus_has_the_same_bytes_without_it(tmp_path: Path, compiled: Compiled) -> None:
    run = tmp_path / "run"
    write_run(run, 300, "Do this: {}")
    write_identity(run)
    corpora = []
    for value in ("1", "0"):
        command = [
            sys.executable,
            "-m",
            "terminal_task_gen",
            "filter",
            str(run),
            "--benchmark",
            f"{run}/benchmark.jsonl",
        ]
        env = {**os.environ, "TTG_COMPILED": value, "PYTHONPATH": str(REPOSITORY)}
        subprocess.run(command, check=True, env=env, capture_output=True)
        files = sorted(path for path in (run / "corpus").rglob("*") if path.is_file())
        corpora.append({path.relative_to(run): path.read_bytes() for path in files})
    assert corpora[0] == corpora[1]
    assert any(b'"benchmark_ngram_in_turns"' in content for content in corpora[0].values())
    assert LIBRARY.is_file()
