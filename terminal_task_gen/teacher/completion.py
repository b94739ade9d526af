"""Reads the body of a chat completion: a Reply, or the Failure that says what is wrong with it.

Tolerant where endpoints differ and no meaning is lost (no usage, no finish reason, content in parts, reasoning under
either of its two names); strict where a guess would put nonsense into the data. `<think>` inside the content stays
there: only the endpoint can tell reasoning from an answer that speaks of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from terminal_task_gen.config import EndpointConfig
from terminal_task_gen.records import Usage
from terminal_task_gen.teacher import Reply
from terminal_task_gen.teacher.failures import Failure, FailureKind, judge_status
from terminal_task_gen.teacher.wire import Answer

_SHOWN_BYTES = 20_000


def read_answer(answer: Answer, endpoint: EndpointConfig) -> Reply | Failure:
    """What an answer says; `endpoint` gives the prices and the name to fall back on."""
    if not 200 <= answer.status < 300:
        return judge_status(answer.status, answer.body, answer.headers)
    return _read_reply(answer.body, endpoint)


def _read_reply(body: bytes, endpoint: EndpointConfig) -> Reply | Failure:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        shown = body[:_SHOWN_BYTES].decode(errors="replace")
        return Failure(FailureKind.MALFORMED, f"the answer is not JSON: {shown or 'empty body'}")
    if not isinstance(document, dict):
        return Failure(FailureKind.MALFORMED, "the answer is not a chat completion")
    if document.get("error"):
        return _read_wrapped_error(document["error"], body)
    choices = document.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return Failure(FailureKind.MALFORMED, "the answer holds no choices")
    finish_reason = choice.get("finish_reason")
    reply = Reply(
        content=_join_parts(message.get("content")),
        reasoning=_read_reasoning(message),
        finish_reason=finish_reason if isinstance(finish_reason, str) and finish_reason else "stop",
        usage=_read_usage(document.get("usage"), endpoint),
        model=document["model"] if isinstance(document.get("model"), str) else endpoint.model,
    )
    fault = _find_fault(reply, message.get("refusal"))
    return reply if fault is None else replace(fault, usage=reply.usage)


def _find_fault(reply: Reply, refusal: object) -> Failure | None:
    if reply.finish_reason == "content_filter":
        return Failure(FailureKind.CONTENT_FILTER, "the endpoint's content filter stopped the reply")
    if reply.finish_reason == "error":
        return Failure(FailureKind.SERVER_ERROR, "the endpoint broke off in the middle of the reply")
    if reply.content.strip():
        return None
    if isinstance(refusal, str) and refusal:
        return Failure(FailureKind.REFUSED, f"the model refused: {refusal}")
    if reply.finish_reason == "length":
        detail = "max_tokens was used up before any content came (reasoning counts); allow more"
    else:
        detail = "reasoning but no content" if reply.reasoning else "no content"
    return Failure(FailureKind.EMPTY, f"empty reply: {detail}")


def _read_wrapped_error(error: object, body: bytes) -> Failure:
    """Routers answer 200 with the upstream's error inside; its code is then the true status."""
    code = error.get("code") if isinstance(error, dict) else None
    status = int(code) if isinstance(code, int | str) and str(code).isdecimal() else 502
    return judge_status(status if 400 <= status <= 599 else 502, body, {})


def _join_parts(content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
    return "".join(text for text in texts if isinstance(text, str))


def _read_reasoning(message: dict[str, Any]) -> str | None:
    for field in ("reasoning_content", "reasoning"):
        value = message.get(field)
        if isinstance(value, str) and value:
            return value
    return None


def _read_usage(usage: object, endpoint: EndpointConfig) -> Usage:
    prompt = _read_count(usage, "prompt_tokens")
    completion = _read_count(usage, "completion_tokens")
    # The second name is one vendor's own.
    found = _read_count(usage, "prompt_tokens_details", "cached_tokens") or _read_count(
        usage, "prompt_cache_hit_tokens"
    )
    cached = min(prompt, found)
    return Usage(
        calls=1,
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached,
        reasoning_tokens=_read_count(usage, "completion_tokens_details", "reasoning_tokens"),
        cost_usd=endpoint.count_cost_usd(prompt, cached, completion),
    )


def _read_count(value: object, *path: str) -> int:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
