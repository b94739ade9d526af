"""The teacher that is really asked: any OpenAI-compatible endpoint, over HTTP.

Owns what stands around a call: the key, the body, the slots (`parallel` calls in flight), the time limit, the retries,
the counting. One try is `wire.py`'s, what its answer means `completion.py`'s and `failures.py`'s.

Bounds: one try takes at most `timeout_sec`, once it has a slot, whatever the endpoint does. The wait before a retry is
drawn evenly from nothing up to 1 s, doubling each time, at most `max_backoff_sec` (full jitter); a Retry-After comes on
top, at most ten times `max_backoff_sec`. So all waits of one call together are at most
`max_retries` × 11 × `max_backoff_sec`. A call that waits holds no slot.

The key is read once, sent as a header, and scrubbed from whatever an endpoint says about it.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import orjson
from pydantic import Field

from terminal_task_gen.config import EndpointConfig
from terminal_task_gen.errors import PrerequisiteError, TeacherError, TeacherRefusedError, UsageError
from terminal_task_gen.events import Listener, Notice, ignore
from terminal_task_gen.records import Record
from terminal_task_gen.teacher import Reply
from terminal_task_gen.teacher.completion import read_reply
from terminal_task_gen.teacher.failures import HOPELESS, PASSING, Failure, FailureKind, shorten
from terminal_task_gen.teacher.wire import Wire
from terminal_task_gen.trajectory import Message

BASE_BACKOFF_SEC = 1.0
RETRY_AFTER_FACTOR = 10
"""A Retry-After is honoured up to this many times max_backoff_sec."""

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
    ) -> None:
        """`field` is where the endpoint stands in the configuration; messages tell the user to mend it there."""
        _check_endpoint(endpoint, field)
        self._endpoint = endpoint
        self._field = field
        self._listener = listener
        self._key = _find_key(endpoint, environ, field)
        self._wire = Wire(endpoint, self._key)
        self._slots = asyncio.Semaphore(endpoint.parallel)
        self._jitter = random.Random()
        self._retries: Counter[FailureKind] = Counter()
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
        )

    async def complete(self, messages: Sequence[Message], *, seed: int | None = None) -> Reply:
        self._calls += 1
        body = self._compose(messages, seed)
        outcome = await self._try_once(body)
        retries_done = 0
        while isinstance(outcome, Failure) and outcome.kind in PASSING and retries_done < self._endpoint.max_retries:
            await self._wait_to_retry(outcome, retries_done)
            retries_done += 1
            outcome = await self._try_once(body)
        if isinstance(outcome, Failure):
            raise self._give_up(outcome)
        self._replies += 1
        return outcome

    async def close(self) -> None:
        await self._wire.close()

    async def _try_once(self, body: bytes) -> Reply | Failure:
        async with self._slots:
            self._attempts += 1
            try:
                async with asyncio.timeout(self._endpoint.timeout_sec):
                    answer = await self._wire.post(body)
            except TimeoutError:
                return Failure(FailureKind.TIMEOUT, f"no whole answer within {self._endpoint.timeout_sec:g} s")
        return answer if isinstance(answer, Failure) else read_reply(answer, self._endpoint)

    async def _wait_to_retry(self, failure: Failure, retries_done: int) -> None:
        if failure.kind not in self._retries:
            again = f"tried again, up to {self._endpoint.max_retries} times a call"
            self._listener(Notice(f"teacher {self.model}: {self._scrub(failure.detail)}; {again}"))
        self._retries[failure.kind] += 1
        cap_sec = self._endpoint.max_backoff_sec
        backoff_sec = self._jitter.uniform(0.0, min(cap_sec, BASE_BACKOFF_SEC * 2.0 ** min(retries_done, 60)))
        asked_sec = min(failure.retry_after_sec or 0.0, RETRY_AFTER_FACTOR * cap_sec)
        self._wait_sec += asked_sec + backoff_sec
        await asyncio.sleep(asked_sec + backoff_sec)

    def _give_up(self, failure: Failure) -> TeacherError | UsageError:
        detail = self._scrub(failure.detail)
        # Once the key has served, a 403 is about this prompt and not about the key.
        if failure.kind in HOPELESS or (failure.kind is FailureKind.FORBIDDEN and not self._replies):
            return UsageError(self._explain_remedy(failure.kind, detail))
        if failure.kind in PASSING:
            self._given_up += 1
            tries = f"{self._endpoint.max_retries + 1} tries at {self._endpoint.base_url}"
            return TeacherError(failure.kind.value, f"{detail} ({tries})")
        self._refused += 1
        return TeacherRefusedError(failure.kind.value, detail)

    def _explain_remedy(self, kind: FailureKind, detail: str) -> str:
        url, variable = self._endpoint.base_url, self._endpoint.api_key_env
        if kind is FailureKind.BAD_ADDRESS:
            remedy = f"check {self._field}.base_url (most end in /v1) and {self._field}.model ({self.model!r})"
        elif kind is FailureKind.NO_CREDIT:
            remedy = "the account has no credit left; top it up, then start again to resume"
        elif variable:
            remedy = f"set {variable} to a key that this endpoint and model ({self.model!r}) accept"
        else:
            remedy = f"it wants a key: set {self._field}.api_key_env to the name of the variable that holds one"
        return f"{url} refuses: {detail}; {remedy}"

    def _compose(self, messages: Sequence[Message], seed: int | None) -> bytes:
        endpoint = self._endpoint
        sampling = {
            "temperature": endpoint.temperature,
            "top_p": endpoint.top_p,
            "max_tokens": endpoint.max_tokens,
            "seed": seed,
        }
        body = {
            "model": endpoint.model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            **{name: value for name, value in sampling.items() if value is not None},
            **endpoint.extra_body,
        }
        try:
            return orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
        except orjson.JSONEncodeError as error:
            self._refused += 1
            raise TeacherRefusedError(
                FailureKind.REFUSED.value, f"the call cannot be written as JSON: {error}"
            ) from error

    def _scrub(self, text: str) -> str:
        return shorten(text.replace(self._key, "[key]") if len(self._key) >= _PLACEHOLDER_CHARS else text)


def _check_endpoint(endpoint: EndpointConfig, field: str) -> None:
    if not endpoint.base_url or not endpoint.model:
        raise UsageError(
            f"no endpoint configured: set {field}.base_url and {field}.model, or pass --base-url and --model; "
            "to try without one: ttg demo"
        )
    if "@" in endpoint.base_url.partition("://")[2].partition("/")[0]:
        raise UsageError(
            f"{field}.base_url holds a user name or password, which would be saved with the run; take it out and "
            f"name the variable that holds the key in {field}.api_key_env"
        )
    if "?" in endpoint.base_url or "#" in endpoint.base_url:
        raise UsageError(
            f"{field}.base_url has a query, which would be saved with the run and may hold a key; take it out and name "
            f"the variable that holds the key in {field}.api_key_env"
        )
    if not _is_address(endpoint.base_url):
        raise UsageError(
            f"{field}.base_url {endpoint.base_url!r} is not an address; write http://host:port/v1 or https://host/v1"
        )
    for name in ("model", "messages", "stream"):
        if name in endpoint.extra_body:
            raise UsageError(f"{field}.extra_body must not set {name!r}; it is ours to set")


def _is_address(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _find_key(endpoint: EndpointConfig, environ: Mapping[str, str], field: str) -> str:
    variable = endpoint.api_key_env
    if not variable:
        return ""
    key = environ.get(variable, "").strip()
    if not key:
        raise PrerequisiteError(
            f"{variable} is not set; export it, or set {field}.api_key_env to the name of another variable, "
            "or to '' for an endpoint without a key"
        )
    if not (key.isascii() and key.isprintable()):
        raise UsageError(f"the value of {variable} cannot be a key: it holds control or non-ASCII characters")
    return key
