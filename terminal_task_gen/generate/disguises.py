"""How a value looks when somebody hid it without removing it: backwards, rot13, hex, base64.

A digest of a value is no disguise: it lets a solver check a result, not know it.
"""

from __future__ import annotations

import base64
import codecs
from collections.abc import Iterator
from typing import NamedTuple

MIN_CHARS = 5
"""A shorter value's disguises come about by chance."""
MIN_CODED_CHARS = 6


class Disguise(NamedTuple):
    kind: str
    text: str


def list_disguises(value: str | float) -> Iterator[Disguise]:
    plain = value if isinstance(value, str) else f"{value:.15g}"
    if len(plain) < MIN_CHARS or len(set(plain)) < 3:
        return
    if plain[::-1] != plain:
        yield Disguise("backwards", plain[::-1])
    if sum(character.isalpha() for character in plain) >= MIN_CHARS:
        yield Disguise("in rot13", codecs.encode(plain, "rot13"))
    raw = plain.encode()
    yield Disguise("in hex", raw.hex())
    yield Disguise("in hex", raw.hex().upper())
    yield from (Disguise("in base64", core) for core in _list_base64_cores(raw) if len(core) >= MIN_CODED_CHARS)


def _list_base64_cores(raw: bytes) -> Iterator[str]:
    """What is the same wherever in a longer coded text the value stands."""
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + raw).decode()
        # The first characters hold bits of what stands before, the last ones of what comes after.
        first = (offset * 8 + 5) // 6
        core = coded[first : (offset + len(raw)) * 8 // 6]
        yield core
        if "+" in core or "/" in core:
            yield core.replace("+", "-").replace("/", "_")
