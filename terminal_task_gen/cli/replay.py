"""`ttg replay`: a rollout's recording, played in the terminal."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from terminal_task_gen.cli import options
from terminal_task_gen.cli.tty import TtyScreen
from terminal_task_gen.errors import UsageError
from terminal_task_gen.lookup import explain_several, list_runs
from terminal_task_gen.replay.cast import Cast, read_cast
from terminal_task_gen.replay.player import Player

HELP = """Play the recording of a rollout in this terminal, as it happened.

Only what draws is let through: text, colours, cursor movement, clearing, scrolling, the alternate screen. Titles, the
clipboard, hyperlinks, questions to the terminal, mouse modes and resets are left out.

Keys: space pauses, ← and → seek 5 s, + and - change the speed, q leaves.

[bold]Examples[/]

  ttg replay traj-174e                        # the beginning of an id is enough

  ttg replay traj-174e --speed 4 --idle-limit-sec 0.5

  ttg replay runs/first/recordings/traj-174ef26d779ea8af.cast
"""


def replay(
    trajectory: Annotated[
        str, typer.Argument(metavar="ID", help="Of a trajectory, or a .cast file.", show_default=False)
    ],
    run: options.RunOption = None,
    speed: Annotated[float, typer.Option(min=0.125, max=64, help="Times as fast.", rich_help_panel=options.HOW)] = 1.0,
    idle_limit_sec: Annotated[
        float, typer.Option(min=0.05, help="Longer pauses are cut to this.", rich_help_panel=options.HOW)
    ] = 2.0,
) -> None:
    """See HELP."""
    cast = read_cast(_find_recording(trajectory, run), idle_limit_sec=idle_limit_sec)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(f"replay needs a terminal on both sides; to read the rollout instead: ttg show {trajectory}")
    if not _fits(cast):
        return
    with TtyScreen(rows=cast.rows) as screen:
        Player(cast, screen, speed=speed).play()


replay.__doc__ = HELP


def _find_recording(trajectory: str, run: str | None) -> Path:
    if trajectory.endswith(".cast"):
        return Path(trajectory)
    if not trajectory.replace("-", "").replace("_", "").isalnum():
        raise UsageError(f"{trajectory!r} is not the id of a trajectory; ids look like traj-174ef26d779ea8af")
    runs = options.choose_runs(run, list_runs(Path("runs")))
    found = [path for folder in runs for path in sorted(folder.glob(f"recordings/{trajectory}*.cast"))]
    exact = [path for path in found if path.stem == trajectory]
    chosen = exact or found
    if not chosen:
        where = ", ".join(map(str, runs[:3]))
        raise UsageError(
            f"no recording of {trajectory!r} in {where}; ids: ttg show, or the recordings folder of the run"
        )
    if len(chosen) > 1:
        raise UsageError(explain_several(trajectory, [f"{path.stem} (in {path.parent.parent})" for path in chosen]))
    return chosen[0]


def _fits(cast: Cast) -> bool:
    """Whether to play: a recording larger than the terminal wraps and overlaps, so its viewer is asked."""
    size = shutil.get_terminal_size()
    if size.columns >= cast.columns and size.lines >= cast.rows:
        return True
    wanted, here = f"{cast.columns}×{cast.rows}", f"{size.columns}×{size.lines}"
    return typer.confirm(f"recorded at {wanted}, this terminal has {here}: lines will overlap; play it?", default=True)
