"""The local server of `ttg view`: the page, the API and a process a run that keeps its index up to date."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware

from terminal_task_gen import __version__
from terminal_task_gen.errors import UsageError
from terminal_task_gen.viewer.answers import refuse
from terminal_task_gen.viewer.guard import Guard, Handler, add_headers
from terminal_task_gen.viewer.layout import check_run, choose_index_folder
from terminal_task_gen.viewer.lists import BadRequestError
from terminal_task_gen.viewer.live import Live
from terminal_task_gen.viewer.reading import GoneError
from terminal_task_gen.viewer.routes import Routes
from terminal_task_gen.viewer.run_index import NotReadyError, RunIndex, UnknownIdError
from terminal_task_gen.viewer.shapes import UnusableLineError

HOST = "127.0.0.1"
MAX_RUNS = 64
_log = logging.getLogger(__name__)
_ANSWERS: dict[type[Exception], tuple[int, str]] = {
    UnknownIdError: (404, "not_found"),
    BadRequestError: (400, "bad_request"),
    NotReadyError: (503, "not_ready"),
    GoneError: (410, "gone"),
    UnusableLineError: (413, "too_large"),
    UsageError: (409, "read_only"),
}
_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 503: "not_ready"}


class Viewer:
    """A running server."""

    def __init__(self, runs: dict[str, RunIndex], token: str, port: int) -> None:
        self.runs = runs
        self.token = token
        self.port = port

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}/"

    @property
    def entrance(self) -> str:
        """The address with the token."""
        return f"{self.address}?token={self.token}"


@asynccontextmanager
async def open_viewer(paths: Sequence[Path], *, port: int = 0, index_dir: Path | None = None) -> AsyncIterator[Viewer]:
    """Serve until the block ends. Raises UsageError: no run, no place for the index, the port is taken."""
    runs = open_runs(paths, index_dir)
    guard, live = Guard(), Live(runs)
    app = web.Application(middlewares=[_make_middleware(guard)], client_max_size=1_000_000)
    Routes(runs, __version__).add_to(app)
    app.router.add_get("/api/events", live.get_events)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    builders: list[Builders] = []
    try:
        site = web.TCPSite(runner, HOST, port)
        try:
            await site.start()
        except OSError as error:
            raise UsageError(f"cannot listen on {HOST}:{port}: {error.strerror}; choose another --port") from error
        builders = [await Builders.start(run) for run in runs.values()]
        yield Viewer(runs, guard.token, runner.addresses[0][1])
    finally:
        await live.stop()
        await runner.cleanup()
        for builder in builders:
            await builder.stop()


def open_runs(paths: Sequence[Path], index_dir: Path | None) -> dict[str, RunIndex]:
    """Runs by the names that they have here. Raises UsageError."""
    if len(paths) > MAX_RUNS:
        raise UsageError(f"{len(paths)} runs are too many to view at once; give at most {MAX_RUNS}")
    runs: dict[str, RunIndex] = {}
    for path in dict.fromkeys(path.resolve() for path in paths):
        run = check_run(path)
        name, number = path.name, 2
        while name in runs:
            name, number = f"{path.name}-{number}", number + 1
        runs[name] = RunIndex(name, run, choose_index_folder(path, index_dir))
    return runs


class Builders:
    """The process that builds one run's index; it is watched, and its failure shown."""

    def __init__(self, process: Process, run: RunIndex) -> None:
        self._process = process
        self._watch = asyncio.create_task(self._report(run))

    @classmethod
    async def start(cls, run: RunIndex) -> Builders:
        command = (sys.executable, "-m", "terminal_task_gen.viewer.builder", str(run.run.path), str(run.path.parent))
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=DEVNULL, stderr=PIPE)
        return cls(process, run)

    async def stop(self) -> None:
        """Its standard input ends, and so does it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 2.0)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await self._watch

    async def _report(self, run: RunIndex) -> None:
        assert self._process.stderr is not None
        said = b""
        while piece := await self._process.stderr.read(65_536):
            said = (said + piece)[-20_000:]
        if await self._process.wait() > 0:
            lines = said.decode(errors="replace").strip().splitlines()
            run.failure = lines[-1][:1_000] if lines else "the index builder ended"


def _make_middleware(guard: Guard) -> Middleware:
    @web.middleware
    async def serve(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = guard.check(request) or await _answer(request, handler)
        if not answer.prepared:
            add_headers(answer)
        return answer

    return serve


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The handler's answer; what it raises becomes an error in JSON."""
    try:
        return await handler(request)
    except tuple(_ANSWERS) as error:
        status, code = next(_ANSWERS[kind] for kind in type(error).__mro__ if kind in _ANSWERS)
        return refuse(status, code, str(error))
    except sqlite3.Error as error:
        return refuse(503, "not_ready", f"the index is being made anew ({error})")
    except web.HTTPException as error:
        return refuse(error.status, _HTTP_CODES.get(error.status, "bad_request"), error.text or error.reason)
    except Exception:  # noqa: BLE001 - a page must learn that its question broke the server; the log has the traceback
        _log.exception("%s %s", request.method, request.path)
        return refuse(500, "internal", "the viewer has a bug: see where ttg view was started")
