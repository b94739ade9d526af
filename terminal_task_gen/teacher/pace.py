"""How many calls a server may have in flight: found by trying, between one and the configured ceiling.

Slow start doubles the limit each round; after the first cut it grows by a twentieth a round. It grows only when it is
what holds calls back. It is cut when overload (429, 503, 529, a timeout) is more than noise: a share of STRAIN_LIMIT
among recent answers, so an endpoint that now and then answers 429 for reasons of its own is not throttled for it.
Answers to calls that were sent before a cut say nothing about what came of it and are passed over.
"""

from __future__ import annotations

START = 16
GROWTH = 0.05
CUT = 0.7
SATURATED = 0.8
"""Share of the limit in flight from which on it is the limit that holds calls back."""
COOLDOWN_SEC = 2.0
"""No growth for so long after a cut."""
STRAIN_WEIGHT = 0.02
STRAIN_LIMIT = 0.1
"""With a weight of 0.02 an answer: six overloads in a row, or a tenth of the last hundred."""
TIMEOUT_FLOOR = 0.25
"""A timeout takes long to learn of; a limit cut to one would take days to find a hanging server out."""


class Pace:
    """The limit of one server. Times are of the loop's clock."""

    def __init__(self, ceiling: int, *, adaptive: bool) -> None:
        self._ceiling = ceiling
        self._adaptive = adaptive
        self._limit = float(min(START, ceiling) if adaptive else ceiling)
        self._slow_start = True
        self._strain = 0.0
        self._cut_at = float("-inf")

    @property
    def limit(self) -> int:
        return int(self._limit)

    def note_answer(self, *, sent_at: float, now: float, in_flight: int) -> None:
        """An answer that is no sign of overload; `in_flight` counts its own call."""
        if not self._adaptive or sent_at <= self._cut_at:
            return
        self._strain -= STRAIN_WEIGHT * self._strain
        if self._limit < self._ceiling and in_flight >= SATURATED * self.limit and now >= self._cut_at + COOLDOWN_SEC:
            step = 1.0 if self._slow_start else max(1.0, GROWTH * self._limit) / self._limit
            self._limit = min(float(self._ceiling), self._limit + step)

    def note_overload(self, *, sent_at: float, now: float, timeout: bool) -> None:
        if not self._adaptive or sent_at <= self._cut_at:
            return
        self._strain += STRAIN_WEIGHT * (1.0 - self._strain)
        if self._strain > STRAIN_LIMIT:
            floor = max(1.0, TIMEOUT_FLOOR * self._ceiling) if timeout else 1.0
            self._limit = min(self._limit, max(floor, CUT * self._limit))
            self._slow_start = False
            self._strain = 0.0
            self._cut_at = now
