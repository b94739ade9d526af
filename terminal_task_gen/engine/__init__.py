"""The engine port: how work is spread. Stages do not know; engines do not know what an item is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Protocol, TypeVar, runtime_checkable

from terminal_task_gen.events import Listener, StageFinished
from terminal_task_gen.ledger import Ledger

Item = TypeVar("Item")
Result = TypeVar("Result")
Job = TypeVar("Job")


class Engine(Protocol):
    """Runs one coroutine function over many items."""

    def map(
        self,
        work: Callable[[Item], Awaitable[Result]],
        items: Iterable[Item],
        *,
        parallel: int,
        get_key: Callable[[Item], str],
    ) -> AsyncGenerator[Result, None]:
        """Results as they finish, in any order, at most `parallel` at once; `items` is pulled no faster than that.

        `get_key` names an item, the same in every process: where several share the items, each works on some and gives
        their results only. A result counts as safe once the next one is asked for.

        `work` must not raise for a failed item (a failure is a value). What it does raise ends the map, after the other
        coroutines were cancelled. After `drain()` no further item is started.
        """
        ...

    async def meet(self) -> None:
        """Called when what came of a map is on disk; back when that holds for all processes that shared the map."""
        ...

    def drain(self) -> None:
        """Start nothing more; what is under way finishes."""
        ...

    @property
    def draining(self) -> bool:
        """`drain()` was called."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Where this process books what its calls cost; an engine of many processes keeps `elsewhere` up to date."""
        ...


class Errand(Protocol):
    """What each worker of a cluster is sent to do: one stage, with the engine and listener it is given. Must pickle.

    What it returns must pickle, too. It raises UsageError for what the user can mend.
    """

    async def __call__(self, worker: str, engine: Engine, listener: Listener) -> Any: ...


class Crew(Protocol):
    """CPU-heavy work in processes. A context manager; `function`, jobs and results must pickle."""

    def map(self, function: Callable[[Job], Result], jobs: Iterable[Job]) -> AsyncIterator[Result]:
        """Results in the order of the jobs. What a job raises is raised here."""
        ...

    def __enter__(self) -> Crew: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@runtime_checkable
class Cluster(Protocol):
    """An engine whose work is done on other machines."""

    async def spread(
        self, errand: Errand, listener: Listener, settle: Callable[[str], Awaitable[set[str]]]
    ) -> tuple[StageFinished, list[Any]]:
        """Send every node's worker on the errand and deal the items among them; how it went, and what each returned.

        `settle(worker)` is awaited when a worker was lost; back when that one can write no more, with the keys of all
        items that are done by then. Raises UsageError when no node can work.
        """
        ...

    def make_crew(self) -> Crew:
        """As many processes as the cluster has cores."""
        ...
