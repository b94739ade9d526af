"""Recordings are read, squeezed and played against a clock that the test moves."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from terminal_task_gen.errors import UsageError
from terminal_task_gen.replay.cast import Cast, Piece, read_cast
from terminal_task_gen.replay.player import Player

HEADER = {"version": 2, "width": 80, "height": 24}


def write_cast(path: Path, *lines: object) -> Path:
    path.write_bytes(b"\n".join(orjson.dumps(line) for line in lines) + b"\n")
    return path


def test_pauses_are_cut_and_other_events_left_out(tmp_path: Path) -> None:
    path = write_cast(
        tmp_path / "a.cast", HEADER, [0.5, "o", "a"], [90.0, "m", "mark"], [100.5, "o", "b"], [100.6, "o", "c"]
    )
    cast = read_cast(path, idle_limit_sec=2)
    assert (cast.columns, cast.rows) == (80, 24)
    assert [(round(piece.at_sec, 3), piece.text) for piece in cast.pieces] == [(0.5, "a"), (4.5, "b"), (4.6, "c")]


def test_torn_and_damaged_lines_are_passed_over(tmp_path: Path) -> None:
    path = write_cast(tmp_path / "a.cast", HEADER, [0.1, "o", "a"], ["x", "o", "b"], {"no": 1})
    path.write_bytes(path.read_bytes() + b'[0.2,"o","to')
    assert [piece.text for piece in read_cast(path, idle_limit_sec=2).pieces] == ["a"]


@pytest.mark.parametrize("content", [b"", b"not JSON\n", b'{"version":1,"width":80,"height":24}\n', b"[1,2]\n"])
def test_what_is_no_recording_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.cast"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"a\.cast is not an asciicast"):
        read_cast(path, idle_limit_sec=2)


class Viewer:
    """A person with a script: at each look a key, or so many seconds of patience."""

    def __init__(self, *doings: str | float) -> None:
        self.shown = ""
        self.status: list[str] = []
        self._doings = list(doings)
        self.now_sec = 0.0

    def draw(self, text: str) -> None:
        self.shown = text if "\x1b[2J" in text else self.shown + text

    def show_status(self, text: str, *, needed: bool) -> None:
        self.status.append(text.split()[0])

    def read_key(self, timeout_sec: float) -> str:
        doing = self._doings.pop(0) if self._doings else "q"
        if isinstance(doing, str):
            return doing
        self.now_sec += doing
        return ""


def play(viewer: Viewer, *, speed: float = 1.0) -> str:
    """What the screen shows when the viewer leaves, without the clearing at the start."""
    cast = Cast(80, 24, [Piece(float(second), f"{second}") for second in range(10)])
    Player(cast, viewer, speed=speed, clock=lambda: viewer.now_sec).play()
    return viewer.shown.rpartition("\x1b[2J")[2]


def test_output_comes_when_it_is_due() -> None:
    assert play(Viewer(3.5, "")) == "0123"


def test_speed_changes_what_is_due() -> None:
    assert play(Viewer(2.2, ""), speed=2) == "01234"
    assert play(Viewer("+", 2.2, "")) == "01234"
    assert play(Viewer("-", 2.2, "")) == "01"


def test_a_pause_holds_the_clock() -> None:
    viewer = Viewer(1.5, "space", 5.0, "space", 1.0, "")
    assert play(viewer) == "012"
    assert "paused" in viewer.status


def test_seeking_forth_and_back() -> None:
    assert play(Viewer("right", 0.1, "")) == "012345"
    assert play(Viewer(8.2, "left", 0.0, "")) == "0123"


def test_the_end_waits_for_the_viewer() -> None:
    viewer = Viewer(60.0, "", "")
    assert play(viewer) == "0123456789"
    assert viewer.status[-1] == "end"
