"""The compiled form of what costs most in filtering (words.c), where the package was built with a C compiler at hand.

Optional: without it numpy gives the same results, to the bit, in several times the time. `TTG_COMPILED=0` turns it off.
A library is used only where it was made from the words.c that lies beside it.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from terminal_task_gen.filters.scripts import find_script

SOURCE = Path(__file__).with_name("words.c")
LIBRARY = Path(__file__).with_name("_words.so")
MAX_GRAM = 64

_CODE_POINTS = 0x110000
_FOLDS_BYTES = 1 << 23
"""Enough for all characters; the system gives memory for those that occur."""
_ASK_PYTHON = 1
"""Place of the entry of characters that cannot be folded by themselves."""
_HARD = 255
_FOLD_WHOLE = -1
_ROOM = 64
# Of no combining class, yet composed with what stands before: vowel signs (which are marks), Hangul vowels and finals.
_COMPOSED = ((0x1160, 0x11FF), (0xD7B0, 0xD7FF), (0x16D40, 0x16D7F))
_SELECTORS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))

U64 = NDArray[np.uint64]
Positions = NDArray[np.int64]
Folder = Callable[[str], bytes]
"""A character → its bytes, NOT_WORD for each run of what separates."""


class CutTexts(NamedTuple):
    """As WordBatch has them."""

    buffer: bytes
    edges: Positions
    """Where words begin and end, by turns."""
    offsets: Positions
    says: NDArray[np.uint32]
    lines: NDArray[np.int32]


class Compiled:
    """The library, and what it has been told of characters so far. For any number of threads."""

    def __init__(self, library: ctypes.CDLL, fold: Folder) -> None:
        self._library = library
        self._fold = fold
        self._places = np.zeros(_CODE_POINTS, dtype=np.int32)
        self._scripts = np.zeros(_CODE_POINTS, dtype=np.uint16)
        self._folds = np.zeros(_FOLDS_BYTES, dtype=np.uint8)  # never moved: other threads may be reading it
        self._folds[_ASK_PYTHON] = _HARD
        self._folds_end = _ASK_PYTHON + 1
        self._learning = Lock()
        library.ttg_prepare()
        for counting in (library.ttg_fold, library.ttg_cut, library.ttg_pass):
            counting.restype = ctypes.c_int64

    def cut(self, texts: Sequence[str]) -> CutTexts | None:
        """None for texts in which some character cannot be folded by itself."""
        parts = [text.encode() for text in texts]
        joined = b"\n".join([*parts, bytes(16)])
        text_ends = np.cumsum([len(part) + 1 for part in parts], dtype=np.int64) - 1
        capacity = len(joined) * 2 + _ROOM
        out = np.empty(capacity + _ROOM, dtype=np.uint8)
        offsets = np.empty(len(parts) + 1, dtype=np.int64)
        says, lines = np.empty(len(parts), dtype=np.uint32), np.empty(len(parts), dtype=np.int32)
        while True:
            size = self._library.ttg_fold(
                joined, _at(text_ends), _count(len(parts)), _at(self._places), _at(self._folds), _at(self._scripts),
                _at(out), _count(capacity), _at(offsets), _at(says), _at(lines),
            )  # fmt: skip
            if size >= 0:
                break
            if size == _FOLD_WHOLE:
                return None
            self._learn(texts)
        edges = np.empty(size + 2, dtype=np.int64)
        count = self._library.ttg_cut(_at(out), _count(size), _at(edges))
        return CutTexts(out[: size + 8].tobytes(), edges[:count], offsets, says, lines)

    def hash_words(self, buffer: bytes, edges: Positions, *, max_bytes: int, mask_numbers: bool) -> tuple[U64, U64]:
        """Keys and hashes; those of words beyond `max_bytes` are not to be used. `buffer` has eight bytes to spare."""
        count = len(edges) // 2
        keys, hashes = (np.empty(count, dtype=np.uint64) for _ in "ab")
        self._library.ttg_hash(
            buffer, _at(edges), _count(count), _count(max_bytes), int(mask_numbers), _at(keys), _at(hashes)
        )
        return keys, hashes

    def roll(self, hashes: U64, size: int) -> U64:
        """Hash of the `size` words from each word on; `size` is at most MAX_GRAM."""
        grams = np.empty(max(0, len(hashes) - size + 1), dtype=np.uint64)
        self._library.ttg_roll(_at(hashes), _count(len(grams)), size, _at(grams))
        return grams

    def pass_gate(self, hashes: U64, size: int, packed_gate: NDArray[np.uint8], bits: int) -> tuple[Positions, U64]:
        """Words from which a run of `size` passes the gate (contamination.py), and the run's hash."""
        count = max(0, len(hashes) - size + 1)
        passed, grams = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.uint64)
        found = self._library.ttg_pass(
            _at(hashes), _count(count), size, _at(packed_gate), bits, _at(passed), _at(grams)
        )
        return passed[:found], grams[:found]

    def find_least(
        self, hashes: U64, first_words: Positions, *, shingle: int, slots: int, empty: int
    ) -> NDArray[np.uint32]:
        """Document x slot: the least shingle that fell into it."""
        count = len(first_words) - 1
        least = np.full((count, slots), empty, dtype=np.uint32)
        firsts = np.ascontiguousarray(first_words)
        self._library.ttg_least(_at(hashes), _at(firsts), _count(count), shingle, _count(slots), _at(least))
        return least

    def _learn(self, texts: Sequence[str]) -> None:
        with self._learning:
            for character in set().union(*texts):
                if not character.isascii() and not self._places[ord(character)]:
                    self._scripts[ord(character)] = find_script(character)
                    self._places[ord(character)] = self._add_fold(character)

    def _add_fold(self, character: str) -> int:
        """Place of the character's entry."""
        folded = b"" if _needs_what_stands_before(character) else self._fold(character)
        place, end = self._folds_end, self._folds_end + 1 + len(folded)
        if not 0 < len(folded) < _HARD or end > _FOLDS_BYTES:
            return _ASK_PYTHON
        self._folds[place:end] = np.frombuffer(bytes([len(folded)]) + folded, dtype=np.uint8)
        self._folds_end = end
        return place


def load_compiled(fold: Folder, path: Path = LIBRARY) -> Compiled | None:
    """None where there is no library, where it is not of this source, or where it is turned off."""
    if os.environ.get("TTG_COMPILED") == "0":
        return None
    try:
        library = ctypes.CDLL(str(path))
        library.ttg_source.restype = ctypes.c_char_p
        same = library.ttg_source() == digest_source().encode()
    except (OSError, AttributeError):
        return None
    return Compiled(library, fold) if same else None


def digest_source() -> str:
    """What a library must say that it was made from."""
    return hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]


def _needs_what_stands_before(character: str) -> bool:
    """Whether NFKC may join or reorder it with a character before it."""
    first = unicodedata.normalize("NFKD", character)[:1]
    if unicodedata.combining(first) or _is_within(first, _COMPOSED):
        return True
    return unicodedata.category(first) in ("Mn", "Mc") and not _is_within(first, _SELECTORS)


def _is_within(character: str, ranges: Sequence[tuple[int, int]]) -> bool:
    return any(low <= ord(character) <= high for low, high in ranges)


def _at(array: NDArray[np.generic]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _count(number: int) -> ctypes.c_int64:
    return ctypes.c_int64(number)
