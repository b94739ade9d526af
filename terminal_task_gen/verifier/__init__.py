"""Runs a task's tests in a sandbox and says what came of each. Shared by the gates and by the verdict of a rollout.

It brings its own pytest and touches /tests and one fresh folder only for as long as it runs. It never raises for
what the tests or the machine inside do: a test that gave no result is `missing`, and the log says why. It raises
SandboxError when the sandbox itself dies, which says nothing about the tests.
"""

from __future__ import annotations

import hashlib
import math
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from terminal_task_gen.records import Record
from terminal_task_gen.sandbox import ExecResult, Sandbox
from terminal_task_gen.trajectory import TestOutcome, TestStatus
from terminal_task_gen.verifier.conditions import ORDINARY, Conditions
from terminal_task_gen.verifier.entry import EXCHANGED
from terminal_task_gen.verifier.kit import pack_kit
from terminal_task_gen.verifier.runner import SEAL_BYTES
from terminal_task_gen.verifier.tampering import (
    LINKER_CACHE,
    is_bytecode_touched,
    is_linker_cache_sound,
    list_tampering,
)

__all__ = [
    "ENTRY",
    "LINKER_CACHE",
    "ORDINARY",
    "RUNNER",
    "Conditions",
    "Spent",
    "TestReport",
    "is_bytecode_touched",
    "is_linker_cache_sound",
    "list_tampering",
    "report_missing",
    "run_tests",
]

MAX_LOG_CHARS = 20_000
MAX_MESSAGE_CHARS = 2_000
MAX_RESULTS_BYTES = 10_000_000
CLEANUP_TIMEOUT_SEC = 20.0
FOLDER = "/.verifier"

_DURATION = re.compile(
    r"^(=+ .*\b(?:passed|failed|error|errors|skipped|deselected|ran|xfailed|xpassed|warnings?)) in [0-9.]+s.*$", re.M
)
_ADDRESS = re.compile(r" at 0x[0-9a-f]{6,}>")
ENTRY = Path(__file__).with_name("entry.py")
"""The program that runs inside, and RUNNER what it goes on with; without a kit they take the machine's own pytest."""
RUNNER = Path(__file__).with_name("runner.py")
_WORST_FIRST: tuple[TestStatus, ...] = ("failed", "crashed", "missing", "skipped")


class Spent(Record):
    """What a measured run cost."""

    seconds: float
    memory_mb: float
    """Of the largest process."""
    files: int
    """Left behind under /app, /tmp and pytest's own folder."""
    written_mb: float
    """By which these folders grew."""


class TestReport(Record):
    """What came of one run of the tests."""

    __test__ = False  # pytest: a record, not a test class

    outcomes: tuple[TestOutcome, ...]
    """One for each weighted test function, in the order of the weights; parametrized ones pass if every case does."""
    reward: float
    """Sum of the weights of passed tests; exactly 1.0 when all passed."""
    passed: bool
    collected: tuple[str, ...] = ()
    """Test functions pytest found, in order, weighted or not."""
    broken: tuple[str, ...] = ()
    """Why the tests could not be collected."""
    timed_out: bool = False
    spent: Spent | None = None
    """Of a measured run that came to its end."""
    log: str = ""
    """Tail of the run's output."""

    def list_by_status(self, *statuses: TestStatus) -> tuple[TestOutcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.status in statuses)


class _Event(Record):
    """One line of the runner's; see its docstring."""

    kind: Literal["collected", "broken", "result", "spent"]
    names: tuple[str, ...] = ()
    name: str = ""
    status: TestStatus = "missing"
    message: str = ""
    seconds: float = 0.0
    memory_mb: float = 0.0
    files: int = 0
    written_mb: float = 0.0


class _Results(Record):
    """The runner's events, gathered."""

    cases: tuple[str, ...] = ()
    """Function name of each collected case; a parametrized function is named once a case."""
    broken: tuple[str, ...] = ()
    statuses: dict[str, list[TestStatus]] = {}
    messages: dict[str, str] = {}
    """First failure of each function."""
    spent: Spent | None = None


async def run_tests(
    sandbox: Sandbox,
    *,
    tests: str,
    weights: Mapping[str, float],
    timeout_sec: float,
    kit: bytes | None = None,
    conditions: Conditions = ORDINARY,
    trust_bytecode: bool = True,
) -> TestReport:
    """Run `tests` as /tests/test_outputs.py in /app, as root, and remove every trace of it (`is_last` apart).

    `timeout_sec` is for the whole run; what finished before it still counts. `kit` is what to take pytest from
    (kit.py), by default one of sources; `bench.py` has faster ones. `trust_bytecode`: whether the interpreter's own
    caches are as they were in the image. Raises SandboxError only.
    """
    # At the root, the one directory that cannot be replaced by something else.
    folder = f"{FOLDER}-{secrets.token_hex(8)}"
    kit = pack_kit() if kit is None else kit
    # Goes in where only the runner can read it, and stands before each of its words: what a daemon writes has none.
    seal = secrets.token_hex(SEAL_BYTES // 2)
    content = kit + seal.encode() + tests.encode(errors="surrogatepass")
    # -I: no PYTHON* variable, no user site, nothing of the working directory on the path. The entry goes in as an
    # argument and what it reads is held against a digest, so that nobody inside can exchange it on the way.
    caches = [] if trust_bytecode else ["-X", f"pycache_prefix={folder}/cache"]
    command = ["python3", "-I", "-B", *caches, "-c", ENTRY.read_text(encoding="utf-8"), folder]
    command += [str(len(kit)), hashlib.sha256(content).hexdigest(), "--sealed", *conditions.list_arguments()]
    run = await sandbox.exec(command, stdin=content, timeout_sec=timeout_sec, max_output_bytes=MAX_RESULTS_BYTES)
    if not conditions.is_last:
        # The runner cleans /tests itself unless it was killed.
        removal = ["sh", "-c", f"rm -rf {folder} /tests/* /tests/.[!.]*"]
        await sandbox.exec(removal, timeout_sec=CLEANUP_TIMEOUT_SEC, workdir="/")
    # What it read had been exchanged on the way: nothing that was said before counts.
    said = b"" if run.exit_code == EXCHANGED else run.stdout
    results = _read_results(_drop_accidents(said.decode(errors="replace"), folder), seal)
    return _make_report(results, weights, run, log=_drop_accidents(run.stderr.decode(errors="replace"), folder))


def report_missing(weights: Mapping[str, float], reason: str) -> TestReport:
    """The report where the tests could not be run at all."""
    outcomes = (TestOutcome(name=n, status="missing", weight=w, message=reason) for n, w in weights.items())
    return TestReport(outcomes=tuple(outcomes), reward=0.0, passed=False, log=reason)


def _drop_accidents(text: str, folder: str) -> str:
    """Without what differs between two equal runs: our folder's name, durations, addresses of objects."""
    text = text.replace(folder, FOLDER)
    return _ADDRESS.sub(" at 0x0>", _DURATION.sub(r"\1", text))


def _make_report(results: _Results, weights: Mapping[str, float], run: ExecResult, *, log: str) -> TestReport:
    outcomes = tuple(_judge(name, weight, results, run) for name, weight in weights.items())
    passed = bool(outcomes) and all(outcome.status == "passed" for outcome in outcomes)
    reward = 1.0 if passed else min(1.0, math.fsum(o.weight for o in outcomes if o.status == "passed"))
    return TestReport(
        outcomes=outcomes,
        reward=round(reward, 6),
        passed=passed,
        collected=tuple(dict.fromkeys(results.cases)),
        broken=results.broken,
        timed_out=run.timed_out,
        spent=results.spent,
        log=log[-MAX_LOG_CHARS:],
    )


def _judge(name: str, weight: float, results: _Results, run: ExecResult) -> TestOutcome:
    statuses = set(results.statuses.get(name, ()))
    if len(results.statuses.get(name, ())) < max(1, results.cases.count(name)):
        statuses.add("missing")
    status = next((s for s in _WORST_FIRST if s in statuses), "passed")
    message = results.messages.get(name, "")
    if status == "missing" and not message:
        message = _explain_missing(name, results, run)
    return TestOutcome(name=name, status=status, weight=weight, message=message[:MAX_MESSAGE_CHARS])


def _explain_missing(name: str, results: _Results, run: ExecResult) -> str:
    if results.broken:
        return f"the tests could not be collected: {results.broken[0]}"
    if run.timed_out:
        return "the verifier's time was up before this test finished"
    if results.cases and name not in results.cases:
        return "no test function of this name was found"
    return f"the test run ended early with exit code {run.exit_code}"


def _read_results(raw: str, seal: str) -> _Results:
    """A line without the seal is not the runner's; a torn one is skipped: the process may have been killed."""
    cases: tuple[str, ...] = ()
    broken: list[str] = []
    statuses: dict[str, list[TestStatus]] = {}
    messages: dict[str, str] = {}
    spent: Spent | None = None
    for line in raw.splitlines():
        if not line.startswith(seal):
            continue
        try:
            event = _Event.model_validate_json(line[len(seal) :])
        except ValidationError:
            continue
        if event.kind == "collected":
            cases = event.names
        elif event.kind == "broken":
            broken.append(event.message)
        elif event.kind == "spent":
            spent = Spent(**event.model_dump(include=set(Spent.model_fields)))
        else:
            statuses.setdefault(event.name, []).append(event.status)
            if event.status != "passed":
                messages.setdefault(event.name, event.message)
    return _Results(cases=cases, broken=tuple(broken), statuses=statuses, messages=messages, spent=spent)
