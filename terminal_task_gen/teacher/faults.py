"""What the scripted teacher can be told to do wrong, and which request it does it to.

The choice is a pure function of (seed, digest of the request's body, how often this very body has been asked before):
the same run meets the same faults at any concurrency and in any order, and a retry is dealt afresh, so it gets through
in the end. The counters live in an LRU of COUNTED_BODIES bodies; one fallen out starts again at its first fate.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from enum import StrEnum

from pydantic import Field, ValidationError, model_validator

from terminal_task_gen.errors import UsageError
from terminal_task_gen.records import Record

COUNTED_BODIES = 65_536
"""About 12 MB when full."""


class Fault(StrEnum):
    RATE_LIMIT = "rate_limit"
    SERVER_ERROR = "server_error"
    HANG = "hang"
    DISCONNECT = "disconnect"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    EMPTY = "empty"
    IDLE = "idle"


class FaultProfile(Record):
    """Probabilities of each fault, per request; together at most 1."""

    rate_limit: float = Field(default=0.0, ge=0.0, le=1.0)
    """429 with Retry-After."""
    server_error: float = Field(default=0.0, ge=0.0, le=1.0)
    """500, 502 or 503."""
    hang: float = Field(default=0.0, ge=0.0, le=1.0)
    """No answer for hang_sec, then the connection is dropped."""
    disconnect: float = Field(default=0.0, ge=0.0, le=1.0)
    """The connection is dropped in the middle of the body."""
    truncated: float = Field(default=0.0, ge=0.0, le=1.0)
    """finish_reason `length` and the first half of the content."""
    malformed: float = Field(default=0.0, ge=0.0, le=1.0)
    """A body that is not JSON."""
    empty: float = Field(default=0.0, ge=0.0, le=1.0)
    """No content."""
    idle: float = Field(default=0.0, ge=0.0, le=1.0)
    """Half of the body, then silence for hang_sec."""
    retry_after_sec: float = Field(default=1.0, ge=0.0, le=86_400.0)
    """Told with rate_limit."""
    hang_sec: float = Field(default=600.0, ge=0.0, le=86_400.0)
    requests_per_window: int = Field(default=0, ge=0)
    """More than these in window_sec get 429; answers tell in x-ratelimit headers what is left. 0: no limit."""
    window_sec: float = Field(default=60.0, gt=0.0, le=86_400.0)
    dies_after: int = Field(default=0, ge=0)
    """From the request after this one on, every connection is dropped. 0: never."""
    seed: int = 0

    @model_validator(mode="after")
    def _check_sum(self) -> FaultProfile:
        if sum(self.get_probability(fault) for fault in Fault) > 1.0 + 1e-9:
            raise ValueError("the probabilities add up to more than 1")
        return self

    def get_probability(self, fault: Fault) -> float:
        value: float = getattr(self, fault.value)
        return value

    @property
    def active(self) -> bool:
        return any(self.get_probability(fault) > 0.0 for fault in Fault)


NO_FAULTS = FaultProfile()


class Fate:
    """Deals the faults of a profile to requests."""

    def __init__(self, profile: FaultProfile) -> None:
        self._profile = profile
        self._asked: OrderedDict[bytes, int] = OrderedDict()

    def draw(self, digest: bytes) -> Fault | None:
        """The fault for a request whose body has this digest; counts it as asked once more."""
        if not self._profile.active:
            return None
        asked_before = self._asked.pop(digest, 0)
        self._asked[digest] = asked_before + 1
        if len(self._asked) > COUNTED_BODIES:
            self._asked.popitem(last=False)
        return choose_fault(self._profile, digest, asked_before)


class Window:
    """Counts requests in windows of equal length, the first of which begins with the first request."""

    def __init__(self, profile: FaultProfile) -> None:
        self._allowed = profile.requests_per_window
        self._window_sec = profile.window_sec
        self._ends_at = float("-inf")
        self._left = 0

    def admit(self, now: float) -> bool:
        """Count a request, if it is still allowed."""
        if not self._allowed:
            return True
        if now >= self._ends_at:
            self._ends_at = now + self._window_sec
            self._left = self._allowed
        self._left -= 1
        return self._left >= 0

    def tell_reset(self, now: float) -> float:
        """Seconds to the end of the window."""
        return max(0.0, self._ends_at - now)

    def list_headers(self, now: float) -> dict[str, str]:
        if not self._allowed:
            return {}
        return {
            "x-ratelimit-limit-requests": str(self._allowed),
            "x-ratelimit-remaining-requests": str(max(0, self._left)),
            "x-ratelimit-reset-requests": f"{self.tell_reset(now) * 1000:.0f}ms",
        }


def choose_fault(profile: FaultProfile, digest: bytes, asked_before: int) -> Fault | None:
    """The pure function: where a number made from the three falls among the probabilities laid end to end."""
    drawn = hashlib.sha256(b"%d:%d:%b" % (profile.seed, asked_before, digest)).digest()
    position = int.from_bytes(drawn[:7], "big") / 2**56
    for fault in Fault:
        position -= profile.get_probability(fault)
        if position < 0.0:
            return fault
    return None


def parse_faults(text: str) -> FaultProfile:
    """Read `rate_limit=0.1,hang=0.02,seed=3`; `all=0.2` spreads 0.2 evenly over those not named.

    Raises UsageError naming what is wrong and what is known.
    """
    values: dict[str, str] = {}
    known = ", ".join(FaultProfile.model_fields)
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or name not in {"all", *FaultProfile.model_fields}:
            raise UsageError(f"--faults: {part!r} is not name=number with one of these names: all, {known}")
        if name in values:
            raise UsageError(f"--faults: {name} is given twice")
        values[name] = value
    try:
        if "all" in values:
            unnamed = [fault for fault in Fault if fault not in values]
            share = float(values.pop("all")) / max(1, len(unnamed))
            values.update({fault: str(share) for fault in unnamed})
        return FaultProfile.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(
            f"--faults: {where}={values[where]}: {message}" if where else f"--faults: {message}"
        ) from error
    except ValueError as error:
        raise UsageError("--faults: all must be a number") from error
