"""Texts cut to a limit, and values of rows taken as what they should be: nothing in a run can make an answer large."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

MAX_ANSWER_BYTES = 8_000_000
LEAST_TEXT_BYTES = 200
"""What each text still gets when an answer is full."""
DEFAULT_TEXT_BYTES = 20_000
MAX_TEXT_BYTES = 2_000_000


class Scissors:
    """Cuts each text of an answer at `text_bytes`, and shorter when the whole answer has grown large."""

    def __init__(self, text_bytes: int = DEFAULT_TEXT_BYTES) -> None:
        self._text_bytes = text_bytes
        self._left = MAX_ANSWER_BYTES

    def cut(self, text: object) -> Json:
        """`{"text", "more_bytes"}`; what is no text counts as an empty one."""
        whole = text if isinstance(text, str) else ""
        limit = min(self._text_bytes, max(self._left, LEAST_TEXT_BYTES))
        shown, more_bytes = cut_text(whole, limit)
        self._left -= len(shown)
        return {"text": shown, "more_bytes": more_bytes}

    def cut_or_none(self, text: object) -> Json | None:
        return self.cut(text) if isinstance(text, str) else None


def cut_text(text: str, limit_bytes: int) -> tuple[str, int]:
    """The beginning that fits, between two characters, and how many bytes follow."""
    if len(text) <= limit_bytes // 4:
        return text, 0
    data = text.encode(errors="replace")
    if len(data) <= limit_bytes:
        return text, 0
    shown = data[:limit_bytes].decode(errors="ignore")
    return shown, len(data) - len(shown.encode())


def get_dict(row: Json, name: str) -> Json:
    value = row.get(name)
    return value if isinstance(value, dict) else {}


def get_dicts(row: Json, name: str) -> list[Json]:
    value = row.get(name)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def get_texts(row: Json, name: str, *, most: int = 200, characters: int = 500) -> list[str]:
    value = row.get(name)
    texts = [entry[:characters] for entry in value if isinstance(entry, str)] if isinstance(value, list) else []
    return texts[:most]


def get_text(row: Json, name: str, characters: int = 500) -> str | None:
    value = row.get(name)
    return value[:characters] if isinstance(value, str) else None


def get_number(row: Json, name: str) -> float | int | None:
    value = row.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def get_plain(row: Json, names: tuple[str, ...]) -> Json:
    """Numbers, flags and short texts under these names; others are null."""
    return {name: _plain(row.get(name)) for name in names}


def _plain(value: object) -> object:
    if isinstance(value, str):
        return value[:500]
    return value if isinstance(value, bool | int | float) else None


USAGE = ("calls", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "cost_usd")
