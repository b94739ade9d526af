"""Recordings: valid asciicast v2, whole characters, bounded, and harmless when the disk is full."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from terminal_task_gen.sandbox import Sandbox
from terminal_task_gen.sandbox.asciicast import Recording
from terminal_task_gen.sandbox.terminal import Terminal, TerminalOptions


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def get_output(lines: list[Any]) -> str:
    return "".join(event[2] for event in lines[1:] if event[1] == "o")


def make_recording(path: Path, max_bytes: int = 1_000_000) -> Recording:
    return Recording(path, columns=160, rows=40, term="x", max_bytes=max_bytes)


def test_characters_are_whole_wherever_they_are_split(tmp_path: Path) -> None:
    data = "aé中😀\r\n\x1b[0m".encode()
    for cut in range(len(data) + 1):
        recording = make_recording(tmp_path / "cut.cast")
        recording.write(data[:cut])
        recording.write(data[cut:])
        recording.close()
        assert get_output(read_lines(tmp_path / "cut.cast")).encode() == data


def test_half_a_character_at_a_gap_and_at_the_end_is_replaced(tmp_path: Path) -> None:
    recording = make_recording(tmp_path / "half.cast")
    recording.write(b"a\xc3")
    recording.mark_gap()
    recording.write(b"b\xc3")
    recording.close()
    recording.close()
    lines = read_lines(tmp_path / "half.cast")
    assert [event[1:] for event in lines[1:]] == [["o", "a"], ["m", "output skipped"], ["o", "b"], ["o", "\ufffd"]]


def test_it_ends_with_a_marker_at_its_limit(tmp_path: Path) -> None:
    recording = make_recording(tmp_path / "cut.cast", max_bytes=2_000)
    for _ in range(1_000):
        recording.write(b"0123456789")
    recording.close()
    assert read_lines(tmp_path / "cut.cast")[-1][1:] == ["m", "recording cut at 2000 bytes"]
    assert (tmp_path / "cut.cast").stat().st_size < 2_200


@pytest.mark.parametrize("path", [Path("/dev/full"), Path("/proc/no/such.cast")])
def test_a_file_that_cannot_be_written_ends_the_recording_only(path: Path) -> None:
    recording = make_recording(path)
    for _ in range(100):
        recording.write(b"x" * 10_000)
    recording.mark_gap()
    recording.close()
    assert recording.error


async def test_it_replays_to_what_was_seen(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "one.cast"
    terminal = await Terminal.open(sandbox, recording=path)
    await terminal.send("printf 'caf\\xc3'; sleep 0.2; printf '\\xa9 😀\\n'\n", 30.0)
    await terminal.send("seq 1 3000\n", 30.0)
    await terminal.close()
    header, *events = read_lines(path)
    assert (header["version"], header["width"], header["height"]) == (2, 160, 40)
    assert header["env"] == {"SHELL": "/bin/bash", "TERM": "tmux-256color"}
    times = [event[0] for event in events]
    assert times == sorted(times)
    output = get_output([header, *events])
    assert "café 😀\r\n" in output
    assert "\r\n".join(map(str, range(1, 3001))) in output
    assert "\ufffd" not in output


async def test_its_limit_does_not_touch_the_terminal(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "cut.cast"
    terminal = await Terminal.open(sandbox, TerminalOptions(max_recording_bytes=20_000), recording=path)
    await terminal.send("seq 1 30000\n", 30.0)
    assert "30000" in await terminal.capture_screen()
    await terminal.close()
    assert read_lines(path)[-1][1:] == ["m", "recording cut at 20000 bytes"]
