"""The diff in /app/solution.patch, applied to the files as they were given, makes the right change."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

CASE: Any = json.loads("null")
PATCH = Path("/app/solution.patch")
TIMEOUT_SEC = 60
SHOWN_CHARS = 600


def write_files(folder: Path) -> None:
    for path, content in CASE["files"].items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content.encode())


def apply_patch(folder: Path) -> None:
    """Paths may begin with a/ and b/, with /app/, or with nothing."""
    assert PATCH.is_file(), f"{PATCH} does not exist"
    text = PATCH.read_bytes()
    assert text.strip(), f"{PATCH} is empty"
    write_files(folder)
    said = ""
    for strip in ("1", "0", "2"):
        command = [
            "patch",
            f"-p{strip}",
            "--batch",
            "--forward",
            "--fuzz=0",
            "--no-backup-if-mismatch",
            "-d",
            str(folder),
        ]
        tried = subprocess.run([*command, "--dry-run"], input=text, capture_output=True, timeout=TIMEOUT_SEC)
        if tried.returncode == 0:
            subprocess.run(command, input=text, capture_output=True, timeout=TIMEOUT_SEC, check=True)
            return
        said = said or (tried.stdout + tried.stderr).decode(errors="replace")
    raise AssertionError(f"{PATCH} does not apply to the given files: {said[:SHOWN_CHARS]}")


def list_changed(folder: Path) -> dict[str, str | None]:
    """Path → content of what differs from the given files, None for what is gone."""
    given = CASE["files"]
    there = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    now = {path: file.read_bytes().decode(errors="replace") for path, file in there.items()}
    changed: dict[str, str | None] = {path: text for path, text in now.items() if given.get(path) != text}
    return {**changed, **{path: None for path in given if path not in now}}


def is_same_code(path: str, given: str | None, expected: str | None) -> bool:
    """By syntax tree for Python, else by lines, where blank ones and space at their ends do not count."""
    if given is None or expected is None:
        return given is expected
    if path.endswith(".py"):
        try:
            return ast.dump(ast.parse(given)) == ast.dump(ast.parse(expected))
        except (SyntaxError, ValueError):
            pass
    lines = [[line.rstrip() for line in text.split("\n") if line.strip()] for text in (given, expected)]
    return lines[0] == lines[1]


def check_applies(folder: Path) -> None:
    apply_patch(folder)
    assert list_changed(folder), f"{PATCH} changes nothing"


def check_files(folder: Path) -> None:
    apply_patch(folder)
    changed, expected = set(list_changed(folder)), set(CASE["expected"])
    assert expected <= changed, f"not changed, but to be: {sorted(expected - changed)}"
    assert changed & set(CASE["files"]) <= expected, f"changed, but in order: {sorted(changed - expected)}"


def check_change(folder: Path) -> None:
    apply_patch(folder)
    changed = list_changed(folder)
    wrong = [path for path, text in CASE["expected"].items() if not is_same_code(path, changed.get(path), text)]
    assert not wrong, f"not the change that was made upstream: {sorted(wrong)}"


def check_tests(folder: Path) -> None:
    apply_patch(folder)
    (folder / "test_given_with_the_row.py").write_text(CASE["tests"])
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_given_with_the_row.py"]
    # The pytest that runs this suite may be in no directory of the interpreter's own, but in a file it holds open.
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    held = [int(entry.rsplit("/", 1)[1]) for entry in sys.path if entry.startswith("/proc/self/fd/")]
    ran = subprocess.run(command, capture_output=True, timeout=TIMEOUT_SEC, cwd=folder, env=environ, pass_fds=held)
    said = ran.stdout.decode(errors="replace")
    assert ran.returncode == 0, f"the row's own tests fail: {said[-SHOWN_CHARS:]}"
