"""One POST to one server of an OpenAI-compatible endpoint: bytes out, an Answer or a Failure back.

Owns the `openai` package's HTTP client and its aiohttp transport (transport.py), and is the only file that sees their
exceptions. Retries, waits and slots are not here, nor is any idea of what the body means. Calls go out over it as they
are, with the headers that the package always sends, since preparing options and building models that nobody reads
costs the package three quarters of the CPU of a call (benchmarks/teacher).

Nothing is read without bound: a success over MAX_BODY_BYTES is a failure, an error is cut at MAX_ERROR_BYTES. Answers
are asked for uncompressed, so the bound is on what arrives.

Proxy and certificate variables work as the `openai` client has them, except that a loopback address is always reached
directly: no proxy can reach ours, and the demo must run behind one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
import httpx2

from terminal_task_gen.config import EndpointConfig
from terminal_task_gen.teacher.address import Address
from terminal_task_gen.teacher.failures import Failure, FailureKind
from terminal_task_gen.teacher.transport import MAX_CONNECTIONS, build_headers, open_http_client

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
CONNECT_TIMEOUT_SEC = 30.0
"""A host that does not answer at all is given up earlier than a model that thinks long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered, success or not."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """A pool of connections to one server, as many as calls may be in flight."""

    def __init__(self, endpoint: EndpointConfig, address: Address) -> None:
        connections = max(address.parallel, MAX_CONNECTIONS)
        silence_sec = min(endpoint.idle_timeout_sec or endpoint.timeout_sec, endpoint.timeout_sec)
        self._http = open_http_client(
            timeout=httpx2.Timeout(silence_sec, connect=min(CONNECT_TIMEOUT_SEC, endpoint.timeout_sec)),
            trust_env=not _is_loopback(address.base_url),
            limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
            event_hooks={"response": [_bound_body]},
        )
        self._headers = {**build_headers(address.key), "Accept-Encoding": "identity"}
        self._url = f"{address.base_url.rstrip('/')}/chat/completions"

    async def post(self, body: bytes) -> Answer | Failure:
        """Send one call. Ends after idle_timeout_sec of silence at the latest; the caller puts the total limit."""
        try:
            response = await self._http.post(self._url, content=body, headers=self._headers)
        except _OversizedBodyError:
            return Failure(FailureKind.MALFORMED, f"the answer is larger than {MAX_BODY_BYTES // 1024**2} MiB")
        # Not all that aiohttp and the socket layer raise is mapped by the library.
        except (httpx2.HTTPError, aiohttp.ClientError, OSError) as error:
            return _judge_broken_connection(error)
        return Answer(response.status_code, response.headers, response.content)

    async def close(self) -> None:
        await self._http.aclose()


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
