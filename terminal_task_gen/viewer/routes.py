"""The API: each route reads its parameters, asks one function in a thread, and gives its answer as JSON.

GET  /api/runs   /api/runs/{run}   /api/runs/{run}/funnel   /api/compare?run=…
GET  /api/runs/{run}/trajectories   …/{id}   …/{id}/recording        GET /api/runs/{run}/tasks   …/{id}
GET  /api/runs/{run}/diff?left=…&right=…
GET  /api/runs/{run}/notes   …/{id}   PUT …/{id}        GET /api/events
GET  /   /page/{file}
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from aiohttp import web
from pydantic import ValidationError

from terminal_task_gen.viewer.answers import answer_json, refuse
from terminal_task_gen.viewer.cuts import DEFAULT_TEXT_BYTES, MAX_TEXT_BYTES, Json
from terminal_task_gen.viewer.difference import compare_rows
from terminal_task_gen.viewer.funnel import count_funnel
from terminal_task_gen.viewer.heads import make_trajectory_heads
from terminal_task_gen.viewer.lists import (
    MAX_ROWS,
    TASK_FACETS,
    TASK_SORTS,
    TRAJECTORY_FACETS,
    TRAJECTORY_SORTS,
    BadRequestError,
    ListQuery,
    list_tasks,
    list_trajectories,
)
from terminal_task_gen.viewer.notes import Note, NoteDraft
from terminal_task_gen.viewer.pages import show_task, show_trajectory
from terminal_task_gen.viewer.recording import MAX_CAST_BYTES, find_recording
from terminal_task_gen.viewer.run_index import RunIndex, UnknownIdError
from terminal_task_gen.viewer.summary import describe_run, summarise_run

MAX_COMPARED_RUNS = 16
MAX_NOTE_BYTES = 200_000
MAX_VALUES = 200
"""Of one facet in one request."""
PAGE = Path(__file__).parent / "page"


class Routes:
    """Handlers over the runs that the server shows."""

    def __init__(self, runs: dict[str, RunIndex], version: str) -> None:
        self._runs = runs
        self._version = version
        # One row may take hundreds of megabytes while it is parsed.
        self._large = asyncio.Semaphore(2)

    def add_to(self, app: web.Application) -> None:
        run = "/api/runs/{run:[^/]+}"
        app.add_routes(
            [
                web.get("/", self.get_index),
                web.get("/page/{file:.+}", self.get_page_file),
                web.get("/api/runs", self.get_runs),
                web.get("/api/compare", self.get_comparison),
                web.get(run, self.get_run),
                web.get(f"{run}/funnel", self.get_funnel),
                web.get(f"{run}/trajectories", self.get_trajectories),
                web.get(f"{run}/trajectories/{{id:[^/]+}}", self.get_trajectory),
                web.get(f"{run}/trajectories/{{id:[^/]+}}/recording", self.get_recording),
                web.get(f"{run}/tasks", self.get_tasks),
                web.get(f"{run}/tasks/{{id:[^/]+}}", self.get_task),
                web.get(f"{run}/diff", self.get_diff),
                web.get(f"{run}/notes", self.get_notes),
                web.get(f"{run}/notes/{{id:[^/]+}}", self.get_note),
                web.put(f"{run}/notes/{{id:[^/]+}}", self.put_note),
            ]
        )

    async def get_index(self, request: web.Request) -> web.StreamResponse:
        return _send_file(PAGE / "index.html")

    async def get_page_file(self, request: web.Request) -> web.StreamResponse:
        path = (PAGE / request.match_info["file"]).resolve()
        if not path.is_relative_to(PAGE.resolve()) or not path.is_file():
            return refuse(404, "not_found", "no such file of the page")
        return _send_file(path)

    async def get_runs(self, request: web.Request) -> web.StreamResponse:
        heads = [await asyncio.to_thread(summarise_run, run) for run in self._runs.values()]
        return answer_json({"ttg_version": self._version, "runs": heads})

    async def get_run(self, request: web.Request) -> web.StreamResponse:
        return await self._ask(partial(describe_run, self._find(request)))

    async def get_funnel(self, request: web.Request) -> web.StreamResponse:
        return await self._ask(partial(count_funnel, self._find(request)))

    async def get_comparison(self, request: web.Request) -> web.StreamResponse:
        names = request.query.getall("run", []) or list(self._runs)
        if len(names) > MAX_COMPARED_RUNS:
            raise BadRequestError(f"run: at most {MAX_COMPARED_RUNS} at once")
        runs = [self._get_run(name) for name in names]
        return await self._ask(lambda: {"runs": [count_funnel(run) for run in runs]})

    async def get_trajectories(self, request: web.Request) -> web.StreamResponse:
        query = read_list_query(request, TRAJECTORY_FACETS, TRAJECTORY_SORTS)
        return await self._ask(partial(list_trajectories, self._find(request), query))

    async def get_tasks(self, request: web.Request) -> web.StreamResponse:
        query = read_list_query(request, TASK_FACETS, TASK_SORTS)
        return await self._ask(partial(list_tasks, self._find(request), query))

    async def get_trajectory(self, request: web.Request) -> web.StreamResponse:
        text_bytes = _read_number(request, "text_bytes", DEFAULT_TEXT_BYTES, least=1, most=MAX_TEXT_BYTES)
        turn = _read_number(request, "turn", 0, least=0, most=10**6) or None
        show = partial(show_trajectory, self._find(request), request.match_info["id"], text_bytes=text_bytes, turn=turn)
        async with self._large:
            return await self._ask(show)

    async def get_task(self, request: web.Request) -> web.StreamResponse:
        text_bytes = _read_number(request, "text_bytes", DEFAULT_TEXT_BYTES, least=1, most=MAX_TEXT_BYTES)
        async with self._large:
            return await self._ask(
                partial(show_task, self._find(request), request.match_info["id"], text_bytes=text_bytes)
            )

    async def get_recording(self, request: web.Request) -> web.StreamResponse:
        run, row_id = self._find(request), request.match_info["id"]
        path = await asyncio.to_thread(find_recording, run.run.recordings_dir, row_id)
        if path is None:
            raise UnknownIdError(f"{run.name} has no recording of {row_id[:80]}")
        if path.stat().st_size > MAX_CAST_BYTES:
            return refuse(413, "too_large", f"the recording has more than {MAX_CAST_BYTES} bytes: {path}")
        return web.FileResponse(path, headers={"Content-Type": "application/x-asciicast"})

    async def get_diff(self, request: web.Request) -> web.StreamResponse:
        left, right = (_read_text(request, name) for name in ("left", "right"))
        runs = self._find(request), self._get_run(request.query.get("right_run") or request.match_info["run"])

        def compare() -> Json:
            sides = list(zip(runs, (left, right), strict=True))
            rows = [run.find_trajectory(row_id) for run, row_id in sides]
            heads = [
                make_trajectory_heads(run, run.take_tables()[0], [row])[0]
                for (run, _), row in zip(sides, rows, strict=True)
            ]
            read = [run.read_trajectory(row) for (run, _), row in zip(sides, rows, strict=True)]
            return {"left": heads[0], "right": heads[1], **compare_rows(*read)}

        async with self._large:
            return await self._ask(compare)

    async def get_notes(self, request: web.Request) -> web.StreamResponse:
        book = self._find(request).notes
        return await self._ask(
            lambda: {
                "notes": [note.model_dump(mode="json") for note in book.list_notes()],
                "labels": book.count_labels(),
                "path": str(book.path),
                "writable": book.writable,
            }
        )

    async def get_note(self, request: web.Request) -> web.StreamResponse:
        run, row_id = self._find(request), request.match_info["id"]

        def read() -> Json:
            _require_row(run, row_id)
            return (run.notes.get(row_id) or Note(id=row_id)).model_dump(mode="json")

        return await self._ask(read)

    async def put_note(self, request: web.Request) -> web.StreamResponse:
        run, row_id = self._find(request), request.match_info["id"]
        if request.content_type != "application/json":
            raise BadRequestError("Content-Type: must be application/json")
        body = await request.content.read(MAX_NOTE_BYTES + 1)
        if len(body) > MAX_NOTE_BYTES or not request.content.at_eof():
            return refuse(413, "too_large", f"a note has at most {MAX_NOTE_BYTES} bytes")
        try:
            draft = NoteDraft.model_validate_json(body)
        except ValidationError as error:
            first = error.errors()[0]
            raise BadRequestError(f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}") from error

        def write() -> Json:
            _require_row(run, row_id)
            return run.notes.put(row_id, draft).model_dump(mode="json")

        return await self._ask(write)

    async def _ask(self, question: Callable[[], Json]) -> web.Response:
        return answer_json(await asyncio.to_thread(question))

    def _find(self, request: web.Request) -> RunIndex:
        return self._get_run(request.match_info["run"])

    def _get_run(self, name: str) -> RunIndex:
        if name not in self._runs:
            raise UnknownIdError(f"no run {name[:80]} here; there is: {', '.join(self._runs)[:500]}")
        return self._runs[name]


def read_list_query(request: web.Request, facets: tuple[str, ...], sorts: tuple[str, ...]) -> ListQuery:
    """Raises BadRequestError."""
    known = {*facets, "q", "task", "sort", "offset", "limit", "facets", "facet_q"}
    strange = sorted(set(request.query) - known)
    if strange:
        raise BadRequestError(f"{strange[0][:80]}: no such parameter; there is: {', '.join(sorted(known))}")
    sort = request.query.get("sort", "order")
    key = sort.removeprefix("-")
    if key not in sorts:
        raise BadRequestError(f"sort: {key[:80]!r} is none of {', '.join(sorts)}")
    values = {name: request.query.getall(name)[:MAX_VALUES] for name in facets if name in request.query}
    return ListQuery(
        values=values,
        q=request.query.get("q", "")[:2_000],
        task=request.query.get("task", ""),
        sort=key,
        descending=sort.startswith("-"),
        offset=_read_number(request, "offset", 0, least=0, most=2**40),
        limit=_read_number(request, "limit", 50, least=0, most=MAX_ROWS),
        facets=request.query.get("facets", "1") != "0",
        facet_text=dict(_read_facet_text(text, facets) for text in request.query.getall("facet_q", [])),
    )


def _read_facet_text(text: str, facets: tuple[str, ...]) -> tuple[str, str]:
    name, _, part = text.partition(":")
    if name not in facets:
        raise BadRequestError(f"facet_q: {name[:80]!r} is none of {', '.join(facets)}")
    return name, part


def _read_number(request: web.Request, name: str, default: int, *, least: int, most: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 15 or not least <= int(text) <= most:
        raise BadRequestError(f"{name}: must be a whole number from {least} to {most}")
    return int(text)


def _read_text(request: web.Request, name: str) -> str:
    if not request.query.get(name):
        raise BadRequestError(f"{name}: missing")
    return request.query[name]


def _require_row(run: RunIndex, row_id: str) -> None:
    try:
        run.find_trajectory(row_id)
    except UnknownIdError:
        run.find_item(row_id)


def _send_file(path: Path) -> web.FileResponse:
    return web.FileResponse(path, headers={"Cache-Control": "no-cache"})
