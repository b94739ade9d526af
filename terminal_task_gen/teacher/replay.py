"""A teacher that remembers: the same call of the same item is answered from disk, and only others are asked for.

A Teacher around a Teacher, so the port and the client know nothing of it. The key is all that decides the reply
(`body.py`: model, messages, sampling, extra_body, response_format, seed; not addresses, not speed) together with the
run's seed, the item whose work it is, and how often that item has asked the very same before. So the second attempt at
a task, or a second try at an unlucky reply, gets a reply of its own, and still the same one in every rerun. A call that
belongs to no item is passed on and not kept.

Kept are usable replies only: no failure, nothing cut off at a limit of length. A reply from here carries its tokens as
recorded, at today's prices, so rows are the same bytes; nobody is charged for it, and `RepliesReplayed` tells how much
of an item's usage was not spent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from terminal_task_gen.config import EndpointConfig
from terminal_task_gen.events import Listener, RepliesReplayed
from terminal_task_gen.records import Usage, bytes_digest
from terminal_task_gen.teacher import Reply, Teacher
from terminal_task_gen.teacher.body import compose_fields
from terminal_task_gen.teacher.reply_store import ReplyStore
from terminal_task_gen.trajectory import Message

_UNUSABLE = frozenset({"length", "content_filter"})

Item = TypeVar("Item")
Done = TypeVar("Done")


@dataclass
class _Asking:
    """The item that a coroutine works on; gone with it."""

    item_id: str
    asked: Counter[bytes] = field(default_factory=Counter)
    replayed: Usage = field(default_factory=Usage)


_ASKING: ContextVar[_Asking | None] = ContextVar("asking", default=None)


def follow_items(
    work: Callable[[Item], Awaitable[Done]], get_id: Callable[[Item], str], listener: Listener
) -> Callable[[Item], Awaitable[Done]]:
    """`work`, with every call it makes booked on its item."""

    async def work_followed(item: Item) -> Done:
        asking = _Asking(get_id(item))
        token = _ASKING.set(asking)
        try:
            return await work(item)
        finally:
            _ASKING.reset(token)
            if asking.replayed.calls:
                listener(RepliesReplayed(asking.item_id, asking.replayed))

    return work_followed


class ReplayingTeacher:
    """Implements the Teacher port over `inner`, which it closes."""

    def __init__(self, inner: Teacher, endpoint: EndpointConfig, store: ReplyStore, *, run_seed: int) -> None:
        self._inner = inner
        self._endpoint = endpoint
        self._store = store
        self._run_seed = run_seed
        self.replayed = Usage()
        """What was answered from disk so far."""

    @property
    def model(self) -> str:
        return self._inner.model

    async def complete(
        self, messages: Sequence[Message], *, seed: int | None = None, response_format: Mapping[str, Any] | None = None
    ) -> Reply:
        asking = _ASKING.get()
        key = None if asking is None else self._make_key(asking, messages, seed, response_format)
        if asking is None or key is None:
            return await self._inner.complete(messages, seed=seed, response_format=response_format)
        known = await self._store.get(key)
        if known is not None:
            reply = known.model_copy(update={"usage": self._price(known.usage)})
            asking.replayed += reply.usage
            self.replayed += reply.usage
            return reply
        reply = await self._inner.complete(messages, seed=seed, response_format=response_format)
        if reply.finish_reason not in _UNUSABLE:
            await self._store.put(key, reply)
        return reply

    async def close(self) -> None:
        try:
            await self._inner.close()
        finally:
            await self._store.close()

    def _make_key(
        self,
        asking: _Asking,
        messages: Sequence[Message],
        seed: int | None,
        response_format: Mapping[str, Any] | None,
    ) -> bytes | None:
        """None for a call that cannot be written; the client says what is wrong with it."""
        fields = compose_fields(self._endpoint, messages, seed=seed, response_format=response_format)
        try:
            call = bytes_digest(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS))
        except orjson.JSONEncodeError:
            return None
        number = asking.asked[call]
        asking.asked[call] += 1
        return bytes_digest(orjson.dumps([self._run_seed, asking.item_id, number]) + call)

    def _price(self, usage: Usage) -> Usage:
        cost_usd = self._endpoint.count_cost_usd(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens)
        return usage.model_copy(update={"cost_usd": cost_usd})
