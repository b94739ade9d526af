"""`ttg stats`, `show` and `replay` on a run of the demo: true numbers, every kind of row, hostile text inert."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import orjson
import pytest
from typer.testing import CliRunner, Result

from terminal_task_gen.cli.main import app
from terminal_task_gen.errors import UsageError
from tests.e2e.conftest import FinishedDemo
from tests.e2e.demo_run import ENVIRON, Lines, read_run

pytestmark = pytest.mark.bubblewrap

HOSTILE = (
    "\x1b]52;c;cm0gLXJmIC8=\x07\x1b]0;gotcha\x07\x1b[6n\x1b[?1003h\x9b\x07‮txt.exe <script>alert(1)</script> [bold]"
)
ONLY_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def ttg(*args: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args], env={"COLUMNS": "120"})
    assert result.exit_code == code, f"{result.output}{result.exception!r}"
    return result


def refuse(*args: str | Path) -> str:
    """The one line with which the program, as `main` prints it, refuses."""
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert isinstance(result.exception, UsageError), result.output
    return str(result.exception)


@pytest.fixture
def lines(demo: FinishedDemo) -> Lines:
    return read_run(demo.run)


def test_statistics_can_be_recounted(demo: FinishedDemo, lines: Lines) -> None:
    (survey,) = orjson.loads(ttg("stats", demo.run, "--json").stdout)
    turns = [len(row["steps"]) for row in lines.trajectories]
    everything = survey["streams"][0]
    assert everything["trajectories"] == len(turns)
    assert everything["turns"]["mean"] == pytest.approx(statistics.mean(turns), abs=1e-4)
    assert everything["turns"]["median"] == statistics.median(turns)
    assert everything["passed"] == sum(row["verdict"]["passed"] for row in lines.trajectories)
    assert (survey["funnel"]["kept"], survey["funnel"]["dropped"]) == (len(lines.kept), len(lines.dropped))
    assert survey["funnel"]["rejected"] == len(lines.rejected)
    assert sum(cell["tasks"] for cell in survey["cells"]) == len(lines.tasks)
    assert {skill["text"] for skill in survey["skills"] if skill["tasks"]} == {
        s for t in lines.tasks for s in t["skills"]
    }


def test_tables_pictures_and_page(demo: FinishedDemo, tmp_path: Path) -> None:
    shown = ttg(
        "stats", demo.run, demo.run, "--plots", tmp_path / "p", "--png", "--html", tmp_path / "a/page.html"
    ).stdout
    for title in ("Funnel", "Why items ended", "Solve rate", "Skill coverage", "Cost", "Beside the paper"):
        assert title in shown
    pictures = {path.name for path in (tmp_path / "p").iterdir()}
    assert {"turns.svg", "tokens.svg", "turns.png", "funnel-1.svg", "solve-rate-2.svg", "skills-2.png"} <= pictures
    for path in (tmp_path / "p").glob("*.svg"):
        ElementTree.fromstring(path.read_text())
        assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "a/page.html").read_text()
    assert page.count("<svg") == 8 and "<script" not in page
    assert set(re.findall(r"\w+://[^'\"\s<)]+", page)) == {"http://www.w3.org/2000/svg"}


def test_each_kind_of_row_is_shown(demo: FinishedDemo, lines: Lines) -> None:
    task, trajectory, rejected = lines.tasks[0], lines.trajectories[0], lines.rejected[0]
    shown = ttg("show", task["id"], "--run", demo.run).stdout
    assert all(name in shown for name in (*task["weights"], *(gate["gate"] for gate in task["gates"]), "instruction"))
    assert task["solution"].strip().splitlines()[-1] not in shown
    assert "solution (private)" in ttg("show", task["id"], "--run", demo.run, "--solution").stdout
    shown = ttg("show", trajectory["id"], "--run", demo.run).stdout
    assert f"turn {len(trajectory['steps'])}" in shown and trajectory["verdict"]["tests"][0]["name"] in shown
    assert rejected["reason"] in ttg("show", rejected["id"], "--run", demo.run).stdout
    assert orjson.loads(ttg("show", trajectory["id"], "--run", demo.run, "--json").stdout) == trajectory


def test_fates_and_failures_are_told(demo: FinishedDemo, lines: Lines) -> None:
    dropped = lines.dropped[0]
    shown = ttg("show", dropped["id"], "--run", demo.run).stdout
    assert f"dropped: {dropped['drop_reason']}" in shown and dropped["findings"][0]["rule"] in shown
    failed = next(row for row in lines.trajectories if not row["verdict"]["passed"])
    test = next(test for test in failed["verdict"]["tests"] if test["status"] != "passed")
    shown = ttg("show", failed["id"], "--run", demo.run).stdout
    assert f"✗ {test['weight']:<5g} {test['name']}" in shown


def test_a_beginning_that_is_not_enough_lists_what_it_fits(demo: FinishedDemo, lines: Lines) -> None:
    said = refuse("show", "traj-", "--run", demo.run)
    assert f"the beginning of {len(lines.trajectories)} ids" in said and lines.trajectories[0]["id"] in said
    assert "no task, request or trajectory" in refuse("show", "nothing-like-it", "--run", demo.run)
    assert "is not a run directory" in refuse("show", "x", "--run", demo.runs)
    assert "is the beginning of" in refuse("replay", "traj-", "--run", demo.run)
    assert "is not the id of a trajectory" in refuse("replay", "../*", "--run", demo.run)
    assert "is not a run directory" in refuse("stats", demo.runs)
    assert "--png goes with --plots" in refuse("stats", demo.run, "--png")
    assert "replay needs a terminal" in refuse("replay", lines.trajectories[0]["id"], "--run", demo.run)


def test_without_a_run_all_under_runs_are_searched(
    demo: FinishedDemo, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(demo.runs.parent)
    shutil.rmtree("runs", ignore_errors=True)
    Path("runs").symlink_to(demo.runs)
    assert lines.tasks[0]["title"] in ttg("show", lines.tasks[0]["id"][:-4]).stdout


@pytest.fixture
def hostile(demo: FinishedDemo, tmp_path: Path) -> Path:
    """The demo's run with hostile text wherever a model or a program could have put it."""
    run = tmp_path / "runs" / "hostile"
    shutil.copytree(demo.run, run)
    for shard, change in (("tasks", poison_task), ("trajectories", poison_trajectory)):
        path = run / shard / f"{shard}-00000.jsonl"
        rows = [change(orjson.loads(line)) for line in path.read_bytes().splitlines()]
        path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return run


def poison_task(row: dict[str, object]) -> dict[str, object]:
    return {**row, "title": HOSTILE, "instruction": HOSTILE, "skills": [HOSTILE], "tests": HOSTILE, "domain": HOSTILE}


def poison_trajectory(row: dict[str, object]) -> dict[str, object]:
    steps = [{**step, "observation": HOSTILE + "x" * 3_000_000} for step in row["steps"][:1]]  # type: ignore[index]
    messages = [{"role": "assistant", "content": HOSTILE, "reasoning": HOSTILE}]
    return {**row, "model": HOSTILE, "steps": steps, "messages": messages}


def test_hostile_text_does_nothing(hostile: Path, lines: Lines, tmp_path: Path) -> None:
    ids = [lines.tasks[0]["id"], lines.trajectories[0]["id"]]
    for args in (["show", ids[0], "--run", hostile], ["show", ids[1], "--run", hostile], ["stats", hostile]):
        command = [sys.executable, "-m", "terminal_task_gen", *map(str, args)]
        shown = subprocess.run(
            command, capture_output=True, text=True, check=True, env={**ENVIRON, "FORCE_COLOR": "1"}
        ).stdout
        rest = ONLY_COLOURS.sub("", shown)
        assert all(character == "\n" or character.isprintable() for character in rest), args
        assert len(shown) < 200_000, "a long line is cut"
    ttg("stats", hostile, "--html", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<script" not in page and "\x1b" not in page and "‮" not in page


def test_a_recording_plays_in_a_terminal_and_only_draws(tmp_path: Path) -> None:
    cast = tmp_path / "a.cast"
    events = [
        {"version": 2, "width": 40, "height": 10},
        [0.1, "o", "hello "],
        [0.2, "o", HOSTILE],
        [0.3, "o", "\x1b[32mbye\x1b[0m"],
    ]
    cast.write_bytes(b"\n".join(map(orjson.dumps, events)))
    shown = play_in_terminal([sys.executable, "-m", "terminal_task_gen", "replay", str(cast)], until="end")
    assert "hello " in shown and "\x1b[32mbye" in shown
    assert shown.endswith("\x1b[?1049l"), "the terminal is put back"
    for unwanted in ("\x1b]", "\x1b[6n", "1003", "\x07", "‮"):
        assert unwanted not in shown


def play_in_terminal(command: list[str], *, until: str) -> str:
    """All that a program writes to a terminal, which sends q when a word has come."""
    main, other = pty.openpty()
    with subprocess.Popen(command, stdin=other, stdout=other, stderr=other, env={**ENVIRON, "LINES": "24"}) as process:
        os.close(other)
        shown, deadline, sent = b"", time.monotonic() + 60, False
        while time.monotonic() < deadline:
            if not select.select([main], [], [], 0.5)[0]:
                continue
            try:
                piece = os.read(main, 65536)
            except OSError:
                break
            shown += piece
            if until.encode() in shown and not sent:
                sent = os.write(main, b"q") > 0
        assert process.wait(10) == 0, shown
    os.close(main)
    return shown.decode()
