"""A teacher made of files: each call becomes a request file, the reply is whatever file somebody puts beside it.

    MAILBOX/
      0007-author-3fa1c2d4.request.md     the conversation, message by message
      0007-author-3fa1c2d4.reply.md       written by a person or another program; whole once it has this name

The honest way to see how prompts read to someone who knows nothing else. A call that was answered before gets the same
reply at once, so a rerun costs nobody anything. Numbers only order the files; the digest of the call is their identity.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from terminal_task_gen.errors import UsageError
from terminal_task_gen.teacher.dialect import ChatCall
from terminal_task_gen.teacher.scripts import AUTHOR_MARK, ScriptedReply

POLL_SEC = 0.2


class Mailbox:
    """Waits for replies in a folder. Safe to use from many coroutines at once."""

    def __init__(self, folder: Path, *, timeout_sec: float) -> None:
        self._folder = folder
        self._timeout_sec = timeout_sec
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot use {folder} as a mailbox: {error.strerror}") from error

    async def await_reply(self, call: ChatCall) -> ScriptedReply | None:
        """The reply, or None when nobody wrote one within the time limit."""
        request = self._put_request(call)
        reply = request.with_name(request.name.replace(".request.md", ".reply.md"))
        deadline = asyncio.get_running_loop().time() + self._timeout_sec
        while not reply.exists():
            if asyncio.get_running_loop().time() >= deadline:
                return None
            await asyncio.sleep(POLL_SEC)
        return ScriptedReply(source=reply.name, content=reply.read_text(encoding="utf-8"))

    def _put_request(self, call: ChatCall) -> Path:
        digest = call.digest.hex()[:12]
        known = sorted(self._folder.glob(f"*-{digest}.request.md"))
        if known:
            return known[0]
        role = "author" if any(AUTHOR_MARK in m.content for m in call.messages if m.role == "system") else "actor"
        number = len(list(self._folder.glob("*.request.md"))) + 1
        path = self._folder / f"{number:04d}-{role}-{digest}.request.md"
        text = "\n\n".join(f"===== {message.role} =====\n\n{message.content}" for message in call.messages)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(path)
        return path
