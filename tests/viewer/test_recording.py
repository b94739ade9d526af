"""Which second of a recording belongs to which turn; ranges of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from terminal_task_gen.store import TRAJECTORIES, RunDirectory
from terminal_task_gen.viewer.recording import find_recording, find_turn_starts, read_recording
from tests.export.samples import make_sample_task, make_sample_trajectory
from tests.viewer.conftest import open_client

PROMPT = "\x1b[?2004hroot@sandbox:/app# \x1b]133;B;0\x07"
HEADER = {"version": 2, "width": 160, "height": 40}
LONG = "python3 -c 'print(" + "1 + " * 40 + "1)'"


def write_cast(path: Path, *events: tuple[float, str]) -> Path:
    lines: list[Any] = [HEADER, *([at, "o", text] for at, text in events)]
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("turns", "starts"),
    [
        ([["ls\n"], ["cat a\n"], ["ls\n"]], [1.0, 2.0, 3.0]),
        # The second of two equal commands in one turn is not the next turn's.
        ([["ls\n", "cat a\n"], ["ls\n"]], [1.0, 3.0]),
        # A turn that types nothing takes no time; one of a control key begins where the one before it does.
        ([["ls\n"], [], ["cat a\n"]], [1.0, 2.0, 2.0]),
        ([["ls\n"], ["C-c"], ["ls\n"], []], [1.0, 1.0, 3.0, 4.5]),
        # What is in no echo before the first one that is found is not known.
        ([["C-c"], ["cat a\n"]], [None, 2.0]),
        ([["never typed\n"]], [None]),
        ([[f"{LONG}\n"]], [4.0]),
        ([], []),
    ],
)
def test_turns_begin_where_their_keys_show(tmp_path: Path, turns: list[list[str]], starts: list[float | None]) -> None:
    cast = write_cast(
        tmp_path / "x.cast",
        (0.5, PROMPT),
        (1.0, "ls\r\n\x1b[?2004l"),
        (1.5, "a  b\r\n" + PROMPT),
        (2.0, "cat a\r\n"),
        (2.5, "text\r\n" + PROMPT),
        (3.0, "l\x1b[1ms\x1b[0m\r\n"),
        (3.5, "a  b\r\n" + PROMPT),
        # As readline shows what does not fit on a line.
        (4.0, LONG[:135] + "\x1b[K" + LONG[135] + "\r" + LONG[135:] + "\r\n"),
        (4.5, "41\r\n"),
    )
    recording = read_recording(cast)
    assert recording is not None and recording.seconds == 4.5
    assert find_turn_starts(recording, turns) == starts


@pytest.mark.parametrize("row_id", ["", "..", "../x", "a/b", "x\n", ".x", "x" * 300, "ü", "x\x00"])
def test_names_that_are_no_plain_ids_have_no_recording(tmp_path: Path, row_id: str) -> None:
    write_cast(tmp_path / "x.cast")
    assert find_recording(tmp_path, row_id) is None


async def test_the_file_and_its_ranges(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "cast")
    run.lock()
    run.unlock()
    run.write_file(run.identity_path, "{}")
    row = make_sample_trajectory(make_sample_task(1))
    writer = run.open_writer(TRAJECTORIES, max_bytes=10**6)
    writer.write(row)
    writer.close()
    whole = write_cast(
        run.recordings_dir / f"{row.id}.cast", (0.2, PROMPT), (0.3, "ls\r\n"), (0.9, PROMPT)
    ).read_bytes()
    async with open_client(run.path) as client:
        shown = await client.get(f"api/runs/cast/trajectories/{row.id}")
        assert shown["recording"]["seconds"] == 0.9 and shown["recording"]["columns"] == 160
        assert [(turn["start_sec"], turn["seconds"]) for turn in shown["turns"]] == [(0.3, 0.6), (0.9, 0.0)]
        path = shown["recording"]["url"].removeprefix("/")
        answer = await client.ask(path)
        assert answer.data == whole and answer.headers["Content-Type"] == "application/x-asciicast"
        part = await client.ask(path, headers={"Range": "bytes=10-19"})
        assert (part.status, part.data) == (206, whole[10:20])
        assert (await client.ask(path, headers={"Range": "bytes=999999-"})).status == 416
