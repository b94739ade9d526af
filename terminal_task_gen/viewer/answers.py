"""JSON answers, and errors as JSON: `{"error": {"code", "message"}}`."""

from __future__ import annotations

import orjson
from aiohttp import web

from terminal_task_gen.viewer.cuts import Json


def answer_json(data: Json, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(data), status=status, content_type="application/json", charset="utf-8")


def refuse(status: int, code: str, message: str) -> web.Response:
    answer = answer_json({"error": {"code": code, "message": " ".join(message.split())[:1_000]}}, status=status)
    if status == 503:
        answer.headers["Retry-After"] = "1"
    return answer
