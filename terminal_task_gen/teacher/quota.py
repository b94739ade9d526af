"""What a server lets through in a minute: as configured, and as its x-ratelimit headers say.

A configured limit is an allowance that refills evenly and holds one second's worth, so any minute sees at most the
limit plus a second. What a call will use is not known before its reply: it is guessed from its length and the
replies so far, and put right afterwards; an allowance in debt waits until it is out of it.

Of the headers only `x-ratelimit-remaining-*` with `x-ratelimit-reset-*` count: what they mean is the same everywhere,
while `x-ratelimit-limit-requests` is a minute's at one vendor and a day's at another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

BYTES_PER_TOKEN = 4
MEAN_WEIGHT = 0.05
_SPAN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_SPAN_SECONDS = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)


class Quota:
    """The limits of one server. Times are of the loop's clock."""

    def __init__(self, requests_per_minute: int, tokens_per_minute: int, *, longest_wait_sec: float) -> None:
        self._requests = _Allowance(requests_per_minute, longest_wait_sec)
        self._tokens = _Allowance(tokens_per_minute, longest_wait_sec)
        self._mean_completion = 0.0

    def tell_opening(self, now: float) -> float:
        """When the next call may start; not after `now`: at once."""
        return max(self._requests.tell_opening(now, 1.0), self._tokens.tell_opening(now, 1.0))

    def start(self, body_bytes: int, now: float) -> float:
        """Count a call that starts; the tokens it is guessed to use, for `settle`."""
        guess = body_bytes / BYTES_PER_TOKEN + self._mean_completion
        self._requests.spend(1.0, now)
        self._tokens.spend(guess, now)
        return guess

    def settle(self, guess: float, *, tokens: int, completion_tokens: int, now: float) -> None:
        """Put a guess right by what the reply says; a call without a reply used nothing that anybody knows of."""
        self._tokens.spend(tokens - guess, now)
        if completion_tokens:
            self._mean_completion += MEAN_WEIGHT * (completion_tokens - self._mean_completion)

    def learn(self, headers: Mapping[str, str], now: float) -> None:
        self._requests.learn(headers, "requests", now)
        self._tokens.learn(headers, "tokens", now)


class _Allowance:
    """`per_minute` 0: only the headers' word counts."""

    def __init__(self, per_minute: int, longest_wait_sec: float) -> None:
        self._rate = per_minute / 60.0
        self._cap = max(1.0, self._rate)
        self._level = self._cap
        self._filled_at: float | None = None
        self._longest_wait_sec = longest_wait_sec
        self._left = 0.0
        self._left_until = float("-inf")

    def tell_opening(self, now: float, need: float) -> float:
        opening = now
        if self._rate:
            self._refill(now)
            opening = now + max(0.0, need - self._level) / self._rate
        if self._left < need and now < self._left_until:
            opening = max(opening, self._left_until)
        return opening

    def spend(self, amount: float, now: float) -> None:
        if self._rate:
            self._refill(now)
            self._level = min(self._cap, self._level - amount)
        self._left -= amount

    def learn(self, headers: Mapping[str, str], what: str, now: float) -> None:
        left = headers.get(f"x-ratelimit-remaining-{what}")
        if left is None or not left.isdecimal():
            return
        reset_sec = read_span(headers.get(f"x-ratelimit-reset-{what}", ""))
        if reset_sec is not None:
            self._left = float(left)
            self._left_until = now + min(reset_sec, self._longest_wait_sec)

    def _refill(self, now: float) -> None:
        if self._filled_at is not None:
            self._level = min(self._cap, self._level + (now - self._filled_at) * self._rate)
        self._filled_at = now


def read_span(text: str) -> float | None:
    """Seconds of `20ms`, `1.5s`, `6m0s`, `2h`, or a bare number of seconds; None for anything else."""
    text = text.strip().lower()
    try:
        return max(0.0, float(text)) if text[:1].isdigit() and text[-1:].isdigit() else _add_up(text)
    except ValueError:
        return None


def _add_up(text: str) -> float | None:
    found = _SPAN.fullmatch(text)
    if found is None or not text:
        return None
    return sum(float(part) * seconds for part, seconds in zip(found.groups(), _SPAN_SECONDS, strict=True) if part)
