"""The verdict of a task made elsewhere: its own /tests/test.sh judges, as Harbor runs it (facts: Harbor 0.24, §1.4).

The tests are laid under /tests, the script runs in the image's own working directory, its exit code means nothing, and
the reward is what it leaves in /logs/verifier: reward.json (the mean of its numbers where there are several) before
reward.txt. A reward outside of 0 to 1 is cut to it. No reward, or one that cannot be read, is a `missing` test and 0.
A ctrf.json beside it names the single tests; they carry no weight, the reward does.
Raises SandboxError only.
"""

from __future__ import annotations

import json
import math
from typing import Any

from terminal_task_gen.sandbox import Sandbox, SandboxFile
from terminal_task_gen.task import Foreign
from terminal_task_gen.trajectory import TestOutcome, TestStatus
from terminal_task_gen.verifier import MAX_LOG_CHARS, MAX_MESSAGE_CHARS, TestReport

REWARD = "reward"
"""Name of the one weighted test."""
LOGS = "/logs/verifier"
MAX_RESULT_BYTES = 1_000_000
MAX_NAMED_TESTS = 500

_RUN = (
    "mkdir -p /logs/verifier /logs/agent /logs/artifacts && rm -f /logs/verifier/reward.* /logs/verifier/ctrf.json"
    " && exec /tests/test.sh 2>&1"
)
_STATUSES: dict[str, TestStatus] = {"passed": "passed", "failed": "failed", "skipped": "skipped", "pending": "skipped"}


async def run_script(sandbox: Sandbox, foreign: Foreign, *, timeout_sec: float) -> TestReport:
    """Lay the tests and run them. `timeout_sec` is for the whole run; a reward written before its end counts."""
    await sandbox.exec(["rm", "-rf", "/tests"], timeout_sec=timeout_sec, workdir="/")
    await sandbox.upload(
        [
            SandboxFile(f"/tests/{f.path}", f.to_bytes(), mode=0o755 if f.executable or f.path == "test.sh" else 0o644)
            for f in foreign.test_files
        ]
    )
    run = await sandbox.exec(["/bin/sh", "-c", _RUN], timeout_sec=timeout_sec, env=foreign.verifier_env)
    files = {
        name: await sandbox.download(f"{LOGS}/{name}", max_bytes=MAX_RESULT_BYTES)
        for name in ("reward.json", "reward.txt", "ctrf.json")
    }
    reward, complaint = read_reward(files["reward.json"], files["reward.txt"])
    if reward is None and run.timed_out:
        complaint = "the verifier's time was up before it wrote a reward"
    status: TestStatus = "missing" if reward is None else "passed" if reward >= 1.0 else "failed"
    judged = TestOutcome(name=REWARD, status=status, weight=1.0, message=complaint)
    named = _read_named_tests(files["ctrf.json"])
    return TestReport(
        outcomes=(judged, *named),
        reward=reward or 0.0,
        passed=reward is not None and reward >= 1.0,
        collected=tuple(test.name for test in named),
        timed_out=run.timed_out,
        log=run.text[-MAX_LOG_CHARS:],
    )


def read_reward(json_bytes: bytes | None, text_bytes: bytes | None) -> tuple[float | None, str]:
    """The reward between 0 and 1, or None and why there is none."""
    if json_bytes is not None:
        try:
            data = json.loads(json_bytes)
        except ValueError:
            return None, "reward.json is not JSON"
        numbers = list(data.values()) if isinstance(data, dict) else [data]
        return _bound(numbers, "reward.json")
    if text_bytes is not None:
        try:
            return _bound([float(text_bytes.decode(errors="replace").strip())], "reward.txt")
        except ValueError:
            return None, "reward.txt is not a number"
    return None, "the tests left no reward"


def _bound(numbers: list[Any], name: str) -> tuple[float | None, str]:
    good = [n for n in numbers if isinstance(n, int | float) and math.isfinite(n)]
    if not good or len(good) != len(numbers):
        return None, f"{name} holds something that is no finite number"
    return round(min(1.0, max(0.0, sum(good) / len(good))), 6), ""


def _read_named_tests(raw: bytes | None) -> list[TestOutcome]:
    """What ctrf.json (Common Test Report Format) says of each test; nothing where it cannot be read."""
    try:
        tests = json.loads(raw or b"{}")["results"]["tests"]
        return [
            TestOutcome(
                name=str(test["name"])[:200],
                status=_STATUSES.get(test["status"], "crashed"),
                weight=0.0,
                message=str(test.get("message") or "")[:MAX_MESSAGE_CHARS],
            )
            for test in tests[:MAX_NAMED_TESTS]
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
