"""What every client of the benchmark is given, and how it reports. Imports nothing but the standard library.

    client.py BASE_URL REQUESTS IN_FLIGHT FOLDER → one line of JSON on stdout

CPU and time count from `begin`, after the imports, to `report`, when every result is on disk; child processes included.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

SYSTEM = "You write terminal tasks."
WORDS = "collect the readings of the day and write one row for each station with its mean and its number of gaps "


@dataclass(frozen=True)
class Load:
    base_url: str
    requests: int
    in_flight: int
    folder: Path

    def make_prompt(self, number: int) -> str:
        """About 1 kB, different for each request."""
        return f"Commission number {number}: {WORDS * 10}"


def read_load() -> Load:
    base_url, requests, in_flight, folder = sys.argv[1:]
    return Load(base_url, int(requests), int(in_flight), Path(folder))


@dataclass(frozen=True)
class Mark:
    at_sec: float
    cpu_sec: float


def begin() -> Mark:
    return Mark(time.monotonic(), _count_cpu())


def report(load: Load, started: Mark, *, results: int) -> None:
    """Say what it took; `results` is read back from disk by the caller."""
    seconds, cpu_sec = time.monotonic() - started.at_sec, _count_cpu() - started.cpu_sec
    words = {
        "results": results,
        "per_sec": round(load.requests / seconds, 1),
        "cpu_ms": round(1000 * cpu_sec / load.requests, 3),
        "peak_mb": round(_read_peak_kb() / 1024, 1),
    }
    sys.stdout.write(f"\nRESULT {json.dumps(words)}\n")
    sys.stdout.flush()
    # Frameworks leave threads behind that would keep the process.
    os._exit(0)


def _count_cpu() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _read_peak_kb() -> int:
    """The process's own peak. ru_maxrss would begin with that of the process it was forked from."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM"))
