"""Real servers over small runs on disk, and a client that has the token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
import pytest_asyncio
from aiohttp import ClientSession

from terminal_task_gen.finding import RuleName
from terminal_task_gen.viewer.server import Viewer, open_viewer
from tests.export.samples import make_run


class Answer(NamedTuple):
    status: int
    data: Any
    headers: Any


class Client:
    """Asks the server as the page does."""

    def __init__(self, viewer: Viewer, session: ClientSession) -> None:
        self.viewer = viewer
        self.session = session

    async def ask(self, path: str, **given: Any) -> Answer:
        """A GET of JSON with the token."""
        headers = {"Authorization": f"Bearer {self.viewer.token}", **given.pop("headers", {})}
        method = given.pop("method", "GET")
        async with self.session.request(method, self.viewer.address + path, headers=headers, **given) as answer:
            body = await answer.read()
            kind = answer.headers.get("Content-Type", "")
            return Answer(
                answer.status, orjson.loads(body) if kind.startswith("application/json") else body, answer.headers
            )

    async def get(self, path: str, **given: Any) -> Any:
        """The data of an answer that must be good."""
        answer = await self.ask(path, **given)
        assert answer.status == 200, answer
        return answer.data

    async def wait_until(self, path: str, holds: Callable[[Any], bool], timeout_sec: float = 60.0) -> Any:
        """Ask until the data of a good answer is as wanted."""
        deadline = time.monotonic() + timeout_sec
        answer = await self.ask(path)
        while answer.status != 200 or not holds(answer.data):
            assert time.monotonic() < deadline, answer
            await asyncio.sleep(0.05)
            answer = await self.ask(path)
        return answer.data


@asynccontextmanager
async def open_client(*runs: Path, index_dir: Path | None = None) -> AsyncIterator[Client]:
    """A server over the runs, its indexes built."""
    async with open_viewer(runs, index_dir=index_dir) as viewer, ClientSession() as session:
        client = Client(viewer, session)
        await client.wait_until("api/runs", lambda data: all(run["index"]["state"] == "ready" for run in data["runs"]))
        yield client


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 tasks, two attempts each, a corpus in which one row is dropped. Nobody may change more than its notes."""
    return make_run(tmp_path_factory.mktemp("runs"), "sample", attempts=2, dropped=RuleName.CONTAMINATION)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(sample_run: Path) -> AsyncIterator[Client]:
    async with open_client(sample_run) as opened:
        yield opened
