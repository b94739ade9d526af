"""The words of the full-text index, and what a search asks for.

A word is a run of letters and digits, in lower case. The index holds which words occur in a row, not where: it stays
small, and a phrase is checked in the rows themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_TEXT_CHARACTERS = 4_000_000
"""Of one row; what lies beyond is not found by a search."""
MAX_QUERY_TERMS = 16

_WORD = re.compile(r"[^\W_]+")
_TERM = re.compile(r'(-?)(?:"([^"]*)"?|(\S+))')
_TO_WORDS = bytes(code if chr(code).isalnum() and code < 128 else 32 for code in range(256)).lower()


def flatten_words(texts: Iterable[str]) -> str:
    """The words of the texts in lower case, parted by spaces; escapes of JSON strings end a word.

    Each as often as it occurs: that FTS5 counts it once costs less than a set of Python's would.
    """
    plain: list[str] = []
    others: list[str] = []
    left = MAX_TEXT_CHARACTERS
    for text in texts:
        piece = text if len(text) <= left else text[:left]
        left -= len(piece)
        if piece.isascii():
            plain.append(piece)
        else:
            others += _WORD.findall(_end_words(piece).lower())
    # All at once: a row has many short texts.
    others.append(_end_words(" ".join(plain)).encode("ascii").translate(_TO_WORDS).decode("ascii"))
    return " ".join(others)


def _end_words(text: str) -> str:
    return text.replace("\\n", " ").replace("\\t", " ")


@dataclass(frozen=True)
class Term:
    """One thing that must (or, `absent`, must not) occur."""

    words: tuple[str, ...]
    absent: bool = False
    prefix: bool = False
    """Of the last word."""

    @property
    def is_phrase(self) -> bool:
        return len(self.words) > 1


def read_query(text: str) -> tuple[Term, ...]:
    """`words "a phrase" pre* -not`; empty where there is no word in it."""
    terms: list[Term] = []
    for minus, phrase, word in _TERM.findall(text):
        words = tuple(_WORD.findall((phrase or word).lower()))
        if words:
            terms.append(Term(words, absent=bool(minus), prefix=word.endswith("*")))
    return tuple(terms[:MAX_QUERY_TERMS])
