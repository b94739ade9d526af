"""The cut of long output: exact bytes, true numbers, no broken characters."""

from __future__ import annotations

import random

import pytest

from terminal_task_gen.rollout.observation import cut_middle, render_output


def test_headings() -> None:
    assert render_output("new", "ls\n", max_bytes=10_000) == "New Terminal Output:\nls\n"
    assert render_output("screen", "$ ", max_bytes=10_000) == "Current Terminal Screen:\n$ "


def test_text_at_the_limit_is_whole() -> None:
    assert cut_middle("x" * 10_000, max_bytes=10_000) == "x" * 10_000


def test_text_over_the_limit_keeps_both_halves() -> None:
    text = "a" * 6_000 + "b" * 6_000
    marker = "\n[... output limited to 10000 bytes; 2000 interior bytes omitted ...]\n"
    assert cut_middle(text, max_bytes=10_000) == "a" * 5_000 + marker + "b" * 5_000


def test_the_heading_counts_towards_the_limit() -> None:
    shown = render_output("new", "x" * 10_000, max_bytes=10_000)
    assert shown.startswith("New Terminal Output:\n" + "x" * (5_000 - 21) + "\n[... output limited")
    assert "; 21 interior bytes omitted ...]" in shown


@pytest.mark.parametrize("character", ["é", "中", "😀"])
def test_a_character_split_by_the_cut_is_dropped_and_counted(character: str) -> None:
    size = len(character.encode())
    text = "x" + character * 5_000
    shown = cut_middle(text, max_bytes=10_000)
    head, marker, tail = shown.partition("\n[... output limited to 10000 bytes; ")
    omitted, _, tail = tail.partition(" interior bytes omitted ...]\n")
    assert marker
    assert set(head[1:]) | set(tail) == {character}
    assert 5_000 - size < len(tail.encode()) <= 5_000
    assert int(omitted) == len(text.encode()) - len(head.encode()) - len(tail.encode())


def test_any_text_is_cut_to_the_limit_and_stays_text() -> None:
    rng = random.Random(7)
    for _ in range(300):
        text = "".join(rng.choice("a\né中😀") for _ in range(rng.randint(0, 3_000)))
        shown = cut_middle(text, max_bytes=1_000)
        assert (shown == text) == (len(text.encode()) <= 1_000)
        assert len(shown.encode()) <= 1_000 + 100


def test_half_characters_from_elsewhere_do_not_break_the_cut() -> None:
    assert len(cut_middle("\ud800" * 5_000, max_bytes=1_000)) < 1_100
