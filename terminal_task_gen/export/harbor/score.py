"""The program that turns a test run's results into a reward; it travels with an exported task: WORK LOGS.

It stands alone: standard library, Python 3.10 or later. WORK holds weights.json and the runner's results.jsonl, LOGS
gets reward.txt, reward.json and ctrf.json. A weighted test passes if each of its cases does; one without a result is
`missing`. Exit code 0: all passed.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

WORST_FIRST = ("failed", "crashed", "missing", "skipped")
CTRF_STATUS = {"passed": "passed", "skipped": "skipped"}


def read_results(path: Path) -> tuple[list[str], dict[str, list[str]], dict[str, str]]:
    """Collected cases, statuses and first complaint by test. A torn line is skipped: the run may have been killed."""
    cases: list[str] = []
    statuses: dict[str, list[str]] = {}
    messages: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event["kind"] == "collected":
            cases = event["names"]
        elif event["kind"] == "broken":
            messages.setdefault("", event["message"])
        else:
            statuses.setdefault(event["name"], []).append(event["status"])
            if event["status"] != "passed":
                messages.setdefault(event["name"], event["message"])
    return cases, statuses, messages


def judge(name: str, cases: list[str], statuses: dict[str, list[str]]) -> str:
    found = set(statuses.get(name, ()))
    if len(statuses.get(name, ())) < max(1, cases.count(name)):
        found.add("missing")
    return next((status for status in WORST_FIRST if status in found), "passed")


def main(work: Path, logs: Path) -> int:
    weights: dict[str, float] = json.loads((work / "weights.json").read_text(encoding="utf-8"))
    cases, statuses, messages = read_results(work / "results.jsonl")
    outcomes = {name: judge(name, cases, statuses) for name in weights}
    passed = bool(outcomes) and all(status == "passed" for status in outcomes.values())
    earned = math.fsum(weights[name] for name, status in outcomes.items() if status == "passed")
    reward = 1.0 if passed else round(min(1.0, earned), 6)
    tests = [
        {
            "name": name,
            "status": CTRF_STATUS.get(status, "failed"),
            "rawStatus": status,
            "duration": 0,
            "message": messages.get(name, messages.get("", "")),
            "extra": {"weight": weights[name]},
        }
        for name, status in outcomes.items()
    ]
    counts = {word: sum(test["status"] == word for test in tests) for word in ("passed", "failed", "skipped")}
    summary = {"tests": len(tests), **counts, "pending": 0, "other": 0, "start": 0, "stop": 0}
    report = {"results": {"tool": {"name": "pytest"}, "summary": summary, "tests": tests}}
    (logs / "ctrf.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
    (logs / "reward.json").write_text(json.dumps({"reward": reward}), encoding="utf-8")
    (logs / "reward.txt").write_text(f"{reward:g}\n", encoding="utf-8")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
