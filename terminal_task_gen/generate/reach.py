"""Which of a draft's files its solution reads, told from the names in it: those are the task's input.

An answer may well stand in the input; in a file that nobody needs it lies about.
"""

from __future__ import annotations

import re

from terminal_task_gen.generate.draft import Draft

_CHANGE_FOLDER = re.compile(r"^\s*(?:cd|mkdir)\b[^;&|\n]*", re.MULTILINE)
_AS_A_WHOLE = r"""/?(?:[\s"';)]|\Z|[^\s"']*[*?\[{$%])"""
"""What follows a folder's name when its contents are meant: nothing more, or a pattern."""


def list_read_files(draft: Draft) -> set[str]:
    """Paths that the solution reaches, or that a file names which it reaches: a script that is run reads files too."""
    solution = draft.solution or ""
    read = {file.path for file in draft.files if _is_reached(file.path, solution)}
    while True:
        naming = "\n".join(f.content for f in draft.files if f.path in read and f.encoding == "utf-8")
        more = {file.path for file in draft.files if file.path not in read and _is_named(file.path, naming)}
        if not more:
            return read
        read |= more


def _is_reached(path: str, solution: str) -> bool:
    """The solution names the file, or one like it (`*.log`), or a folder above it in whole or with a pattern."""
    _, dot, suffix = path.rpartition("/")[2].rpartition(".")
    if _is_named(path, solution) or (dot and f"*.{suffix}" in solution):
        return True
    commands = _CHANGE_FOLDER.sub("", solution)
    folders = ["/app", *path.split("/")[:-1]]
    return any(re.search(rf"{re.escape(folder)}{_AS_A_WHOLE}", commands) for folder in folders)


def _is_named(path: str, source: str) -> bool:
    """`out/sums.csv` is another file than this `old/sums.csv`; a bare `sums.csv` may be either."""
    places = re.findall(rf"[\w./-]*(?<![\w.-]){re.escape(path.rpartition('/')[2])}(?!\w)", source)
    return any(f"/{path}".endswith(f"/{place.removeprefix('/app').strip('./')}") for place in places)
