"""Runs of all stages through random schedules of crashes, against the same run undisturbed.

A round is one `ttg run` (generate, rollout, filter; scripted teacher, bubblewrap) on a small disk of its own. At random
moments something is done to it: the driver gets kill -9, one of its sandboxes or filter processes does, the endpoint
does and comes back on its port, the disk is full for a moment, the clock jumps by hours or years. Whatever ends is
started again with the same command. In the end every request must be accounted for exactly once, every shard must
parse, and the corpus must be that of the undisturbed run, byte for byte once its lines are sorted.

    python -m benchmarks.crash.campaign --rounds 200

The disk is a tmpfs in a mount namespace (bwrap), so nothing needs root; the clock is libfaketime's and is left alone
where that is not installed. With --docker (which does need root) sandboxes are containers of an engine of the
campaign's own, and that is killed, too, with its containerd and shims, or one of its containers.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.crash.blows import REPOSITORY, Bench, Endpoint, make_environ, strike
from benchmarks.crash.outcome import Outcome, find_differences, read_outcome
from benchmarks.rollout.engine import open_engine

DISK_BYTES = 64_000_000
NAME = "crash"
STARTS = 12
"""More than this without an end is an error."""
STAGES = ("generate", "rollout", "filter")
PLACES = ("the start", *STAGES, "the end")
IMAGES = ("ttg-base:latest", "ttg-security:latest")


def start(bench: Bench, name: str, log: Any) -> subprocess.Popen[bytes]:
    """`ttg run` of the round, as it is started and started again."""
    settings = {
        "generate.domains": ["security"],
        "generate.modes": ["skill"],
        "generate.count": 6,
        "generate.parallel": 3,
        "rollout.parallel": 2,
        "rollout.patience_sec": 30,
        "sandbox.warm": 0,
        "filter.workers": 2,
        "teacher.author.max_retries": 3,
        "teacher.author.max_backoff_sec": 0.3,
        "shard_mb": 1,
    }
    command = [sys.executable, "-m", "terminal_task_gen", "run", str(REPOSITORY / "configs" / "demo.yaml")]
    # The name is part of a run's identity, and so of every row: only the folders differ.
    command += ["--name", NAME, "--output-dir", str(bench.folder / name)]
    command += ["--sandbox", "bubblewrap" if bench.engine is None else "docker"]
    command += ["--base-url", bench.endpoint.base_url, "--model", "scripted-teacher", "--api-key-env", ""]
    for setting, value in settings.items():
        command += ["--set", f"{setting}={json.dumps(value)}"]
    return subprocess.Popen(command, stdout=log, stderr=log, env=bench.make_environ())


def run_undisturbed(bench: Bench) -> tuple[Outcome, float]:
    """And how many seconds it took."""
    begun = time.monotonic()
    with (bench.folder / "log").open("ab") as log:
        code = start(bench, "calm", log).wait()
    assert code == 0, (bench.folder / "log").read_text()
    return read_outcome(bench.folder / "calm" / NAME), time.monotonic() - begun


@dataclass(frozen=True)
class Blow:
    """What is done to a run, and when: so long after the stage began, or after the blow before it."""

    stage: str
    wait_sec: float
    kind: str


def draw_schedule(kinds: tuple[str, ...], number: int, calm_sec: float, rng: random.Random) -> list[Blow]:
    """Every kind and every stage in turn, and others with them, so that few rounds cover all."""
    count = rng.randint(2, 5)
    chosen = [kinds[number % len(kinds)], *rng.choices(kinds, k=count - 1)]
    stages = [STAGES[number // len(kinds) % len(STAGES)], *rng.choices(STAGES, k=count - 1)]
    rng.shuffle(chosen)
    stages.sort(key=STAGES.index)
    return [
        Blow(stage, rng.uniform(0.0, calm_sec / 3 / stages.count(stage)), kind)
        for stage, kind in zip(stages, chosen, strict=True)
    ]


def run_disturbed(bench: Bench, name: str, schedule: list[Blow], rng: random.Random) -> None:
    """One round: all blows of the schedule, then on to the end."""
    run = bench.folder / name / NAME
    left = list(schedule)
    with (bench.folder / "log").open("ab") as log:
        for _ in range(STARTS + len(schedule)):
            process = start(bench, name, log)
            while left and process.poll() is None:
                blow = left.pop(0)
                while PLACES.index(find_stage(run)) < PLACES.index(blow.stage) and process.poll() is None:
                    time.sleep(0.02)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(blow.wait_sec)
                if process.poll() is None:
                    bench.dealt[f"{blow.kind} in {find_stage(run)}"] += 1
                    strike(bench, blow.kind, process, rng)
            code = process.wait()
            bench.exits[code] += 1
            if code == 0 and not left:
                bench.set_clock("+0")
                return
    raise AssertionError(f"{name} never ends: {(bench.folder / 'log').read_text()[-3000:]}")


def find_stage(run: Path) -> str:
    """By the last event that was logged."""
    with suppress(OSError):
        for line in reversed((run / "logs" / "events.jsonl").read_bytes().splitlines()):
            with suppress(orjson.JSONDecodeError):
                event = orjson.loads(line)
                if event["event"] == "StageStarted":
                    return str(event["stage"])
                if event["event"] == "StageFinished":
                    return {"generate": "rollout", "rollout": "filter"}.get(event["stage"], "the end")
    return "the start"


def run_campaign(bench: Bench, *, first: int, rounds: int, seed: int, minutes: float) -> dict[str, Any]:
    """What happened; `differences` must be empty. The bench is on a disk that may be filled."""
    bench.set_clock("+0")
    bench.endpoint.start()
    begun = time.monotonic()
    differences: list[str] = []
    done = 0
    try:
        calm, seconds = run_undisturbed(bench)
        for number in range(first, first + rounds):
            if time.monotonic() - begun > 60 * minutes:
                break
            rng = random.Random(f"{seed} {number}")
            schedule = draw_schedule(bench.kinds, number, seconds, rng)
            name = f"round-{number}"
            run_disturbed(bench, name, schedule, rng)
            found = find_differences(calm, read_outcome(bench.folder / name / NAME))
            chosen = ", ".join(f"{blow.kind} in {blow.stage}" for blow in schedule)
            differences += [f"{name} {chosen}: {text}" for text in found]
            done += 1
            if not found:
                subprocess.run(["rm", "-rf", str(bench.folder / name)], check=True)
            print(f"{name}: {chosen}: {'; '.join(found) or 'the same'}", file=sys.stderr, flush=True)
        left = [] if bench.engine is None else bench.engine.list_containers()
        differences += [f"container left: {container}" for container in left]
    finally:
        bench.endpoint.kill()
    return {
        "rounds": done,
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "undisturbed_sec": round(seconds, 1),
        "requests": len(calm.generated),
        "attempts": len(calm.rolled_out),
        "dealt": dict(sorted(bench.dealt.items())),
        "exits": dict(sorted(bench.exits.items())),
        "differences": differences,
    }


def run_on_small_disk(arguments: list[str], *, as_root: bool) -> subprocess.CompletedProcess[str]:
    """This program on a tmpfs of its own; its last line is JSON."""
    with tempfile.TemporaryDirectory(prefix="crash") as folder:
        if as_root:
            mount = f'mount -t tmpfs -o size={DISK_BYTES} tmpfs "$0" && exec "$@"'
            command = ["unshare", "--mount", "--", "sh", "-c", mount, folder]
        else:
            command = ["bwrap", "--dev-bind", "/", "/", "--size", str(DISK_BYTES), "--tmpfs", folder]
            command += ["--die-with-parent"]
        command += [sys.executable, "-m", "benchmarks.crash.campaign", "--folder", folder, *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=make_environ())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="number of the first round: a campaign in several pieces")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e9, help="start no round after this")
    parser.add_argument("--docker", action="store_true", help="sandboxes in an engine that is killed, too")
    parser.add_argument("--folder", type=Path, help="(set by the program itself)")
    chosen = parser.parse_args()
    if chosen.folder is None:
        result = run_on_small_disk(sys.argv[1:], as_root=chosen.docker)
        print(result.stdout, end="")
        return result.returncode
    with ExitStack() as stack:
        bench = Bench(chosen.folder, Endpoint(), chosen.folder / "clock")
        if chosen.docker:
            bench.engine = stack.enter_context(open_engine(*IMAGES))
        report = run_campaign(bench, first=chosen.first, rounds=chosen.rounds, seed=chosen.seed, minutes=chosen.minutes)
    print(json.dumps(report))
    return 1 if report["differences"] else 0


if __name__ == "__main__":
    sys.exit(main())
