"""Which of an endpoint's servers takes the next call.

The least loaded one that is well, first come first served; a retry goes to another server than the one that failed it
as long as another is well. Where none is well all are asked: the calls' own retries then say when it is enough. A call
that waits for a server costs one future, and a slot that falls free wakes one call.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from terminal_task_gen.teacher.replica import Replica, Slot


class _Waiter:
    def __init__(self, body_bytes: int, avoid: Replica | None) -> None:
        self.body_bytes = body_bytes
        self.avoid = avoid
        self.given: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()


class Fleet:
    """Belongs to the loop that first asks it."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self.replicas = tuple(replicas)
        self._waiters: deque[_Waiter] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    async def take(self, body_bytes: int, avoid: Replica | None) -> Slot:
        """A slot for a call of this size, to be given back; waits for one. Not at `avoid` while another is well."""
        if not self._waiters:
            replica = self._find_open(avoid)
            if replica is not None:
                return replica.take(body_bytes, asyncio.get_running_loop().time())
        waiter = _Waiter(body_bytes, avoid)
        self._waiters.append(waiter)
        self._serve()
        try:
            return await waiter.given
        except asyncio.CancelledError:
            if waiter.given.done() and not waiter.given.cancelled():
                self.give_back(waiter.given.result())
            raise

    def give_back(self, slot: Slot) -> None:
        slot.replica.in_flight -= 1
        if self._waiters:
            self._serve()

    def has_other(self, replica: Replica) -> bool:
        """Whether a server beside this one is well."""
        return any(other.is_well for other in self.replicas if other is not replica)

    async def close(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        for replica in self.replicas:
            await replica.wire.close()

    def _serve(self) -> None:
        """Give what is open to those who wait, in their order; set the alarm for what opens by the clock alone."""
        passed_over: list[_Waiter] = []
        while self._waiters and self._find_open(None) is not None:
            waiter = self._waiters.popleft()
            if waiter.given.done():
                continue
            replica = self._find_open(waiter.avoid)
            if replica is None:
                passed_over.append(waiter)
                continue
            waiter.given.set_result(replica.take(waiter.body_bytes, asyncio.get_running_loop().time()))
        self._waiters.extendleft(reversed(passed_over))
        self._set_alarm()

    def _find_open(self, avoid: Replica | None) -> Replica | None:
        now = asyncio.get_running_loop().time()
        best: Replica | None = None
        for replica in self._list_candidates(avoid):
            opening = replica.tell_opening(now, as_last_resort=not self._any_well())
            if opening is not None and opening <= now and (best is None or replica.load < best.load):
                best = replica
        return best

    def _list_candidates(self, avoid: Replica | None) -> Sequence[Replica]:
        if len(self.replicas) == 1:
            return self.replicas
        present = [replica for replica in self.replicas if not replica.left_out]
        if avoid is not None and self.has_other(avoid):
            return [replica for replica in present if replica is not avoid]
        return present

    def _any_well(self) -> bool:
        return any(replica.is_well for replica in self.replicas)

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if not self._waiters:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        as_last_resort = not self._any_well()
        openings = [
            opening
            for replica in self.replicas
            if not replica.left_out
            and (opening := replica.tell_opening(now, as_last_resort=as_last_resort)) is not None
            and opening > now
        ]
        if openings:
            self._alarm = loop.call_at(min(openings), self._serve)
