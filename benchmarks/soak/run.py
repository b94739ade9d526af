"""Thousands of rollouts while containers die at random and the engine is killed: nothing lost, nothing left behind.

`ttg rollout` as its user starts it, against an engine of its own (benchmarks/rollout/engine.py). Meanwhile containers
are killed at random, and half way the engine is killed with SIGKILL, containers and all, and started again. At
the end every attempt must have its line, no container may be left, and memory, descriptors and the engine's disk in
the last quarter are compared with those of the second.

    python -m benchmarks.soak.run --rollouts 2000 --parallel 8 --kill-every-sec 5
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults.campaign import serve
from benchmarks.rollout.engine import PrivateEngine, open_engine, read_rss_mb
from benchmarks.rollout.workload import IMAGE, INSTRUCTION, list_replies, make_task, write_run, write_script

SAMPLE_EVERY_SEC = 1.0
MAX_GROWTH = 1.10
"""Of the median of the last quarter over that of the second; the first holds the warming up."""
MAX_DISK_GROWTH_MB = 20.0


@dataclass(frozen=True)
class Sample:
    done: int
    rss_mb: float
    descriptors: int
    disk_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description="A long run of rollouts with deaths in it.")
    parser.add_argument("--rollouts", type=int, default=2000)
    parser.add_argument("--parallel", default="8")
    parser.add_argument("--kill-every-sec", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-restart", action="store_true", help="leave the engine alone")
    given = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="ttg-soak-"))
    write_script(scratch / "repertoire", "bench", list_replies(), "Benchmark: write")
    run = scratch / "soak"
    with serve(scratch, "", 0.0) as server, open_engine(f"{IMAGE}:latest") as engine:
        parallel = given.parallel if given.parallel == "auto" else int(given.parallel)
        task = make_task("sum", INSTRUCTION)
        write_run(run, [task], server.base_url, attempts=given.rollouts, parallel=parallel, max_sandbox_retries=5)
        samples, kills, code = torment(engine, run, given)
        left = engine.list_containers()
    report(run, given.rollouts, samples, kills, code, left)


def torment(engine: PrivateEngine, run: Path, given: argparse.Namespace) -> tuple[list[Sample], int, int]:
    """The samples taken, how many containers were killed, the exit code of `ttg`."""
    chance = random.Random(given.seed)
    samples: list[Sample] = []
    kills = 0
    restart_at = None if given.no_restart else given.rollouts // 2
    with (run.parent / "output.log").open("ab") as log:
        command = [str(Path(sys.executable).with_name("ttg")), "rollout", str(run)]
        ttg = subprocess.Popen(command, env=engine.environ, stdout=log, stderr=log)
        kill_at = time.monotonic() + given.kill_every_sec
        while ttg.poll() is None:
            samples.append(look(engine, run, ttg.pid))
            if restart_at is not None and samples[-1].done >= restart_at:
                restart_at = None
                engine.crash()
                engine.start()
            if time.monotonic() >= kill_at and (containers := engine.list_containers()):
                kill_at = time.monotonic() + given.kill_every_sec * chance.uniform(0.5, 1.5)
                kills += engine.docker("kill", chance.choice(containers), check=False).returncode == 0
            time.sleep(SAMPLE_EVERY_SEC)
    return samples, kills, ttg.returncode


def look(engine: PrivateEngine, run: Path, pid: int) -> Sample:
    done = sum(path.read_bytes().count(b"\n") for path in run.glob("trajectories/trajectories-*"))
    try:
        descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        descriptors = 0
    return Sample(done, read_rss_mb([pid]), descriptors, engine.read_disk_mb())


def report(run: Path, rollouts: int, samples: list[Sample], kills: int, code: int, left: list[str]) -> None:
    rows = read_lines(run, "trajectories")
    failed = read_lines(run, "failed")
    ids = {row["id"] for row in rows}
    told = {
        "exit_code": code,
        "rollouts": rollouts,
        "accounted": len(ids | {row["id"] for row in failed}),
        "doubled": len(rows) - len(ids),
        "solved": sum(row["verdict"]["reward"] == 1.0 for row in rows),
        "failed": dict(Counter(row["reason"] for row in failed)),
        "containers_killed": kills,
        "containers_left": len(left),
        "recordings": len(list((run / "recordings").iterdir())),
    }
    growth = {name: compare(samples, name) for name in ("rss_mb", "descriptors", "disk_mb")}
    print(json.dumps({**told, "second_and_last_quarter": growth}, indent=1))
    faults = [] if told["accounted"] == rollouts else ["attempts are missing"]
    faults += ["attempts are doubled"] if told["doubled"] else []
    faults += ["containers are left"] if left else []
    faults += [f"{name} grew" for name in ("rss_mb", "descriptors") if growth[name][1] > growth[name][0] * MAX_GROWTH]
    faults += ["disk_mb grew"] if growth["disk_mb"][1] > growth["disk_mb"][0] + MAX_DISK_GROWTH_MB else []
    if faults:
        sys.exit(f"{'; '.join(faults)}; see {run}")


def read_lines(run: Path, prefix: str) -> list[dict[str, Any]]:
    paths = sorted((run / "trajectories").glob(f"{prefix}-*"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def compare(samples: list[Sample], name: str) -> tuple[float, float]:
    """Medians of the second and of the last quarter of the time."""
    quarter = max(1, len(samples) // 4)
    parts = samples[quarter : 2 * quarter], samples[-quarter:]
    second, last = (statistics.median(getattr(sample, name) for sample in part) for part in parts)
    return round(second, 1), round(last, 1)


if __name__ == "__main__":
    main()
