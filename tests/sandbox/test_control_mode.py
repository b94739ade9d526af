"""tmux's control protocol: cut anywhere, hostile content, replies matched, and an end that leaves nobody waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from terminal_task_gen.errors import SandboxError
from terminal_task_gen.sandbox.control_mode import (
    ControlClient,
    ControlParser,
    Event,
    Exited,
    PaneOutput,
    PanePaused,
    Reply,
    Stray,
    StreamEndedError,
    unescape_output,
)
from terminal_task_gen.sandbox.prompt_marks import PromptMarks

SESSION = (
    b"%begin 1 260 0\n%end 1 260 0\n%window-add @0\n%session-changed $0 main\n"
    b"%output %0 \\033[?2004hroot@sandbox:/app# \\033]133;B;0\\007\n"
    b"%begin 2 270 1\n\xc3\xa9 %output %0 no\n%end 2 271 1\n%begin 2 270 1\n\n%end 2 270 1\n"
    b"%extended-output %0 12 : caf\xc3\n%extended-output %0 0 : \xa9 : \\134 %x\\015\\012\n"
    b"%pause %0\nsh: tmux: not found\n%begin 3 280 1\nno pane\n%error 3 280 1\n%exit gone\n"
)
EVENTS: list[Event] = [
    Reply(ok=True, ours=False, lines=()),
    PaneOutput("%0", b"\x1b[?2004hroot@sandbox:/app# \x1b]133;B;0\x07"),
    Reply(ok=True, ours=True, lines=(b"\xc3\xa9 %output %0 no", b"%end 2 271 1", b"%begin 2 270 1", b"")),
    PaneOutput("%0", b"caf\xc3"),
    PaneOutput("%0", b"\xa9 : \\ %x\r\n"),
    PanePaused("%0"),
    Stray("sh: tmux: not found"),
    Reply(ok=False, ours=True, lines=(b"no pane",)),
    Exited("gone"),
]


def test_every_split_gives_the_same_events() -> None:
    for cut in range(len(SESSION) + 1):
        parser = ControlParser()
        assert parser.feed(SESSION[:cut]) + parser.feed(SESSION[cut:]) == EVENTS


def test_byte_by_byte_gives_the_same_events() -> None:
    parser = ControlParser()
    assert [event for i in range(len(SESSION)) for event in parser.feed(SESSION[i : i + 1])] == EVENTS


def test_every_byte_survives_the_escapes() -> None:
    escaped = b"".join(b"\\%03o" % byte if byte < 32 or byte == 0x5C else bytes([byte]) for byte in range(256))
    assert unescape_output(escaped) == bytes(range(256))


def test_a_line_without_end_is_refused() -> None:
    parser = ControlParser()
    with pytest.raises(StreamEndedError):
        for _ in range(5):
            parser.feed(b"x" * 1_000_000)


def test_a_reply_is_bounded() -> None:
    parser = ControlParser(max_reply_bytes=100)
    [reply] = parser.feed(b"%begin 1 1 1\n" + b"123456789\n" * 50 + b"%end 1 1 1\n")
    assert isinstance(reply, Reply)
    assert reply.lines == (b"123456789",) * 10


def test_marks_are_found_at_every_split() -> None:
    text = b"x\x1b]133;C\x07out\x1b[3J\x1b]133;P\x07> \x1b]133;B;12\x07"
    for cut in range(len(text) + 1):
        marks = PromptMarks()
        marks.feed(text[:cut])
        marks.feed(text[cut:])
        assert (marks.state, marks.prompts, marks.jobs, marks.history_clears) == ("prompt", 2, 12, 1)


def test_a_command_that_starts_leaves_the_prompt() -> None:
    marks = PromptMarks()
    marks.feed(b"\x1b]133;B;0\x07ls\x1b]133;C\x07")
    assert marks.state == "running"


class ScriptedStream:
    """The tmux end of a byte stream: what it gets is kept, what it says is fed by the test."""

    def __init__(self) -> None:
        self.received = b""
        self.broken = False
        self._reader = asyncio.StreamReader()

    def say(self, data: bytes) -> None:
        self._reader.feed_data(data)

    def hang_up(self) -> None:
        self._reader.feed_eof()

    async def read(self, max_bytes: int = 65536) -> bytes:
        return await self._reader.read(max_bytes)

    async def write(self, data: bytes) -> None:
        if self.broken:
            raise SandboxError("stream_closed")
        self.received += data

    async def close(self) -> None:
        pass


class Log:
    """Keeps what the client passes on."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, events: Sequence[Event]) -> None:
        self.events.extend(events)


def make_reply(number: int, text: str, *, ours: bool = True) -> bytes:
    return f"%begin 1 {number} {ours:d}\n{text}\n%end 1 {number} {ours:d}\n".encode()


async def test_replies_match_their_commands() -> None:
    stream, log = ScriptedStream(), Log()
    client = ControlClient(stream, log)
    first, second = asyncio.create_task(client.request("a", "b")), asyncio.create_task(client.request("c"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert stream.received == b"a\nb\nc\n"
    stream.say(make_reply(7, "start", ours=False) + make_reply(8, "A") + b"%output %0 x\n" + make_reply(9, "B"))
    assert [reply.text for reply in await first] == ["A", "B"]
    stream.say(make_reply(10, "C"))
    assert [reply.text for reply in await second] == ["C"]
    assert PaneOutput("%0", b"x") in log.events
    await client.close()


async def test_a_request_given_up_does_not_shift_the_replies() -> None:
    stream = ScriptedStream()
    client = ControlClient(stream, Log())
    given_up = asyncio.create_task(client.request("a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    waiting = asyncio.create_task(client.request("b"))
    stream.say(make_reply(1, "A") + make_reply(2, "B"))
    assert [reply.text for reply in await waiting] == ["B"]
    await client.close()


@pytest.mark.parametrize("last_words", [b"", b"%exit\n", b"%output %0 \\u1\n"])
async def test_the_end_of_the_stream_ends_every_request(last_words: bytes) -> None:
    stream, log = ScriptedStream(), Log()
    client = ControlClient(stream, log)
    waiting = asyncio.create_task(client.request("a", "b"))
    await asyncio.sleep(0)
    stream.say(last_words)
    stream.hang_up()
    with pytest.raises(StreamEndedError):
        await waiting
    with pytest.raises(StreamEndedError):
        await client.request("c")
    assert client.ended
    assert isinstance(log.events[-1], Exited)
    await client.close()


async def test_a_refused_command_ends_the_client() -> None:
    stream = ScriptedStream()
    client = ControlClient(stream, Log())
    stream.say(b"")
    waiting = asyncio.create_task(client.request("send-keys -t %0 x"))
    await asyncio.sleep(0)
    stream.say(b"%begin 1 1 1\ncan't find pane: %0\n%error 1 1 1\n")
    with pytest.raises(StreamEndedError, match="can't find pane"):
        await waiting
    assert client.ended
    await client.close()


async def test_silence_ends_the_client() -> None:
    client = ControlClient(ScriptedStream(), Log(), reply_timeout_sec=0.02)
    with pytest.raises(StreamEndedError, match="does not answer"):
        await client.request("a")
    await client.close()


async def test_a_broken_pipe_is_the_end_of_the_stream() -> None:
    stream = ScriptedStream()
    stream.broken = True
    client = ControlClient(stream, Log())
    with pytest.raises(StreamEndedError):
        await client.request("a")
    await client.close()
