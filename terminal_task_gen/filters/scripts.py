"""Scripts that a text may be foreign in, by their characters."""

from __future__ import annotations

from bisect import bisect_right

# Unified ideographs with extensions A to H, compatibility ideographs. Kana, Hangul and CJK punctuation are not Chinese.
SCRIPTS = {
    "han": "\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\U00020000-\U0002fa1f\U00030000-\U000323af",
    "kana": "\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d",
    "hangul": "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3",
    "cyrillic": "\u0400-\u052f",
    "arabic": "\u0620-\u064a\u0671-\u06d3\u0750-\u077f",
    "hebrew": "\u05d0-\u05ea",
    "devanagari": "\u0904-\u0939",
    "thai": "\u0e01-\u0e30",
    "greek": "\u0391-\u03a1\u03a3-\u03ce",
}
BITS = {script: 1 << number for number, script in enumerate(SCRIPTS)}
ALL_SCRIPTS = (1 << len(SCRIPTS)) - 1

_RANGES = sorted(
    (ranges[at], ranges[at + 2], BITS[script]) for script, ranges in SCRIPTS.items() for at in range(0, len(ranges), 3)
)
_STARTS = [start for start, _, _ in _RANGES]


def find_script(character: str) -> int:
    """The bit of a character's script; 0 for all that are in none of them."""
    place = bisect_right(_STARTS, character) - 1
    return _RANGES[place][2] if place >= 0 and character <= _RANGES[place][1] else 0
