"""What an actor can lay eyes on: the instruction and every file, archives and compressed files opened.

A text knows its numbers in every notation people write (1,234.5 and 1.234,5 and 1 234.5; 14.2 % is also 0.142), since a
leaked value need not be written as the tests write it. Opening is bounded in depth and size; what cannot be opened is
read as it lies there.
"""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import pickletools
import re
import sqlite3
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from terminal_task_gen.generate.expected_values import ExpectedValue, count_digits
from terminal_task_gen.task import TaskFile

MAX_OPENED_BYTES = 4_000_000
MAX_DEPTH = 3
MIN_ROUNDED_DIGITS = 4
"""A value told with fewer digits says too little of the one expected."""

_NUMBER = re.compile(r"(?<![\w.])\d[\d,_]*(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w])")
_OTHER_NUMBER = re.compile(r"(?<![\w.,])(?:\d{1,3}(?:[.' \u00a0\u202f]\d{3})+(?:[.,]\d+)?|\d+,\d+)(?![\w])")
_PERCENT = re.compile(r"(?<![\w.])(\d[\d,]*(?:\.\d+)?)\s?(?:%|per ?cent)")
_PACKED: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", lambda raw: gzip.GzipFile(fileobj=io.BytesIO(raw)).read(MAX_OPENED_BYTES)),
    (b"BZh", lambda raw: bz2.BZ2Decompressor().decompress(raw, MAX_OPENED_BYTES)),
    (b"\xfd7zXZ\x00", lambda raw: lzma.LZMADecompressor().decompress(raw, MAX_OPENED_BYTES)),
    (b"x\x9c", lambda raw: zlib.decompressobj().decompress(raw, MAX_OPENED_BYTES)),
)
_BROKEN = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
)


@dataclass(frozen=True)
class ShownText:
    """One text before the actor's eyes."""

    where: str
    """`the instruction`, a path, or `path!member` for what lies in an archive."""
    text: str
    raw: bytes = b""
    """Of a binary file, in which numbers lie as eight bytes."""

    @functools.cached_property
    def numbers(self) -> tuple[float, ...]:
        """As written with a decimal point, in order."""
        return tuple(float(match.replace(",", "").replace("_", "")) for match in _NUMBER.findall(self.text))

    @functools.cached_property
    def all_numbers(self) -> frozenset[float]:
        """In any notation."""
        other = (_read_other(match) for match in _OTHER_NUMBER.findall(self.text))
        percents = (round(float(match.replace(",", "")) / 100, 12) for match in _PERCENT.findall(self.text))
        return frozenset((*self.numbers, *other, *percents))

    def holds(self, value: str | float) -> bool:
        if isinstance(value, str):
            return value in self.text
        return abs(value) in self.all_numbers or self._holds_binary(value)

    def holds_rounded(self, value: str | float) -> bool:
        """A number cut to fewer digits, yet to enough of them to be this one and no other."""
        if isinstance(value, str) or float(value).is_integer():
            return False
        return any(
            count_digits(told) >= MIN_ROUNDED_DIGITS
            and round(abs(value), _count_decimals(told)) == told
            and not told.is_integer()
            for told in self.all_numbers
        )

    def _holds_binary(self, value: float) -> bool:
        if b"\0" not in self.raw or float(value).is_integer():
            return False
        return any(struct.pack(f"{order}d", value) in self.raw for order in "<>")


def read_instruction(text: str) -> ShownText:
    return ShownText("the instruction", text)


def read_file(file: TaskFile) -> list[ShownText]:
    """The file, its name in front, and whatever it holds packed."""
    return [ShownText(where, f"{where}\n{_decode(raw)}", raw) for where, raw in _open(file.path, file.to_bytes(), 0)]


def list_told(text: ShownText, expected: list[ExpectedValue]) -> list[ExpectedValue]:
    return [one for one in expected if text.holds(one.value)]


def _open(where: str, raw: bytes, depth: int) -> Iterator[tuple[str, bytes]]:
    yield where, raw
    if depth == MAX_DEPTH:
        return
    try:
        if raw.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                members = [(name, archive.open(name).read(MAX_OPENED_BYTES)) for name in archive.namelist()]
        elif raw[257:262] == b"ustar":
            with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
                streams = [(member.name, tar.extractfile(member)) for member in tar.getmembers() if member.isfile()]
                members = [(name, stream.read(MAX_OPENED_BYTES)) for name, stream in streams if stream is not None]
        elif raw.startswith(b"SQLite format 3\0"):
            members = [("rows", _dump_database(raw))]
        elif raw.startswith(b"\x80"):
            members = [("pickle", "\n".join(str(a) for _, a, _ in pickletools.genops(raw) if a is not None).encode())]
        else:
            unpack = next((unpack for magic, unpack in _PACKED if raw.startswith(magic)), None)
            members = [] if unpack is None else [("content", unpack(raw))]
    except (*_BROKEN, zipfile.BadZipFile):
        return
    for name, content in members:
        yield from _open(f"{where}!{name}", content, depth + 1)


def _dump_database(raw: bytes) -> bytes:
    database = sqlite3.connect(":memory:")
    try:
        database.deserialize(raw)
        return "\n".join(database.iterdump()).encode(errors="replace")
    finally:
        database.close()


def _decode(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    # Two-byte text without a mark, and strings in binaries.
    return raw.replace(b"\0", b"").decode(errors="replace") if b"\0" in raw else raw.decode(errors="replace")


def _read_other(text: str) -> float:
    """1.234,5 and 1'234.5 and 12,5: the last separator is the decimal one unless it groups by three like the others."""
    grouped = re.fullmatch(r"(\d{1,3}(?:[.' \u00a0\u202f]\d{3})+)(?:[.,](\d+))?", text)
    whole, decimals = (grouped[1], grouped[2]) if grouped else text.split(",")
    return float(f"{re.sub(r'[^0-9]', '', whole)}.{decimals or 0}")


def _count_decimals(number: float) -> int:
    _, _, decimals = f"{number:.12f}".rstrip("0").partition(".")
    return len(decimals)
