"""How items are dealt among workers that may die: the messages, and the book of who has what.

Every worker lists the items itself and names them by key; the dealer only knows keys. A map that all workers go through
is a round: the first to arrive says which keys are owed, each is leased to one worker and stays with it until it is
reported as safe or its worker is lost, and the round closes when none is left.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from terminal_task_gen.events import (
    Event,
    ItemFinished,
    Listener,
    Notice,
    StageFinished,
    StageStarted,
)
from terminal_task_gen.ledger import Book, Spent, add_books, subtract_book


@dataclass(frozen=True)
class Order:
    """From the dealer to a worker."""

    keys: tuple[str, ...] = ()
    """More of the round that the worker is in."""
    closed: int = 0
    """So many rounds are closed: nothing more of them will be dealt."""
    met: int = 0
    """Of so many rounds everything is on disk."""
    elsewhere: Book = field(default_factory=dict)
    """What the other workers have spent since this one came; what they had before is in the shards that it reads."""
    drain: bool = False


@dataclass(frozen=True)
class Report:
    """From a worker to the dealer; everything since the last one."""

    offer: tuple[str, ...] | None = None
    """It has come to its next round, in which these are owed."""
    finished: tuple[str, ...] = ()
    """Safe on disk, or found to be."""
    met: int = 0
    """Of so many rounds its own part is on disk."""
    room: int = 0
    """How many more keys it can use."""
    events: tuple[Event, ...] = ()
    spent: Book = field(default_factory=dict)
    """By this worker, in all."""
    draining: bool = False
    has_ended: bool = False
    result: object = None
    error: BaseException | None = None


@dataclass
class _Hand:
    """What the dealer knows of a worker."""

    round: int = -1
    leased: dict[str, None] = field(default_factory=dict)
    spent: Book = field(default_factory=dict)
    spent_before: Book = field(default_factory=dict)
    """By everybody, before this worker came."""
    met: int = 0
    drains: bool = False


@dataclass
class _Tally:
    """Of one round."""

    stage: str
    begun: float
    accepted: int = 0
    rejected: int = 0
    owed: int = 0


class Dealer:
    """The book. Events of the workers go on to `listener` as if one process had done the work."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._hands: dict[str, _Hand] = {}
        self._pending: deque[str] = deque()
        self._round = -1
        self._helped: list[set[str]] = []
        """Round → workers that were dealt something in it."""
        self._tallies: list[_Tally] = []
        self._told: set[str] = set()
        self._spent_by_gone: Book = {}
        self.is_draining = False

    @property
    def left(self) -> int:
        """Keys of the round that are not safe."""
        return len(self._pending) + sum(len(hand.leased) for hand in self._hands.values())

    @property
    def closed(self) -> int:
        return self._round + (self.left == 0)

    def finish(self) -> StageFinished:
        """All rounds together; the last one's end is told."""
        self._tell_end()
        if not self._tallies:
            return StageFinished("", 0, 0, 0, 0.0, interrupted=self.is_draining)
        return StageFinished(
            self._tallies[0].stage,
            accepted=sum(tally.accepted for tally in self._tallies),
            rejected=sum(tally.rejected for tally in self._tallies),
            owed=sum(tally.owed for tally in self._tallies) + self.left,
            seconds=time.monotonic() - self._tallies[0].begun,
            interrupted=self.is_draining,
        )

    def welcome(self, worker: str) -> None:
        self._hands[worker] = _Hand(spent_before=self._count_spent())

    def take_report(self, worker: str, report: Report) -> None:
        hand = self._hands[worker]
        for event in report.events:
            self._pass_on(hand, event)
        if report.offer is not None:
            hand.round += 1
            if hand.round > self._round:
                self._round = hand.round
                self._pending.extend(report.offer)
                self._helped.append(set())
        for key in report.finished:
            hand.leased.pop(key, None)
        hand.met = max(hand.met, report.met)
        hand.spent = report.spent
        hand.drains = report.draining
        self.is_draining |= report.draining

    def give_order(self, worker: str, room: int) -> Order:
        """The next order; draining, nothing more is dealt."""
        hand, keys = self._hands[worker], []
        if hand.round == self._round and not self.is_draining:
            for _ in range(min(len(self._pending), room, self._find_share() - len(hand.leased))):
                keys.append(self._pending.popleft())
            hand.leased.update(dict.fromkeys(keys))
            if keys:
                self._helped[self._round].add(worker)
        elsewhere = subtract_book(subtract_book(self._count_spent(), hand.spent), hand.spent_before)
        return Order(
            tuple(keys), closed=self.closed, met=self._count_met(), elsewhere=elsewhere, drain=self.is_draining
        )

    def lose(self, worker: str, done: Iterable[str]) -> int:
        """The worker is gone: what it had is dealt again, but for what is done. How many keys that is."""
        hand = self._hands.pop(worker)
        self._spent_by_gone = add_books([self._spent_by_gone, hand.spent])
        again = [key for key in hand.leased if key not in set(done)]
        self._pending.extendleft(reversed(again))
        return len(again)

    def dismiss(self, worker: str) -> None:
        """The worker has ended by itself."""
        self.lose(worker, ())

    def _count_spent(self) -> dict[str, Spent]:
        return add_books([self._spent_by_gone, *(hand.spent for hand in self._hands.values())])

    def _find_share(self) -> int:
        """What one worker may have at most: towards the end nobody sits on keys that another could work on."""
        here = sum(hand.round == self._round for hand in self._hands.values())
        return max(1, -(-self.left // max(1, here)))

    def _tell_end(self) -> None:
        """Of the round before the next one, or the last one."""
        if self._tallies:
            tally = self._tallies[-1]
            seconds = time.monotonic() - tally.begun
            owed = tally.owed + self.left
            self._listener(
                StageFinished(tally.stage, tally.accepted, tally.rejected, owed, seconds, interrupted=self.is_draining)
            )

    def _count_met(self) -> int:
        """Rounds that are closed and whose helpers, those that are still here, have put everything on disk."""
        met = 0
        while met < self.closed:
            here = [self._hands[name] for name in self._helped[met] if name in self._hands]
            if any(hand.met <= met for hand in here):
                break
            met += 1
        return met

    def _pass_on(self, hand: _Hand, event: Event) -> None:
        if isinstance(event, StageStarted):
            # Every worker says so in every round; the first one's word is the round's.
            if hand.round + 1 < len(self._tallies):
                return
            self._tell_end()
            self._tallies.append(_Tally(event.stage, time.monotonic()))
        elif isinstance(event, StageFinished):
            return
        elif isinstance(event, ItemFinished) and self._tallies:
            tally = self._tallies[-1]
            tally.accepted += event.accepted
            tally.owed += event.owed
            tally.rejected += not event.accepted and not event.owed
        elif isinstance(event, Notice):
            if event.text in self._told:
                return
            self._told.add(event.text)
        self._listener(event)
