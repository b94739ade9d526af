"""The wire format of a chat completion as a server speaks it: reads a call, writes a completion or an error body.

What real endpoints take and we can honour is taken (text in parts, `developer` and `tool` messages); what we cannot
honour is refused by name rather than ignored, so nobody rehearses with something that is not there.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Literal

import orjson

from terminal_task_gen.teacher.scripts import ScriptedReply
from terminal_task_gen.trajectory import Message

_CHARS_PER_TOKEN = 4
_ROLES: dict[object, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "tool": "user",
    "assistant": "assistant",
}


class MalformedCallError(Exception):
    """The call cannot be answered; the message is for the client."""


@dataclass(frozen=True)
class ChatCall:
    model: str
    messages: tuple[Message, ...]
    digest: bytes
    """SHA-256 of the body as it came."""


def read_call(body: bytes) -> ChatCall:
    """Raises MalformedCallError saying what is wrong or not supported."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedCallError(f"The body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise MalformedCallError("The body must be a JSON object.")
    if document.get("stream"):
        raise MalformedCallError("The scripted teacher does not stream; leave out 'stream' or set it to false.")
    if document.get("n") not in (None, 1):
        raise MalformedCallError("The scripted teacher gives one choice; leave out 'n' or set it to 1.")
    model, messages = document.get("model"), document.get("messages")
    if not isinstance(model, str) or not model:
        raise MalformedCallError("'model' must be a string.")
    if not isinstance(messages, list) or not messages:
        raise MalformedCallError("'messages' must be a list with at least one message.")
    read = tuple(_read_message(message, index) for index, message in enumerate(messages))
    return ChatCall(model, read, hashlib.sha256(body).digest())


def compose_completion(call: ChatCall, reply: ScriptedReply, finish_reason: str | None = None) -> bytes:
    """The answer's body. All but `created`, which is the time, follows from the call and the reply."""
    message: dict[str, object] = {"role": "assistant", "content": reply.content, "refusal": None}
    if reply.reasoning is not None:
        message["reasoning_content"] = reply.reasoning
    prompt = sum(_count_tokens(message.content) for message in call.messages)
    reasoning = _count_tokens(reply.reasoning or "")
    completion = _count_tokens(reply.content) + reasoning
    document = {
        "id": f"chatcmpl-{call.digest.hex()[:24]}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": call.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason or reply.finish}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        },
    }
    return orjson.dumps(document)


def compose_error(status: int, message: str, code: str | None) -> bytes:
    kinds = {400: "invalid_request_error", 401: "invalid_request_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return orjson.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})


def _read_message(message: object, index: int) -> Message:
    if not isinstance(message, dict):
        raise MalformedCallError(f"messages[{index}] must be an object.")
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise MalformedCallError(f"messages[{index}].role {role!r} is not known.")
    return Message(role=_ROLES[role], content=_read_content(message.get("content"), index))


def _read_content(content: object, index: int) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    if len(texts) != len(parts) or not all(isinstance(text, str) for text in texts):
        raise MalformedCallError(f"messages[{index}].content must be text or a list of text parts.")
    return "".join(str(text) for text in texts)


def _count_tokens(text: str) -> int:
    return -(-len(text) // _CHARS_PER_TOKEN)
