"""The engine port: how work is spread. Stages do not know; engines do not know what an item is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Engine(Protocol):
    """Runs one coroutine function over many items."""

    def map(
        self, work: Callable[[Item], Awaitable[Result]], items: Iterable[Item], *, parallel: int
    ) -> AsyncGenerator[Result, None]:
        """Results as they finish, in any order, at most `parallel` at once; `items` is pulled no faster than that.

        `work` must not raise for a failed item (a failure is a value). What it does raise ends the map, after the
        other coroutines were cancelled. After `drain()` no further item is started.
        """
        ...

    def drain(self) -> None:
        """Start nothing more; what is under way finishes."""
        ...

    @property
    def draining(self) -> bool:
        """`drain()` was called."""
        ...
