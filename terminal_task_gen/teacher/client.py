"""The teacher that is really asked: any OpenAI-compatible endpoint, over HTTP, on one server or on many.

Owns what stands around a call: the body, the time limit, the retries, the counting, and when to give the run up. Which
server takes a try is `fleet.py`'s, one try `wire.py`'s, what its answer means `completion.py`'s and `failures.py`'s.
Which server answered leaves no trace in the data.

Bounds: one try takes at most `timeout_sec`, once it has a slot, whatever the endpoint does. The wait before a retry is
drawn evenly from nothing up to 1 s, doubling each time, at most `max_backoff_sec` (full jitter); a Retry-After comes on
top, at most ten times `max_backoff_sec`, unless another server takes the retry. So all waits between the tries of one
call together are at most `max_retries` × 11 × `max_backoff_sec`. A call that waits holds no slot. Memory is that of the
calls in flight: what is counted is numbers.

Ends the run (UsageError) where no call can succeed, and where `stop_after_failures` calls in a row failed for one
cause. At the end of the budget no further try starts: each call then fails as owed again (`budget_spent`).

Keys are read once, sent as headers, and scrubbed from whatever an endpoint says about them.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pydantic import Field

from terminal_task_gen.config import EndpointConfig
from terminal_task_gen.errors import TeacherError, TeacherRefusedError, UsageError
from terminal_task_gen.events import Listener, Notice, ignore
from terminal_task_gen.records import Record
from terminal_task_gen.teacher import Reply
from terminal_task_gen.teacher.address import Address, list_addresses
from terminal_task_gen.teacher.body import compose_fields
from terminal_task_gen.teacher.budget import Budget
from terminal_task_gen.teacher.completion import read_answer
from terminal_task_gen.teacher.failures import HOPELESS, PASSING, Failure, FailureKind, shorten
from terminal_task_gen.teacher.fleet import Fleet
from terminal_task_gen.teacher.replica import RETRY_AFTER_FACTOR, Replica, ReplicaStats, Slot
from terminal_task_gen.trajectory import Message

BASE_BACKOFF_SEC = 1.0

_PLACEHOLDER_CHARS = 8
"""A shorter key is a placeholder (`EMPTY`, `x`): scrubbing it would only garble messages."""


class TeacherStats(Record):
    """What a client has gone through so far. `retries` counts failed tries that were followed by another."""

    calls: int = 0
    attempts: int = 0
    replies: int = 0
    refused: int = 0
    given_up: int = 0
    """Calls without a usable reply after all retries."""
    retries: dict[FailureKind, int] = Field(default_factory=dict)
    wait_sec: float = 0.0
    replicas: tuple[ReplicaStats, ...] = ()


class _Call:
    """The body of one call, for each name a server may have for the model."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields
        self._model = fields["model"]
        self._body = _dump(fields)

    def __len__(self) -> int:
        return len(self._body)

    def render(self, model: str) -> bytes:
        return self._body if model == self._model else _dump({**self._fields, "model": model})


class OpenAITeacher:
    """Implements the Teacher port. Safe to construct outside a running loop; belongs to the loop that first asks it.

    Raises UsageError where the endpoint is not configured, PrerequisiteError where its key is not there.
    """

    def __init__(
        self,
        endpoint: EndpointConfig,
        *,
        environ: Mapping[str, str] = os.environ,
        listener: Listener = ignore,
        field: str = "teacher.author",
        budget: Budget | None = None,
    ) -> None:
        """`field` is where the endpoint stands in the configuration; messages tell the user to mend it there."""
        addresses = list_addresses(endpoint, environ, field)
        self._endpoint = endpoint
        self._field = field
        self._listener = listener
        self._budget = budget or Budget()
        self._keys = {address.key for address in addresses if len(address.key) >= _PLACEHOLDER_CHARS}
        self._fleet = Fleet([Replica(endpoint, address) for address in addresses])
        self._jitter = random.Random()
        self._retries: Counter[FailureKind] = Counter()
        self._failed_since_reply: Counter[FailureKind] = Counter()
        self._calls = self._attempts = self._replies = self._refused = self._given_up = 0
        self._wait_sec = 0.0

    @property
    def model(self) -> str:
        return self._endpoint.model

    @property
    def stats(self) -> TeacherStats:
        """A snapshot."""
        return TeacherStats(
            calls=self._calls,
            attempts=self._attempts,
            replies=self._replies,
            refused=self._refused,
            given_up=self._given_up,
            retries=dict(self._retries),
            wait_sec=self._wait_sec,
            replicas=tuple(replica.stats for replica in self._fleet.replicas),
        )

    async def complete(
        self, messages: Sequence[Message], *, seed: int | None = None, response_format: Mapping[str, Any] | None = None
    ) -> Reply:
        self._calls += 1
        call = self._compose(compose_fields(self._endpoint, messages, seed=seed, response_format=response_format))
        outcome, replica = await self._try_once(call, None)
        retries_done = 0
        while isinstance(outcome, Failure):
            if outcome.kind in HOPELESS and replica.left_out:
                outcome, replica = await self._try_once(call, replica)
                continue
            if outcome.kind not in PASSING or retries_done >= self._endpoint.max_retries:
                raise self._give_up(outcome, replica.address)
            await self._wait_to_retry(outcome, replica, retries_done)
            retries_done += 1
            outcome, replica = await self._try_once(call, replica)
        self._replies += 1
        if self._failed_since_reply:
            self._failed_since_reply.clear()
        return outcome

    async def close(self) -> None:
        await self._fleet.close()

    async def _try_once(self, call: _Call, avoid: Replica | None) -> tuple[Reply | Failure, Replica]:
        slot = await self._fleet.take(len(call), avoid)
        try:
            end = self._budget.explain_end()
            if end is not None:
                raise TeacherError(FailureKind.BUDGET_SPENT, end)
            return await self._ask(slot, call), slot.replica
        finally:
            self._fleet.give_back(slot)

    async def _ask(self, slot: Slot, call: _Call) -> Reply | Failure:
        self._attempts += 1
        clock = asyncio.get_running_loop().time
        replica = slot.replica
        body = call.render(replica.address.model)
        outcome: Reply | Failure
        try:
            async with asyncio.timeout(self._endpoint.timeout_sec):
                answer = await replica.wire.post(body)
        except TimeoutError:
            outcome = Failure(FailureKind.TIMEOUT, f"no whole answer within {self._endpoint.timeout_sec:g} s")
        else:
            if isinstance(answer, Failure):
                outcome = answer
            else:
                replica.learn(answer, clock())
                outcome = read_answer(answer, self._endpoint)
        if outcome.usage is not None:
            self._budget.charge(outcome.usage)
        replica.judge(slot, outcome, clock())
        if isinstance(outcome, Failure) and outcome.kind in HOPELESS:
            self._leave_out(outcome, replica)
        return outcome

    def _leave_out(self, failure: Failure, replica: Replica) -> None:
        """A server where no call can succeed is no reason to stop while another has served."""
        others = (other for other in self._fleet.replicas if other is not replica and not other.left_out)
        if not replica.left_out and any(other.has_served for other in others):
            replica.left_out = True
            self._listener(Notice(f"left out: {self._explain_remedy(failure, replica.address)}"))

    async def _wait_to_retry(self, failure: Failure, replica: Replica, retries_done: int) -> None:
        if failure.kind not in self._retries:
            again = f"tried again, up to {self._endpoint.max_retries} times a call"
            self._listener(Notice(f"teacher {self.model}: {self._scrub(failure.detail)}; {again}"))
        self._retries[failure.kind] += 1
        cap_sec = self._endpoint.max_backoff_sec
        backoff_sec = self._jitter.uniform(0.0, min(cap_sec, BASE_BACKOFF_SEC * 2.0 ** min(retries_done, 60)))
        asked_sec = min(failure.retry_after_sec or 0.0, RETRY_AFTER_FACTOR * cap_sec)
        wait_sec = backoff_sec if self._fleet.has_other(replica) else asked_sec + backoff_sec
        self._wait_sec += wait_sec
        await asyncio.sleep(wait_sec)

    def _give_up(self, failure: Failure, address: Address) -> TeacherError | UsageError:
        detail = self._scrub(failure.detail)
        # Once the key has served, a 403 is about this prompt and not about the key.
        if failure.kind in HOPELESS or (failure.kind is FailureKind.FORBIDDEN and not self._replies):
            return UsageError(self._explain_remedy(failure, address))
        self._failed_since_reply[failure.kind] += 1
        if 0 < self._endpoint.stop_after_failures <= self._failed_since_reply[failure.kind]:
            return UsageError(self._explain_stop(failure.kind, detail))
        if failure.kind in PASSING:
            self._given_up += 1
            tries = f"{self._endpoint.max_retries + 1} tries at {address.base_url}"
            return TeacherError(failure.kind.value, f"{detail} ({tries})")
        self._refused += 1
        return TeacherRefusedError(failure.kind.value, detail)

    def _explain_stop(self, kind: FailureKind, detail: str) -> str:
        count, stop = self._failed_since_reply[kind], f"{self._field}.stop_after_failures"
        if kind in PASSING:
            remedy = "their items are owed; mend it, then run the same command again to go on"
        else:
            remedy = f"most likely {self._field} asks for what the endpoint does not do; mend it before you go on"
        return (
            f"stopped: {count} calls in a row failed for one cause ({kind}), the last with: {detail}; "
            f"what was finished is kept; {remedy} ({stop}: 0 never stops)"
        )

    def _explain_remedy(self, failure: Failure, address: Address) -> str:
        detail = self._scrub(failure.detail)
        if failure.kind is FailureKind.BAD_ADDRESS:
            remedy = f"check {address.field}.base_url (most end in /v1) and {address.field}.model ({address.model!r})"
        elif failure.kind is FailureKind.NO_CREDIT:
            remedy = "the account has no credit left; top it up, then start again to resume"
        elif address.key_variable:
            remedy = f"set {address.key_variable} to a key that this endpoint and model ({address.model!r}) accept"
        else:
            remedy = f"it wants a key: set {address.field}.api_key_env to the name of the variable that holds one"
        return f"{address.base_url} refuses: {detail}; {remedy}"

    def _compose(self, fields: dict[str, Any]) -> _Call:
        try:
            return _Call(fields)
        except orjson.JSONEncodeError as error:
            self._refused += 1
            raise TeacherRefusedError(
                FailureKind.REFUSED.value, f"the call cannot be written as JSON: {error}"
            ) from error

    def _scrub(self, text: str) -> str:
        for key in self._keys:
            text = text.replace(key, "[key]")
        return shorten(text)


def _dump(fields: dict[str, Any]) -> bytes:
    return orjson.dumps(fields, option=orjson.OPT_NON_STR_KEYS)
