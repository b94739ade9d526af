"""Harbor's terminus-2 and ours on the same task, side by side: wall and CPU seconds per trial, resident memory.

Both are run as their users run them, as a command, start-up included, against one engine of the benchmark's own
(engine.py) and one scripted teacher over HTTP, whose cost is not counted. Harbor as shipped waits ten seconds for each
container to end; `harbor-fast` is Harbor without that wait.

    docker build -t ttgbench-rollout benchmarks/rollout/image
    python -m benchmarks.rollout.measure --harbor /path/to/harbor --parallel 1,8,24 --rounds 2
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.faults.campaign import serve
from benchmarks.rollout.engine import PrivateEngine, open_engine, read_rss_mb
from benchmarks.rollout.workload import (
    IMAGE,
    INSTRUCTION,
    MODEL,
    list_replies,
    make_task,
    write_harbor_task,
    write_run,
    write_script,
)

TRIALS_AT_ONE = 4
SAMPLE_EVERY_SEC = 0.1
NO_GRACE = "services:\n  main:\n    stop_grace_period: 0s\n"
GOALS = {
    "harbor": {"wall_sec": 10.0, "cpu_sec": 8.0, "rss_mb": 5.0},
    "harbor-fast": {"wall_sec": 8.0, "cpu_sec": 8.0, "rss_mb": 5.0},
}
Figures = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description="What a rollout costs, beside Harbor's.")
    parser.add_argument("--harbor", type=Path, help="harbor 0.24 or a wrapper of it; without it only ours is measured")
    parser.add_argument("--parallel", default="1,8,24")
    parser.add_argument(
        "--trials", type=int, help=f"per run; default: as many as in parallel, at least {TRIALS_AT_ONE}"
    )
    parser.add_argument("--rounds", type=int, default=1, help="the quietest of these is taken")
    parser.add_argument("--sides", default="ttg,harbor,harbor-fast")
    given = parser.parse_args()
    sides = [side for side in given.sides.split(",") if side == "ttg" or given.harbor]
    scratch = Path(tempfile.mkdtemp(prefix="ttg-rollout-bench-"))
    write_script(scratch / "repertoire", "bench", list_replies(), "^Benchmark: |Benchmark: write")
    write_harbor_task(scratch / "tasks" / "sum", "sum", INSTRUCTION)
    (scratch / "no-grace.yaml").write_text(NO_GRACE)
    with serve(scratch, "", 0.0) as server, open_engine(f"{IMAGE}:latest") as engine:
        for parallel in map(int, given.parallel.split(",")):
            trials = given.trials or max(TRIALS_AT_ONE, parallel)
            best: dict[str, Figures] = {}
            for number in range(given.rounds):
                for side in sides:
                    folder = scratch / f"{side}-{parallel}-{number}"
                    command = make_command(side, folder, server.base_url, trials, parallel, given.harbor)
                    seen = measure(engine, command, scratch, trials)
                    check(side, folder, trials)
                    print(f"{side:<12} {trials:>3} at {parallel:<3} {json.dumps(seen)}", flush=True)
                    if side not in best or seen["cpu_sec"] < best[side]["cpu_sec"]:
                        best[side] = seen
            print_ratios(parallel, best)


def make_command(side: str, folder: Path, base_url: str, trials: int, parallel: int, harbor: Path | None) -> list[str]:
    if side == "ttg":
        write_run(folder, [make_task("sum", INSTRUCTION)], base_url, attempts=trials, parallel=parallel)
        return [str(Path(sys.executable).with_name("ttg")), "rollout", str(folder)]
    command = [str(harbor), "run", "-p", str(folder.parent / "tasks"), "-a", "terminus-2", "-m", f"openai/{MODEL}"]
    command += ["--ak", f"api_base={base_url}", "-n", str(parallel), "-k", str(trials), "-o", str(folder), "-y", "-q"]
    return [*command, *(["--extra-docker-compose", "no-grace.yaml"] if side == "harbor-fast" else [])]


def measure(engine: PrivateEngine, command: list[str], cwd: Path, trials: int) -> Figures:
    """Of one command: seconds per trial by where they were spent, the most memory its processes held together."""
    quiet = {"HARBOR_TELEMETRY": "0", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "OPENAI_API_KEY": "none"}
    before, begun = engine.meter.read_sec(), time.monotonic()
    most_client = most_engine = 0.0
    with (cwd / "output.log").open("ab") as log:
        process = subprocess.Popen(
            engine.meter.place("client", command), cwd=cwd, env={**engine.environ, **quiet}, stdout=log, stderr=log
        )
        while process.poll() is None:
            most_client = max(most_client, read_rss_mb(engine.meter.list_pids("client")))
            most_engine = max(most_engine, read_rss_mb(engine.meter.list_pids("engine")))
            time.sleep(SAMPLE_EVERY_SEC)
    wall_sec = time.monotonic() - begun
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}; see {cwd}/output.log")
    spent = {part: after - before[part] for part, after in engine.meter.read_sec().items()}
    figures = {"wall_sec": wall_sec / trials, "cpu_sec": sum(spent.values()) / trials}
    figures |= {f"{part}_cpu_sec": sec / trials for part, sec in spent.items()}
    figures |= {"rss_mb": most_client, "engine_rss_mb": most_engine, "load": os.getloadavg()[0]}
    return {name: round(value, 3) for name, value in figures.items()}


def check(side: str, folder: Path, trials: int) -> None:
    """Every trial must have been solved, or the figures mean nothing."""
    if side == "ttg":
        lines = [line for path in folder.glob("trajectories/trajectories-*") for line in path.read_text().splitlines()]
        solved = sum(json.loads(line)["verdict"]["reward"] == 1.0 for line in lines)
    else:
        results = [json.loads(path.read_text()) for path in folder.glob("*/*/result.json")]
        solved = sum((result.get("verifier_result") or {}).get("rewards") == {"reward": 1.0} for result in results)
    if solved != trials:
        sys.exit(f"{side}: {solved} of {trials} trials were solved; see {folder} and output.log beside it")


def print_ratios(parallel: int, best: dict[str, Figures]) -> None:
    for side, goals in GOALS.items():
        if side in best and "ttg" in best:
            told = [
                f"{name} 1/{best[side][name] / best['ttg'][name]:.1f} (≤ 1/{goal:g})" for name, goal in goals.items()
            ]
            print(f"at {parallel}: ttg to {side}: {', '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
