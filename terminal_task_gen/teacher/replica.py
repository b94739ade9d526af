"""One server of an endpoint: its connections, its limits, and how well it is.

A server that answers TRIP tries in a row like one that is down (`failures.BROKEN`) is ill: it rests, then one call at a
time tries it again, and the rest doubles with each that fails. The first answer makes it well. One that says that no
call can ever succeed there (wrong key, model, address) is left out for good while others serve.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from terminal_task_gen.config import EndpointConfig
from terminal_task_gen.records import Record
from terminal_task_gen.teacher import Reply
from terminal_task_gen.teacher.address import Address
from terminal_task_gen.teacher.failures import BROKEN, Failure, FailureKind
from terminal_task_gen.teacher.pace import Pace
from terminal_task_gen.teacher.quota import Quota
from terminal_task_gen.teacher.wire import Answer, Wire

TRIP = 5
FIRST_REST_SEC = 1.0
LONGEST_REST_SEC = 60.0
RETRY_AFTER_FACTOR = 10
"""What a server asks us to wait is honoured up to this many times max_backoff_sec."""


class ReplicaStats(Record):
    """What one server has answered so far."""

    base_url: str
    tries: int = 0
    replies: int = 0
    failures: dict[FailureKind, int] = Field(default_factory=dict)
    limit: int = 0
    """Calls it may have in flight now."""
    well: bool = True


@dataclass(frozen=True, slots=True)
class Slot:
    """One of the calls that a server may have in flight."""

    replica: Replica
    taken_at: float
    guessed_tokens: float


class Replica:
    """Times are of the loop's clock."""

    def __init__(self, endpoint: EndpointConfig, address: Address) -> None:
        self.address = address
        self.wire = Wire(endpoint, address)
        self.in_flight = 0
        self.left_out = False
        self._pace = Pace(address.parallel, adaptive=endpoint.adaptive)
        self._quota = Quota(
            endpoint.requests_per_minute,
            endpoint.tokens_per_minute,
            longest_wait_sec=RETRY_AFTER_FACTOR * endpoint.max_backoff_sec,
        )
        self._tries = self._replies = 0
        self._failures: dict[FailureKind, int] = {}
        self._broken_in_a_row = 0
        self._rest_sec = FIRST_REST_SEC
        self._rests_until = float("-inf")

    @property
    def is_well(self) -> bool:
        return self._broken_in_a_row < TRIP and not self.left_out

    @property
    def has_served(self) -> bool:
        return self._replies > 0

    @property
    def load(self) -> float:
        """Calls in flight for each that may be."""
        return self.in_flight / self._pace.limit

    @property
    def stats(self) -> ReplicaStats:
        return ReplicaStats(
            base_url=self.address.base_url,
            tries=self._tries,
            replies=self._replies,
            failures=dict(self._failures),
            limit=self._pace.limit,
            well=self.is_well,
        )

    def tell_opening(self, now: float, *, as_last_resort: bool) -> float | None:
        """When a call may start here: not after `now`: at once; None: when one of those in flight has ended.

        `as_last_resort`: no server is well, so this one is asked as if it were.
        """
        if self.is_well or as_last_resort:
            return self._quota.tell_opening(now) if self.in_flight < self._pace.limit else None
        return max(self._rests_until, self._quota.tell_opening(now)) if self.in_flight == 0 else None

    def take(self, body_bytes: int, now: float) -> Slot:
        """Have a call in flight, which counts from now on."""
        self.in_flight += 1
        return Slot(self, now, self._quota.start(body_bytes, now))

    def learn(self, answer: Answer, now: float) -> None:
        """Take note of what an answer's headers say."""
        self._quota.learn(answer.headers, now)

    def judge(self, slot: Slot, outcome: Reply | Failure, now: float) -> None:
        """Take note of how a try ended; before its slot is given back."""
        self._tries += 1
        usage = outcome.usage
        if usage is None:
            self._quota.settle(slot.guessed_tokens, tokens=0, completion_tokens=0, now=now)
        else:
            tokens = usage.prompt_tokens + usage.completion_tokens
            self._quota.settle(slot.guessed_tokens, tokens=tokens, completion_tokens=usage.completion_tokens, now=now)
        if isinstance(outcome, Failure):
            self._failures[outcome.kind] = self._failures.get(outcome.kind, 0) + 1
        else:
            self._replies += 1
        if isinstance(outcome, Failure) and outcome.is_overload:
            self._pace.note_overload(sent_at=slot.taken_at, now=now, timeout=outcome.kind is FailureKind.TIMEOUT)
        else:
            self._pace.note_answer(sent_at=slot.taken_at, now=now, in_flight=self.in_flight)
        self._judge_health(isinstance(outcome, Failure) and outcome.kind in BROKEN, now)

    def _judge_health(self, broken: bool, now: float) -> None:
        if not broken:
            self._broken_in_a_row = 0
            self._rest_sec = FIRST_REST_SEC
            return
        self._broken_in_a_row += 1
        if self._broken_in_a_row >= TRIP and now >= self._rests_until:
            self._rests_until = now + self._rest_sec
            self._rest_sec = min(LONGEST_REST_SEC, 2 * self._rest_sec)
