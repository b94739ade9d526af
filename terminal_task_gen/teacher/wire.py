"""One POST to an OpenAI-compatible endpoint: bytes out, bytes or a Failure back.

Owns the `openai` client and its aiohttp transport, and is the only file that sees their exceptions. Retries, waits and
slots are not here (the client's own are switched off), nor is any idea of what the body means. Uses the client's
low-level `post` because a typed call spends most of its CPU on building models nobody reads.

Nothing is read without bound: a success over MAX_BODY_BYTES is a failure, an error is cut at MAX_ERROR_BYTES. Answers
are asked for uncompressed, so the bound is on what arrives.

Proxy and certificate variables work as the `openai` client has them, except that a loopback address is always reached
directly: no proxy can reach ours, and the demo must run behind one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import aiohttp
import httpx2
from openai import DEFAULT_CONNECTION_LIMITS, APIStatusError, AsyncOpenAI, DefaultAioHttpClient, Omit, OpenAIError

from terminal_task_gen.config import EndpointConfig
from terminal_task_gen.teacher.failures import Failure, FailureKind, judge_status

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
CONNECT_TIMEOUT_SEC = 30.0
"""A host that does not answer at all is given up earlier than a model that thinks long."""


class Wire:
    """A pool of connections to one endpoint, as many as calls may be in flight."""

    def __init__(self, endpoint: EndpointConfig, key: str) -> None:
        connections = max(endpoint.parallel, DEFAULT_CONNECTION_LIMITS.max_connections or 0)
        timeout = httpx2.Timeout(endpoint.timeout_sec, connect=min(CONNECT_TIMEOUT_SEC, endpoint.timeout_sec))
        self._headers: dict[str, str | Omit] = {"Accept-Encoding": "identity"}
        if not key:
            self._headers["Authorization"] = Omit()
        self._client = AsyncOpenAI(
            base_url=endpoint.base_url,
            # Without one the library would take what it finds in its own environment variable.
            api_key=key or "none",
            max_retries=0,
            timeout=timeout,
            http_client=DefaultAioHttpClient(
                timeout=timeout,
                trust_env=not _is_loopback(endpoint.base_url),
                limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
                event_hooks={"response": [_bound_body]},
            ),
        )

    async def post(self, body: bytes) -> bytes | Failure:
        """Send one call and give back the body of its success. Runs until done: the caller puts the time limit."""
        try:
            return await self._client.post(
                "/chat/completions", cast_to=bytes, content=body, options={"headers": self._headers}
            )
        except APIStatusError as error:
            return judge_status(error.status_code, error.response.content, error.response.headers)
        except _OversizedBodyError:
            return Failure(FailureKind.MALFORMED, f"the answer is larger than {MAX_BODY_BYTES // 1024**2} MiB")
        # Not all that aiohttp and the socket layer raise is mapped by the library.
        except (OpenAIError, aiohttp.ClientError, OSError) as error:
            return _judge_broken_connection(error)

    async def close(self) -> None:
        await self._client.close()


def _is_loopback(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _OversizedBodyError(Exception):
    pass


class _BoundedStream(httpx2.AsyncByteStream):
    """Passes on what comes until it is too much: then an error answer ends there, any other raises."""

    def __init__(self, inner: httpx2.AsyncByteStream, *, is_error: bool) -> None:
        self._inner = inner
        self._is_error = is_error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_ERROR_BYTES if self._is_error else MAX_BODY_BYTES
        async for chunk in self._inner:
            if len(chunk) > left:
                if self._is_error:
                    return
                raise _OversizedBodyError
            left -= len(chunk)
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _bound_body(response: httpx2.Response) -> None:
    stream = response.stream
    assert isinstance(stream, httpx2.AsyncByteStream)
    response.stream = _BoundedStream(stream, is_error=response.status_code >= 400)


def _judge_broken_connection(error: BaseException) -> Failure:
    """The library calls a dropped connection a timeout; only the chain of causes tells them apart."""
    chain = list(_walk_causes(error))
    deepest = chain[-1]
    words = f"{type(deepest).__name__}: {deepest}" if str(deepest) else type(deepest).__name__
    if any(isinstance(cause, TimeoutError) for cause in chain):
        return Failure(FailureKind.TIMEOUT, f"no answer in time ({words})")
    return Failure(FailureKind.CONNECTION, words)


def _walk_causes(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__
