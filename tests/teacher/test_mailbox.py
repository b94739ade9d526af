"""The teacher made of files: a call waits for its reply file, a known call is answered at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from terminal_task_gen.config import EndpointConfig
from terminal_task_gen.errors import TeacherError
from terminal_task_gen.teacher.client import OpenAITeacher
from terminal_task_gen.teacher.mailbox import Mailbox
from terminal_task_gen.teacher.scripted import serve_scripted
from terminal_task_gen.trajectory import Message

AUTHOR = (Message(role="system", content="You write terminal tasks."), Message(role="user", content="One, please."))


def make_teacher(base_url: str) -> OpenAITeacher:
    return OpenAITeacher(EndpointConfig(base_url=base_url, model="m", api_key_env="", max_retries=0))


async def answer(folder: Path, text: str) -> str:
    """Do as a person would: see the request, write beside it, give it its name when it is whole."""
    while not (found := list(folder.glob("*.request.md"))):
        await asyncio.sleep(0.01)
    reply = found[0].with_name(found[0].name.replace(".request.md", ".reply.md"))
    draft = reply.with_suffix(".draft")
    draft.write_text(text)
    draft.rename(reply)
    return found[0].read_text()


async def test_a_reply_file_answers_the_call_and_the_same_call_again(tmp_path: Path) -> None:
    box = tmp_path / "box"
    async with serve_scripted([], mailbox=Mailbox(box, timeout_sec=10.0)) as server:
        teacher = make_teacher(server.base_url)
        reply, request = await asyncio.gather(teacher.complete(AUTHOR), answer(box, "Here: ünïcode\n"))
        again = await teacher.complete(AUTHOR)
        await teacher.close()
    assert reply.content == again.content == "Here: ünïcode\n"
    assert "===== user =====\n\nOne, please." in request
    assert [path.name.split("-")[:2] for path in box.glob("*.request.md")] == [["0001", "author"]]


async def test_silence_is_an_error_after_the_time_limit(tmp_path: Path) -> None:
    async with serve_scripted([], mailbox=Mailbox(tmp_path, timeout_sec=0.3)) as server:
        teacher = make_teacher(server.base_url)
        with pytest.raises(TeacherError, match="Nobody put a reply"):
            await teacher.complete(AUTHOR)
        await teacher.close()
