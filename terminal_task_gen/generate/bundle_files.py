"""The files of a draft: from `<file>` parts to checked TaskFiles under /app.

A file that could land anywhere but below /app is refused, as is one that cannot be what it says. `/app/x` is read as
`x`, since authors are told to name paths absolutely everywhere else. Links cannot be expressed, so none exist.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

from terminal_task_gen.generate.complaint import Complaint
from terminal_task_gen.generate.dress import strip_cdata, undress, undress_prose
from terminal_task_gen.generate.tags import FilePart
from terminal_task_gen.task import TaskFile

MAX_PATH_CHARS = 255
_KNOWN_ATTRIBUTES = frozenset({"path", "encoding", "executable"})
_TRUE = frozenset({"true", "yes", "1", "executable"})
_FALSE = frozenset({"false", "no", "0", ""})
_FENCED_BY_NATURE = (".md", ".markdown", ".rst")
"""A file of these may well be one code block and nothing else."""
_TEXT_ENCODINGS = frozenset({"utf-8", "utf8", "text", "plain"})


def read_files(
    parts: Sequence[FilePart], *, max_files: int, max_file_bytes: int
) -> tuple[tuple[TaskFile, ...], list[Complaint]]:
    """All good files in order, and a complaint for each that is not."""
    complaints: list[Complaint] = []
    files: list[TaskFile] = []
    for part in parts:
        file = _read_file(part, max_file_bytes, complaints)
        if file is not None:
            files.append(file)
    if len(parts) > max_files:
        complaints.append(Complaint("too_many_files", f"{len(parts)} files; at most {max_files} are allowed"))
    complaints += _find_clashes([file.path for file in files])
    return tuple(files), complaints


def _read_file(part: FilePart, max_file_bytes: int, complaints: list[Complaint]) -> TaskFile | None:
    given = part.attributes.get("path", "")
    path = given.strip().removeprefix("/app/").removeprefix("./")
    problems = [f"unknown attribute {name!r}" for name in part.attributes if name not in _KNOWN_ATTRIBUTES]
    problems += _find_path_problems(path)
    if not part.closed:
        problems.append("</file> is missing")
    executable = part.attributes.get("executable", "").lower()
    if executable not in _TRUE | _FALSE:
        problems.append(f'executable={executable!r}; write executable="true" or leave it out')
    encoding = part.attributes.get("encoding", "utf-8").lower()
    is_base64 = encoding == "base64"
    if not is_base64 and encoding not in _TEXT_ENCODINGS:
        problems.append(f"encoding={encoding!r}; only base64 can be given, text needs none")
    content = "".join(undress(part.raw).split()) if is_base64 else read_text_content(part.raw, path)
    size, problem = _measure(content, is_base64)
    if problem:
        problems.append(problem)
    elif size > max_file_bytes:
        problems.append(f"{size} bytes; at most {max_file_bytes} are allowed")
    if problems:
        complaints.append(Complaint("bad_file", f"<file path={given!r}>: {'; '.join(problems)}"))
        return None
    return TaskFile(
        path=path, content=content, encoding="base64" if is_base64 else "utf-8", executable=executable in _TRUE
    )


def read_text_content(raw: str, path: str) -> str:
    """Without the newline after the opening tag; exactly one newline added in place of the one before the closing."""
    raw = strip_cdata(raw) if path.lower().endswith(_FENCED_BY_NATURE) else undress_prose(raw)
    body = re.sub(r"\A[ \t]*\n", "", raw)
    if not body.strip(" \t"):
        return ""
    return re.sub(r"\n[ \t]*\Z", "", body) + "\n"


def _find_path_problems(path: str) -> list[str]:
    if not path:
        return ["no path"]
    problems = []
    if path.startswith("/"):
        problems.append("the path must be relative to /app")
    if ".." in path.split("/"):
        problems.append("the path leaves /app with '..'")
    elif any(part in ("", ".") for part in path.removeprefix("/").split("/")):
        problems.append("the path has an empty part or '.'")
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        problems.append("the path holds a control character")
    if len(path) > MAX_PATH_CHARS:
        problems.append(f"the path is longer than {MAX_PATH_CHARS} characters")
    return problems


def _measure(content: str, is_base64: bool) -> tuple[int, str]:
    try:
        return len(base64.b64decode(content, validate=True) if is_base64 else content.encode()), ""
    except binascii.Error as error:
        return 0, f"not valid base64: {error}"
    except ValueError as error:
        return 0, f"not encodable: {error}"


def _find_clashes(paths: Sequence[str]) -> list[Complaint]:
    twice = sorted({path for path in paths if paths.count(path) > 1})
    complaints = [Complaint("bad_file", f"{path!r} is given twice") for path in twice]
    for path in sorted(set(paths)):
        below = next((other for other in paths if other.startswith(f"{path}/")), None)
        if below is not None:
            complaints.append(Complaint("bad_file", f"{path!r} is a file and, because of {below!r}, a folder"))
    return complaints
