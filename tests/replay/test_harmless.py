"""Untrusted text in a terminal: what is made visible, what a recording may draw, what is swallowed."""

from __future__ import annotations

import pytest

from terminal_task_gen.harmless import DrawingFilter, make_harmless

DRAWN = [
    "plain text ünïcödé 漢字\r\n\ttab\b",
    "\x1b[1;31mred\x1b[0m",
    "\x1b[38;2;1;2;3mtrue colour\x1b[38:5:9m",
    "\x1b[2J\x1b[H\x1b[10;20H\x1b[K\x1b[1A\x1b[3B\x1b[2C\x1b[D",
    "\x1b[2;20r\x1b[L\x1b[M\x1b[3P\x1b[4@\x1b[5X\x1b[S\x1b[T",
    "\x1b[?1049h\x1b[?25l\x1b[?7h\x1b[?1l",
    "\x1b(0lqk\x1b(B\x1b7\x1b8\x1bM\x1bD\x1bE",
]
SWALLOWED = {
    "title": "\x1b]0;gotcha\x07",
    "title ended by ST": "\x1b]2;gotcha\x1b\\",
    "clipboard": "\x1b]52;c;cm0gLXJmIC8=\x07",
    "hyperlink": "\x1b]8;;http://127.0.0.1/\x1b\\",
    "palette": "\x1b]4;1;rgb:00/00/00\x07",
    "our own marks": "\x1b]133;B;0\x07",
    "device string": "\x1bP$qm\x1b\\",
    "kitty graphics": "\x1b_Gf=100;AAAA\x1b\\",
    "privacy message": "\x1b^secret\x1b\\",
    "string with a BEL-less end": "\x1bXabc\x1b\\",
    "where is the cursor": "\x1b[6n",
    "who are you": "\x1b[c\x1b[>c\x1b[=c",
    "window operations": "\x1b[21t\x1b[8;1;1t",
    "mouse": "\x1b[?1000h\x1b[?1003h\x1b[?1006h",
    "paste and focus": "\x1b[?2004h\x1b[?1004h",
    "modify keys": "\x1b[>4;2m",
    "full reset": "\x1bc",
    "soft reset": "\x1b[!p",
    "bell": "\x07",
    "enquiry": "\x05",
    "C1 controls": "\x9b\x9d\x9c",
    "bidirectional override": "‮⁦",
    "print the screen": "\x1b[5i",
    "media": "\x1b#8",
}


@pytest.mark.parametrize("text", DRAWN)
def test_what_draws_is_let_through(text: str) -> None:
    assert DrawingFilter(24).feed(text) == text


@pytest.mark.parametrize("name", SWALLOWED)
def test_what_does_not_draw_is_swallowed_and_ends_where_it_ends(name: str) -> None:
    assert DrawingFilter(24).feed(f"before{SWALLOWED[name]}after") == "beforeafter"


@pytest.mark.parametrize("text", [*DRAWN, *SWALLOWED.values()])
def test_a_sequence_may_come_in_pieces(text: str) -> None:
    whole, pieces = DrawingFilter(24), DrawingFilter(24)
    text = f"a{text}b"
    assert "".join(pieces.feed(character) for character in text) == whole.feed(text)


def test_a_mixed_mode_keeps_what_is_allowed() -> None:
    assert DrawingFilter(24).feed("\x1b[?1000;25;2004h") == "\x1b[?25h"


def test_a_reset_scroll_region_is_that_of_the_recording() -> None:
    assert DrawingFilter(40).feed("\x1b[r") == "\x1b[1;40r"


def test_an_endless_sequence_does_not_swallow_the_rest() -> None:
    assert DrawingFilter(24).feed("\x1b[" + "1" * 500 + "x end").endswith(" end")


def test_a_broken_string_ends_at_cancel() -> None:
    assert DrawingFilter(24).feed("\x1b]52;c;AAAA\x18after") == "after"


@pytest.mark.parametrize("text", [*DRAWN, *SWALLOWED.values()])
def test_harmless_text_holds_nothing_that_a_terminal_acts_on(text: str) -> None:
    shown = make_harmless(text)
    assert all(character in "\n\t" or character.isprintable() for character in shown)


def test_harmless_text_says_what_was_there() -> None:
    assert make_harmless("a\x1b[0m\x7f‮b\r\nc\td") == "a␛[0m␡‹U+202E›b\nc\td"
