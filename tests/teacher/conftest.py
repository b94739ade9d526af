"""One server, and a bench of teachers for it that are closed after the test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.teacher.bench import Bench, Endpoint, serve_endpoint


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with serve_endpoint() as server:
        yield server


@pytest.fixture
async def bench(endpoint: Endpoint) -> AsyncIterator[Bench]:
    bench = Bench(endpoint)
    yield bench
    for teacher in bench.opened:
        await teacher.close()
