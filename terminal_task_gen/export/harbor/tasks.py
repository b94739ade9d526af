"""Task directories that Harbor runs as they are:

    <folder>/
      <task id>/
        task.toml  instruction.md
        environment/Dockerfile     and files/, which the Dockerfile copies to /app
        tests/test.sh              the tests as a rollout's verdict runs them, with weights and partial reward
        solution/solve.sh          where the task has one
      README.md  export.json

Green under Harbor's oracle where there is a solution, red under nop: the gates have proved both. Tests and solution get
into the machine when Harbor brings them, after the agent. The Dockerfile is there even where the image is all a task
needs: without one, Harbor would copy whatever else lies in environment/ into the working directory.

Harbor's own `no-network` needs a probe image from a registry and, where that cannot be had, ends the whole job; so the
network stays Harbor's default unless it is asked for, and `needs_network` in the metadata tells what the task needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson

from terminal_task_gen import __version__
from terminal_task_gen.errors import UsageError
from terminal_task_gen.export.card import load_template
from terminal_task_gen.export.folder import EXPORT_MARK, check_replaceable, dump_record, replace_folder, write_file
from terminal_task_gen.export.harbor.environment import Base, ImageRecipe, list_context_files, render_dockerfile
from terminal_task_gen.export.harbor.task_toml import render_task_toml
from terminal_task_gen.records import Record
from terminal_task_gen.task import Task
from terminal_task_gen.verifier import ENTRY, RUNNER

_FOLDER = Path(__file__).parent


class HarborOptions(Record):
    """How task directories are written."""

    name: str
    """Of the run, for the card."""
    licence: str
    base: Base = Base.IMAGE
    organisation: str = "ttg"
    """First half of the tasks' names."""
    enforce_network: bool = False
    """Write `no-network` for tasks that need none."""


class HarborReport(Record):
    """export.json."""

    format: str = "harbor"
    ttg_version: str = __version__
    source: str
    tasks: int
    with_solution: int
    left_out: dict[str, int]
    """Reason → tasks."""


def export_tasks(
    folder: Path,
    tasks: Iterable[Task],
    *,
    recipes: Mapping[str, ImageRecipe],
    unwanted: Mapping[str, str],
    options: HarborOptions,
) -> HarborReport:
    """Write `folder` anew. `unwanted`: task id → why it is left out. `recipes`: one an image.

    Raises UsageError: nothing to write, a disk that refuses, an image without a recipe.
    """
    check_replaceable(folder, EXPORT_MARK)
    left_out: Counter[str] = Counter()
    written = solved = 0
    with replace_folder(folder) as temporary:
        for task in tasks:
            why = unwanted.get(task.id) or explain_unfit(task)
            if why is not None:
                left_out[why] += 1
                continue
            _write_task(temporary / task.id, task, recipes[task.image], options)
            written += 1
            solved += task.solution is not None
        if not written:
            raise UsageError(f"{options.name} has no task to export")
        left = dict(sorted(left_out.items()))
        report = HarborReport(source=options.name, tasks=written, with_solution=solved, left_out=left)
        card = load_template("harbor/README.md.j2").render(
            report=report, options=options, tags=sorted({recipe.tag for recipe in recipes.values()})
        )
        write_file(temporary / "README.md", card.encode())
        write_file(temporary / EXPORT_MARK, dump_record(report, indent=True) + b"\n")
    return report


def explain_unfit(task: Task) -> str | None:
    """Why a task is not written as a directory; None where it is."""
    if task.foreign is not None:
        return "imported: the directory it came from is the task"
    return None if task.weights else "without tests"


def _write_task(folder: Path, task: Task, recipe: ImageRecipe, options: HarborOptions) -> None:
    network = task.limits.network or not options.enforce_network
    tag = "" if task.files or options.base is Base.DOCKERFILE else recipe.tag
    toml = render_task_toml(task, organisation=options.organisation, image_tag=tag, network=network)
    files: dict[str, bytes] = {
        "task.toml": toml.encode(),
        "instruction.md": task.instruction.rstrip("\n").encode() + b"\n",
        "environment/Dockerfile": render_dockerfile(recipe, options.base, with_files=bool(task.files)).encode(),
        "tests/test_outputs.py": task.tests.encode(errors="surrogatepass"),
        "tests/entry.py": ENTRY.read_bytes(),
        "tests/runner.py": RUNNER.read_bytes(),
        "tests/score.py": (_FOLDER / "score.py").read_bytes(),
        "tests/weights.json": orjson.dumps(task.weights, option=orjson.OPT_INDENT_2) + b"\n",
        "tests/timeout_sec": f"{task.limits.verifier_timeout_sec:g}\n".encode(),
    }
    programs: dict[str, bytes] = {"tests/test.sh": (_FOLDER / "test.sh").read_bytes()}
    if task.solution is not None:
        programs["solution/solve.sh"] = _add_shebang(task.solution).encode(errors="surrogatepass")
    if options.base is Base.DOCKERFILE:
        files.update({f"environment/{path}": content for path, content in list_context_files(recipe.layers).items()})
    for file in task.files:
        (programs if file.executable else files)[f"environment/files/{file.path}"] = file.to_bytes()
    for path, content in files.items():
        _write(folder / path, content, 0o644)
    for path, content in programs.items():
        _write(folder / path, content, 0o755)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Not flushed one by one: an export is made again in seconds, and there may be a million files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def _add_shebang(script: str) -> str:
    return script if script.startswith("#!") else f"#!/bin/bash\n{script}"
