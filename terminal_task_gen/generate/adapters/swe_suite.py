"""The diff in /app/solution.patch, applied to the files as they were given, makes the right change."""

import ast
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

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
    log = folder / "said-by-the-rows-tests.txt"
    # A child of this process has its pytest, wherever that came from; the machine need not have one.
    child = os.fork()
    if child == 0:
        run_as_child(folder, log)
    code, deadline = None, time.monotonic() + TIMEOUT_SEC
    while code is None and time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        code = os.waitstatus_to_exitcode(status) if ended else None
        time.sleep(0.02)
    if code is None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    said = log.read_text(errors="replace") if log.exists() else ""
    assert code == 0, f"the row's own tests fail: {said[-SHOWN_CHARS:]}"


def run_as_child(folder: Path, log: Path) -> None:
    code = 1
    try:
        os.chdir(folder)
        place = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(place, 1)
        os.dup2(place, 2)
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(folder))
        code = int(pytest.main(["-q", "-p", "no:cacheprovider", "test_given_with_the_row.py"]))
    finally:
        os._exit(code)
