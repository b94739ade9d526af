"""The engine of a cluster's worker: a local crew that works on what it is dealt, and the exchange with the dealer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing, suppress

from terminal_task_gen.engine import Errand, Item, Result
from terminal_task_gen.engine.leases import Order, Report
from terminal_task_gen.engine.local import run_crew
from terminal_task_gen.events import Event, TurnFinished
from terminal_task_gen.ledger import Ledger

REPORT_EVERY_SEC = 0.2
"""How long an exchange waits for something to tell."""


class LeasedEngine:
    """See the port, `Engine`. The items of a map are held, as any of them may be dealt to this worker."""

    def __init__(self) -> None:
        self._draining = False
        self.ledger = Ledger()
        self._dealt: deque[str] = deque()
        self._order = Order()
        self._round = -1
        self._met = 0
        self._capacity = self._running = 0
        self._offer: tuple[str, ...] | None = None
        self._finished: list[str] = []
        self._events: list[Event] = []
        self._ended: Report | None = None
        self._ordered = asyncio.Condition()
        self._news = asyncio.Event()

    @property
    def draining(self) -> bool:
        return self._draining

    def drain(self) -> None:
        self._draining = True
        self._news.set()

    async def map(
        self,
        work: Callable[[Item], Awaitable[Result]],
        items: Iterable[Item],
        *,
        parallel: int,
        get_key: Callable[[Item], str],
    ) -> AsyncGenerator[Result, None]:
        owed = {get_key(item): item for item in items}
        self._round += 1
        self._offer = tuple(owed)
        # A few more than are worked on, so that nobody waits for the dealer.
        self._capacity = parallel + max(1, parallel // 4)
        self._news.set()

        async def take() -> tuple[tuple[str, Item]] | None:
            while True:
                key = await self._take_key()
                if key is None:
                    return None
                if key in owed:
                    return ((key, owed.pop(key)),)
                # Done by one that was lost, before this worker listed the items.
                self._report_finished(key)

        async def do(leased: tuple[str, Item]) -> tuple[str, Result]:
            self._running += 1
            try:
                return leased[0], await work(leased[1])
            finally:
                self._running -= 1

        async with aclosing(run_crew(take, do, parallel=parallel)) as results:
            async for key, result in results:
                yield result
                self._report_finished(key)

    async def meet(self) -> None:
        self._met = self._round + 1
        self._news.set()
        async with self._ordered:
            await self._ordered.wait_for(lambda: self._order.met > self._round or self._draining)

    def listen(self, event: Event) -> None:
        """The worker's listener: everything goes to the dealer, but for turns, which are many and long."""
        if not isinstance(event, TurnFinished):
            self._events.append(event)
            self._news.set()

    async def run(self, worker: str, errand: Errand) -> None:
        """Do the errand; how it ended is in the last report."""
        try:
            result = await errand(worker, self, self.listen)
            self._ended = Report(has_ended=True, result=result)
        except Exception as error:  # noqa: BLE001 - the dealer raises it where the user is
            self._ended = Report(has_ended=True, error=error)
        self._news.set()

    async def exchange(self, order: Order) -> Report:
        """Take an order, and say what is new; waits a little where nothing is."""
        self._dealt.extend(order.keys)
        self._order = order
        self.ledger.elsewhere = order.elsewhere
        if order.drain:
            self._draining = True
        async with self._ordered:
            self._ordered.notify_all()
        with suppress(TimeoutError):
            async with asyncio.timeout(REPORT_EVERY_SEC):
                await self._news.wait()
        self._news.clear()
        return self._report()

    def _report(self) -> Report:
        offer, self._offer = self._offer, None
        finished, self._finished = self._finished, []
        events, self._events = self._events, []
        ended = self._ended or Report()
        return Report(
            offer=offer,
            finished=tuple(finished),
            met=self._met,
            room=max(0, self._capacity - self._running - len(self._dealt)),
            events=tuple(events),
            spent=dict(self.ledger.own),
            draining=self._draining,
            has_ended=ended.has_ended,
            result=ended.result,
            error=ended.error,
        )

    async def _take_key(self) -> str | None:
        async with self._ordered:
            await self._ordered.wait_for(
                lambda: bool(self._dealt) or self._order.closed > self._round or self._draining
            )
        if self._draining or not self._dealt:
            return None
        key = self._dealt.popleft()
        self._news.set()
        return key

    def _report_finished(self, key: str) -> None:
        self._finished.append(key)
        self._news.set()
