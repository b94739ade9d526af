"""The words of many texts at once, hashed: what contamination, near-duplicates and triggers all read.

Normalisation: Unicode NFKC, casefold; words are runs of `\\w` (letters, digits, underscore), all else separates; an
ideograph and a kana are a word each, as Chinese and Japanese put no spaces; the escapes `\\n`, `\\t`, `\\r` separate
as the breaks do that they stand for in a JSON reply. Nothing is stemmed or left out; with `mask_numbers` all words of
digits alone are one word.

Texts are joined into one buffer and cut by numpy: the cost is a few passes over bytes, not a Python object a word. A
word is its 64-bit hash, the same on every machine; the words themselves are read back from the buffer where needed.
Where the package was compiled (compiled.py), that cuts instead, in a quarter of the time, with the same outcome.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from terminal_task_gen.filters.compiled import MAX_GRAM, Compiled, load_compiled
from terminal_task_gen.filters.scripts import ALL_SCRIPTS

U64 = NDArray[np.uint64]
Positions = NDArray[np.int64]

MAX_HASHED_BYTES = 128
"""Longer words are hashed one by one."""

_LOWER = bytes(range(256)).lower()
_IN_WORD = bytes(1 if byte >= 0x80 or chr(byte).isalnum() or byte == 0x5F else 0 for byte in range(256))
_BACKSLASH = 0x5C
_OPENED = np.isin(np.arange(256), np.frombuffer(b"ntr", dtype=np.uint8))
_FOREIGN = re.compile(r"[^\x00-\x7f]+")
_NOT_WORD = re.compile(r"\W+")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af]")
_SMEAR = tuple(np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_KEEP = np.array([(1 << 8 * size) - 1 for size in range(9)], dtype=np.uint64)
_NUMBER = np.uint64(0x6E756D626572)

SAYS_FOREIGN, SAYS_ESCAPE_U, SAYS_PERSONAL = 1 << 16, 1 << 17, 1 << 18
"""Bits of what a text may hold: characters beyond ASCII; `\\u`; `@` or `+`. Below them the bits of scripts.py."""


@dataclass(frozen=True)
class WordBatch:
    """Words of several texts, in order."""

    buffer: bytes
    """The normalised texts, one line break between them."""
    starts: Positions
    """Byte in the buffer at which each word begins."""
    ends: Positions
    keys: U64
    """The eight bytes of the buffer from each word's first on, lowest first."""
    hashes: U64
    bounds: Positions
    """Text → its first word; one more at the end."""
    offsets: Positions
    """Text → its first byte; one more at the end."""
    says: NDArray[np.uint32]
    """Text → bits of what it may hold (SAYS_*, scripts); a bit too many costs time only."""
    lines: NDArray[np.int32]
    """Text → its line breaks, written out or as `\\n`."""

    def join(self, first: int, count: int) -> str:
        """`count` words from word `first` on, one space between them."""
        spans = zip(self.starts[first : first + count], self.ends[first : first + count], strict=True)
        return b" ".join(self.buffer[start:end] for start, end in spans).decode()

    def find_text(self, word: int) -> int:
        """Number of the text that word belongs to."""
        return int(np.searchsorted(self.bounds, word, side="right")) - 1

    def read_text(self, text: int) -> bytes:
        """A text as it was normalised."""
        return self.buffer[int(self.offsets[text]) : int(self.offsets[text + 1]) - 1]

    def hash_grams(self, size: int) -> U64:
        """Hash of the `size` words from each word on; those that run over a text's end are in it too (`fits`)."""
        compiled = get_compiled()
        if compiled is not None and size <= MAX_GRAM:
            return compiled.roll(self.hashes, size)
        return _roll(self._doubled, size)

    def fits(self, size: int) -> NDArray[np.bool_]:
        """Whether the `size` words from each word on stand in one text."""
        last = np.repeat(self.bounds[1:], np.diff(self.bounds))
        return np.asarray(np.arange(len(self.hashes)) + size <= last)

    @cached_property
    def _doubled(self) -> list[U64]:
        return [self.hashes]


def split_texts(texts: Sequence[str], *, mask_numbers: bool = False) -> WordBatch:
    """Cut texts into words."""
    compiled = get_compiled()
    batch = split_by_compiled(compiled, texts, mask_numbers=mask_numbers) if compiled is not None else None
    return batch if batch is not None else split_by_numpy(texts, mask_numbers=mask_numbers)


def split_by_numpy(texts: Sequence[str], *, mask_numbers: bool = False) -> WordBatch:
    """The same without compiled code."""
    joined, offsets = _fold_all(texts)
    buffer = _open_all(joined).translate(_LOWER)
    edges = _find_edges(np.frombuffer(buffer.translate(_IN_WORD), dtype=np.uint8))
    starts, ends = edges[0::2], edges[1::2]
    keys = gather_keys(buffer, starts)
    hashes = _hash_words(buffer, starts, ends, keys)
    if mask_numbers:
        hashes[_find_numbers(buffer, starts, ends)] = _NUMBER
    says = np.array([_look(text) for text in texts], dtype=np.uint32)
    lines = np.array([text.count("\n") + text.count("\\n") for text in texts], dtype=np.int32)
    return WordBatch(buffer, starts, ends, keys, hashes, np.searchsorted(starts, offsets), offsets, says, lines)


@cache
def get_compiled() -> Compiled | None:
    """The compiled form of all this, where there is one."""
    return load_compiled(fold_character)


def split_by_compiled(compiled: Compiled, texts: Sequence[str], *, mask_numbers: bool) -> WordBatch | None:
    """The same with it; None for texts that only Python can fold."""
    cut = compiled.cut(texts)
    if cut is None:
        return None
    keys, hashes = compiled.hash_words(cut.buffer, cut.edges, max_bytes=MAX_HASHED_BYTES, mask_numbers=mask_numbers)
    starts, ends = np.ascontiguousarray(cut.edges[0::2]), np.ascontiguousarray(cut.edges[1::2])
    long = np.flatnonzero(ends - starts > MAX_HASHED_BYTES)
    if len(long):
        _hash_long(long[hashes[long] != _NUMBER] if mask_numbers else long, cut.buffer, starts, ends, hashes)
    bounds = np.searchsorted(starts, cut.offsets)
    return WordBatch(cut.buffer, starts, ends, keys, hashes, bounds, cut.offsets, cut.says, cut.lines)


def _look(text: str) -> int:
    foreign = 0 if text.isascii() else SAYS_FOREIGN | ALL_SCRIPTS
    personal = SAYS_PERSONAL if "@" in text or "+" in text else 0
    return foreign | personal | (SAYS_ESCAPE_U if "\\u" in text else 0)


def fold_character(character: str) -> bytes:
    """One beyond ASCII that nothing before it changes; a byte 1 for what separates, as runs of that are one blank."""
    return _fold_whole(character, gap="\x01").encode()


def split_words(text: str) -> list[str]:
    """Normalised words in order."""
    batch = split_texts([text])
    return [batch.join(word, 1) for word in range(len(batch.hashes))]


def normalise(text: str) -> bytes:
    """UTF-8 in which every byte from 0x80 belongs to a word; ASCII letters keep their case."""
    return _open_all((text.encode() if text.isascii() else _fold_foreign(text)) + b"\n")[:-1]


def _fold_all(texts: Sequence[str]) -> tuple[bytes, Positions]:
    """The texts, folded, a line break after each; and where each begins, and the end."""
    parts = [text.encode() for text in texts]
    joined = b"\n".join([*parts, b""])
    offsets = _find_offsets(parts)
    if joined.isascii():
        return joined, offsets
    edges = _find_edges((np.frombuffer(joined, dtype=np.uint8) >= 0x80).view(np.uint8))
    pieces: list[bytes] = []
    grown = [0]
    at = total = 0
    for start, end in zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True):
        folded = _fold(joined[start:end])
        if folded is None:
            parts = [_fold_foreign(text) for text in texts]
            return b"\n".join([*parts, b""]), _find_offsets(parts)
        pieces += (joined[at:start], folded)
        total += len(folded) - (end - start)
        grown.append(total)
        at = end
    pieces.append(joined[at:])
    return b"".join(pieces), offsets + np.array(grown, dtype=np.int64)[np.searchsorted(edges[0::2], offsets)]


def _find_offsets(parts: Sequence[bytes]) -> Positions:
    return np.cumsum([0, *(len(part) + 1 for part in parts)], dtype=np.int64)


def _find_edges(inside: NDArray[np.uint8]) -> Positions:
    """Where runs of ones begin and end, by turns; the last byte must be 0."""
    changes = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    return np.concatenate((np.zeros(1, dtype=np.int64), changes)) if len(inside) and inside[0] else changes


def _fold_foreign(text: str) -> bytes:
    """One text by itself. A combining mark belongs to the ASCII letter before its run: such a text is folded whole."""
    runs = [_fold(found[0].encode()) for found in _FOREIGN.finditer(text)]
    if None in runs:
        return _fold_whole(open_escapes(text)).encode()
    folded = iter(runs)
    return _FOREIGN.sub(lambda _: (next(folded) or b"").decode(), text).encode()


def _open_all(text: bytes) -> bytes:
    """As open_escapes; a text must end with a line break."""
    opened = bytearray(text)
    array = np.frombuffer(opened, dtype=np.uint8)
    slashes = np.flatnonzero(array == _BACKSLASH)
    escapes = slashes[_OPENED[array[slashes + 1]]]
    array[escapes] = array[escapes + 1] = 0x20
    return bytes(opened)


def gather_keys(buffer: bytes, starts: Positions) -> U64:
    """The eight bytes from each place on, first byte lowest; zeros past the end."""
    whole = np.frombuffer(buffer + bytes(16 - len(buffer) % 8), dtype="<u8")
    shifts = ((starts & 7) << 3).astype(np.uint64)
    places = starts >> 3
    return np.asarray((whole[places] >> shifts) | (whole[places + 1] << np.uint64(1) << (np.uint64(63) - shifts)))


def open_escapes(text: str) -> str:
    """Escaped line breaks and tabs, of which the strings of a JSON reply are full, as blanks; offsets stay."""
    return text.replace("\\n", "  ").replace("\\t", "  ").replace("\\r", "  ")


@lru_cache(maxsize=1 << 16)
def _fold(run: bytes) -> bytes | None:
    """A run of characters beyond ASCII, which NFKC and casefold treat alike within and without their text.

    None where it opens with a combining mark, which is not so.
    """
    text = run.decode()
    return None if unicodedata.combining(text[0]) else _fold_whole(text).encode()


def _fold_whole(run: str, gap: str = " ") -> str:
    folded = _NOT_WORD.sub(gap, unicodedata.normalize("NFKC", run).casefold())
    return _UNSPACED.sub(lambda found: f" {found[0]} ", folded)


def _hash_words(buffer: bytes, starts: Positions, ends: Positions, keys: U64) -> U64:
    sizes = ends - starts
    hashes = _smear(keys & _KEEP[np.minimum(sizes, 8)], sizes.astype(np.uint64))
    rest = np.flatnonzero(sizes > 8)
    done = 8
    while len(rest) and done < MAX_HASHED_BYTES:
        more = gather_keys(buffer, starts[rest] + done) & _KEEP[np.minimum(sizes[rest] - done, 8)]
        hashes[rest] = _smear(more, hashes[rest])
        done += 8
        rest = rest[sizes[rest] > done]
    _hash_long(rest, buffer, starts, ends, hashes)
    return hashes


def _hash_long(words: Positions, buffer: bytes, starts: Positions, ends: Positions, hashes: U64) -> None:
    for word in words.tolist():
        digest = hashlib.blake2b(buffer[starts[word] : ends[word]], digest_size=8).digest()
        hashes[word] = int.from_bytes(digest, "little")


def _smear(values: U64, seeds: U64) -> U64:
    mixed = seeds * _SMEAR[0]
    mixed ^= values
    mixed *= _SMEAR[1]
    mixed ^= mixed >> np.uint64(31)
    mixed *= _SMEAR[2]
    mixed ^= mixed >> np.uint64(29)
    return mixed


def _roll(doubled: list[U64], size: int) -> U64:
    """Combine runs of 1, 2, 4, 8 … words into runs of `size`; `doubled` keeps those made before."""
    count = len(doubled[0]) - size + 1
    if count <= 0:
        return np.empty(0, dtype=np.uint64)
    while 1 << len(doubled) <= size:
        last, step = doubled[-1], 1 << (len(doubled) - 1)
        doubled.append(_combine(last[:-step], last[step:]))
    total: U64 | None = None
    at = 0
    for power in reversed(range(size.bit_length())):
        if size >> power & 1:
            part = doubled[power][at : at + count]
            total = part if total is None else _combine(total, part)
            at += 1 << power
    assert total is not None
    total = total * _SMEAR[0]
    total ^= np.uint64(size)
    return total


def _combine(left: U64, right: U64) -> U64:
    mixed = left >> np.uint64(32)
    mixed ^= left
    mixed *= _SMEAR[1]
    mixed += right
    mixed *= _SMEAR[2]
    return mixed


def _find_numbers(buffer: bytes, starts: Positions, ends: Positions) -> NDArray[np.bool_]:
    digits = np.frombuffer(buffer, dtype=np.uint8)
    are_digits = ((digits >= 0x30) & (digits <= 0x39)).astype(np.int64)
    counts: Positions = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(are_digits)))
    digits_in = counts[ends] - counts[starts]
    return np.asarray(digits_in == ends - starts)
