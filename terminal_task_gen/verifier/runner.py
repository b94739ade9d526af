"""The program that runs a task's tests; it lies here as a file and is only ever executed inside a sandbox.

entry.py starts it, from the kit or from the file. It needs the standard library and a pytest (the kit's, or the
machine's own), Python 3.10 or later. It puts the tests at /tests after emptying that folder, ignores every conftest,
ini file and plugin it may find, and writes one JSON line an event to stdout as the events happen, so that a run that
is killed or that dies still tells what it got through; all that pytest and the tests say goes to stderr. JSON
lines rather than junit XML: the XML is only written at the end, and does not tell an assertion from another exception.

What a teacher left running is root as well, so it refuses to compile tests other than those it was sent for.

    {"kind": "collected", "names": [function name of each case, in order]}
    {"kind": "broken", "message": why a module could not be collected}
    {"kind": "result", "name": function name, "status": passed | failed | crashed | skipped, "message": ...}
    {"kind": "spent", "seconds": …, "memory_mb": …, "files": …, "written_mb": …}     with --measured, at the end

Options: `--reversed` (last test first), `--shift=SECONDS` (of the clock, see clock.py beside it), `--measured`,
`--sealed` (the first SEAL_BYTES of the source are no part of it, but a secret that begins each line of the events).
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

TESTS_DIR = Path("/tests")
MAX_MESSAGE_CHARS = 2000
MEASURED_DIRS = ("/app", "/tmp")
SEAL_BYTES = 32
EXCHANGED = 70
"""Exit code when something was not what it was sent as."""
PLUGINS: dict[str, tuple[str, ...]] = {
    "cacheprovider": (),
    "debugging": ("breakpoint", "set_trace", "pdb", "unittest", "TestCase"),
    "doctest": ("doctest",),
    "junitxml": ("record_",),
    "legacypath": ("tmpdir", "testdir"),
    "pastebin": (),
    "setuponly": (),
    "setupplan": (),
    "stepwise": (),
    "subtests": ("subtests", "subTest", "unittest", "TestCase"),
    "unittest": ("unittest", "TestCase"),
}
"""Plugins of pytest's own that are left out of a run, unless the tests have one of these words in them."""


class Recorder:
    """A pytest plugin. pytest's hooks are found by their names, so nothing of pytest is imported to define them."""

    def __init__(self, results: int, *, seal: bytes = b"", is_reversed: bool = False) -> None:
        self._is_reversed = is_reversed
        self._seal = seal
        self._results = results
        self._assertion_types: tuple[type[BaseException], ...] = (AssertionError,)
        self._asserted: dict[str, bool] = {}
        self._status: dict[str, str] = {}
        self._message: dict[str, str] = {}

    def set_assertion_types(self, *types: type[BaseException]) -> None:
        self._assertion_types = types

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        if self._is_reversed:
            items.reverse()

    def pytest_collection_finish(self, session: Any) -> None:
        # What is there by now stays to the end; entry.py has kept the collector from going through it again and again.
        gc.freeze()
        gc.enable()
        self.write({"kind": "collected", "names": [get_function_name(item) for item in session.items]})

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.write({"kind": "broken", "message": report.longreprtext[-MAX_MESSAGE_CHARS:]})

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        """Returns nothing, so pytest goes on to make its own report."""
        if call.excinfo is not None:
            self._asserted[item.nodeid] = call.when == "call" and isinstance(call.excinfo.value, self._assertion_types)

    def pytest_runtest_logreport(self, report: Any) -> None:
        node = report.nodeid
        if report.failed and self._status.get(node, "passed") in ("passed", "skipped"):
            self._status[node] = "failed" if self._is_assertion(report) else "crashed"
            self._message[node] = describe_failure(report)
        elif report.skipped and node not in self._status:
            self._status[node] = "skipped"
            self._message[node] = report.longreprtext[-MAX_MESSAGE_CHARS:]
        elif report.when == "call":
            self._status.setdefault(node, "passed")
        if report.when == "teardown":
            name = node.split("::", 1)[-1].split("[", 1)[0].rsplit("::", 1)[-1]
            status = self._status.pop(node, "crashed")
            self.write({"kind": "result", "name": name, "status": status, "message": self._message.pop(node, "")})

    def _is_assertion(self, report: Any) -> bool:
        # A report that failed without an exception in the call is a strict xfail that passed: an assertion's kin.
        return report.when == "call" and self._asserted.get(report.nodeid, True)

    def write(self, event: dict[str, Any]) -> None:
        line = self._seal + json.dumps(event).encode("ascii") + b"\n"
        while line:
            line = line[os.write(self._results, line) :]


def get_function_name(item: Any) -> str:
    return str(getattr(item, "originalname", None) or item.name.split("[", 1)[0])


def describe_failure(report: Any) -> str:
    """Place and exception, without the frames."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return str(report.longreprtext)[:MAX_MESSAGE_CHARS]
    prefix = "" if report.when == "call" else f"{report.when}: "
    return f"{prefix}{Path(crash.path).name}:{crash.lineno}: {crash.message}"[:MAX_MESSAGE_CHARS]


def take_results() -> int:
    """stdout for the events alone, out of reach of what the tests start; everybody else's stdout is stderr."""
    results = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 100)
    os.dup2(2, 1)
    return results


def guard_tests(target: str, source: bytes) -> None:
    """They lie where others can write, so what is compiled in their name must be what they were."""

    def check(event: str, arguments: Any) -> None:
        if event == "compile" and arguments[1] == target and isinstance(arguments[0], str | bytes):
            given = arguments[0]
            if (given.encode(errors="surrogatepass") if isinstance(given, str) else given) != source:
                os._exit(EXCHANGED)

    sys.addaudithook(check)


def lay_tests(source: bytes) -> Path:
    """Empty /tests of whatever is there, a link included, and put the tests there."""
    if TESTS_DIR.is_symlink() or (TESTS_DIR.exists() and not TESTS_DIR.is_dir()):
        TESTS_DIR.unlink()
    TESTS_DIR.mkdir(parents=True, exist_ok=True)
    clear_tests()
    target = TESTS_DIR / "test_outputs.py"
    target.write_bytes(source)
    return target


def clear_tests() -> None:
    for entry in TESTS_DIR.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink()


def measure_trees(basetemp: Path) -> tuple[int, int]:
    """Files and bytes in the folders that tests write to; links are not followed."""
    files = size = 0
    for top in (*MEASURED_DIRS, str(basetemp)):
        for folder, _, names in os.walk(top):
            for name in names:
                try:
                    size += Path(folder, name).lstat().st_size
                    files += 1
                except OSError:
                    continue
    return files, size


def run_measured(recorder: Recorder, basetemp: Path, run_tests: Any) -> int:
    files, size = measure_trees(basetemp)
    import resource

    begun = time.monotonic()
    code = int(run_tests())
    seconds = time.monotonic() - begun
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    files_after, size_after = measure_trees(basetemp)
    recorder.write(
        {
            "kind": "spent",
            "seconds": seconds,
            "memory_mb": max(peaks) / 1024,
            "files": max(0, files_after - files),
            "written_mb": max(0, size_after - size) / 1_000_000,
        }
    )
    return code


def list_left_out(source: bytes) -> list[str]:
    """Arguments that leave out plugins of pytest's own which these tests do not use: they take a third of its start."""
    text = source.decode(errors="replace")
    unused = [name for name, words in PLUGINS.items() if not any(word in text for word in words)]
    return [part for name in unused for part in ("-p", f"no:{name}")]


def run(here: Path, source: bytes, options: list[str]) -> int:
    results = take_results()
    seal, source = (source[:SEAL_BYTES], source[SEAL_BYTES:]) if "--sealed" in options else (b"", source)
    guard_tests(str(TESTS_DIR / "test_outputs.py"), source)
    for option in options:
        if option.startswith("--shift="):
            from _verifier_clock import shift_clock  # type: ignore[import-not-found]

            shift_clock(int(option.partition("=")[2]))
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        del os.environ[name]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    import pytest

    recorder = Recorder(results, seal=seal, is_reversed="--reversed" in options)
    recorder.set_assertion_types(AssertionError, pytest.fail.Exception)
    ini = here / "pytest.ini"
    ini.write_text("[pytest]\n", encoding="utf-8")
    arguments = ["-c", str(ini), "--rootdir", str(TESTS_DIR), "--noconftest", "--tb=short", "--color=no"]
    arguments += ["--import-mode=importlib", "--basetemp", str(here / "tmp"), "--no-header", "-rA"]
    arguments += [*list_left_out(source), str(lay_tests(source))]

    def run_tests() -> int:
        return int(pytest.main(arguments, plugins=[recorder]))

    try:
        return run_measured(recorder, here / "tmp", run_tests) if "--measured" in options else run_tests()
    finally:
        clear_tests()
