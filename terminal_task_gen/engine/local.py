"""The engine for one machine: a fixed crew of coroutines that share one iterator; its memory is that of the crew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Generic

from terminal_task_gen.engine import Item, Result
from terminal_task_gen.ledger import Ledger


class LocalEngine:
    """See the port, `Engine`."""

    def __init__(self) -> None:
        self._draining = False
        self.ledger = Ledger()

    @property
    def draining(self) -> bool:
        return self._draining

    def drain(self) -> None:
        self._draining = True

    async def meet(self) -> None:
        """There is nobody else."""

    async def map(
        self,
        work: Callable[[Item], Awaitable[Result]],
        items: Iterable[Item],
        *,
        parallel: int,
        get_key: Callable[[Item], str],
    ) -> AsyncGenerator[Result, None]:
        source = iter(items)

        async def take() -> tuple[Item] | None:
            if self._draining:
                return None
            try:
                return (next(source),)
            except StopIteration:
                return None

        async with aclosing(run_crew(take, work, parallel=parallel)) as results:
            async for result in results:
                yield result


async def run_crew(
    take: Callable[[], Awaitable[tuple[Item] | None]], work: Callable[[Item], Awaitable[Result]], *, parallel: int
) -> AsyncGenerator[Result, None]:
    """Results of `work` on what `take` gives, as they finish, until every member of the crew was given None."""
    results: asyncio.Queue[_Done[Result]] = asyncio.Queue(maxsize=parallel)
    crew = [asyncio.create_task(_labour(take, work, results)) for _ in range(parallel)]
    running = parallel
    try:
        while running:
            done = await results.get()
            if done.error is not None:
                raise done.error
            if done.ended:
                running -= 1
                continue
            for result in done.results:
                yield result
    finally:
        for member in crew:
            member.cancel()
        await asyncio.gather(*crew, return_exceptions=True)


async def _labour(
    take: Callable[[], Awaitable[tuple[Item] | None]],
    work: Callable[[Item], Awaitable[Result]],
    results: asyncio.Queue[_Done[Result]],
) -> None:
    try:
        while (taken := await take()) is not None:
            await results.put(_Done(results=(await _shield_from_strays(work(taken[0])),)))
    except Exception as error:  # noqa: BLE001 - handed to the caller of map, which raises it
        await results.put(_Done(error=error))
        return
    await results.put(_Done(ended=True))


async def _shield_from_strays(working: Awaitable[Result]) -> Result:
    """A cancellation that nobody asked for is a bug in what was awaited; it must not end a crew member in silence."""
    try:
        return await working
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise RuntimeError("the work on an item was cancelled from within") from error


class _Done(Generic[Result]):
    """What a crew member reports: a result, its failure, or that it has nothing more to do."""

    def __init__(
        self, *, results: tuple[Result, ...] = (), error: Exception | None = None, ended: bool = False
    ) -> None:
        self.results = results
        self.error = error
        self.ended = ended
