"""Runs of all stages through random schedules of crashes, against the same run undisturbed.

A round is one `ttg run` (generate, rollout, filter; scripted teacher, bubblewrap) on a small disk of its own. At random
moments something is done to it: the driver gets kill -9, one of its sandboxes or filter processes does, the endpoint
does and comes back on its port, the disk is full for a moment, the clock jumps by hours or years. Whatever ends is
started again with the same command. In the end every request must be accounted for exactly once, every shard must
parse, and the corpus must be that of the undisturbed run, byte for byte once its lines are sorted.

    python -m benchmarks.crash.campaign --rounds 200

The disk is a tmpfs in a mount namespace (bwrap), so nothing needs root; the clock is libfaketime's and is left alone
where that is not installed. Docker engines are killed by benchmarks/soak.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

REPOSITORY = Path(__file__).resolve().parents[2]
DISK_BYTES = 64_000_000
FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
NAME = "crash"
STARTS = 12
"""More than this without an end is an error."""
KINDS = ("driver", "worker", "endpoint", "disk", "clock")
STAGES = ("generate", "rollout", "filter")
PLACES = ("the start", *STAGES, "the end")
KEPT_CAUSES = ("teacher_unavailable", "sandbox_failed")


@dataclass
class Endpoint:
    """The scripted teacher as a process, which may be killed and comes back at the same address."""

    port: int = 0
    process: subprocess.Popen[str] | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        command = [sys.executable, "-m", "terminal_task_gen", "teacher", "serve", "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=make_environ())
        assert self.process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)", self.process.stdout.readline())
        assert found, "the scripted teacher did not start"
        self.port = int(found[1])

    def kill(self) -> None:
        assert self.process is not None and self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@dataclass
class Bench:
    """Where a campaign works."""

    folder: Path
    endpoint: Endpoint
    clock: Path
    """File that libfaketime reads the offset from."""
    dealt: Counter[str] = field(default_factory=Counter)
    exits: Counter[int] = field(default_factory=Counter)

    def set_clock(self, offset: str) -> None:
        temporary = self.clock.with_suffix(".tmp")
        temporary.write_text(offset + "\n")
        temporary.replace(self.clock)


def make_environ(clock: Path | None = None) -> dict[str, str]:
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "160", "PYTHONUNBUFFERED": "1"}
    if clock is not None and FAKETIME is not None:
        environ |= {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    return environ


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
    command += ["--name", NAME, "--output-dir", str(bench.folder / name), "--sandbox", "bubblewrap"]
    command += ["--base-url", bench.endpoint.base_url, "--model", "scripted-teacher", "--api-key-env", ""]
    for setting, value in settings.items():
        command += ["--set", f"{setting}={json.dumps(value)}"]
    return subprocess.Popen(command, stdout=log, stderr=log, env=make_environ(bench.clock))


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


def draw_schedule(kinds: list[str], number: int, calm_sec: float, rng: random.Random) -> list[Blow]:
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


def strike(bench: Bench, kind: str, process: subprocess.Popen[bytes], rng: random.Random) -> None:
    if kind == "driver":
        process.kill()
        process.wait()
    elif kind == "worker":
        children = list_children(process.pid)
        if children:
            with suppress(ProcessLookupError):
                os.kill(rng.choice(children), signal.SIGKILL)
    elif kind == "endpoint":
        bench.endpoint.kill()
        time.sleep(rng.uniform(0.1, 1.0))
        bench.endpoint.start()
    elif kind == "disk":
        with fill_disk(bench.folder):
            time.sleep(rng.uniform(0.2, 1.5))
    else:
        bench.set_clock(rng.choice(("+3h", "-3h", "+400d", "-400d", "+61s", "-61s")))


def list_children(pid: int) -> list[int]:
    """Sandboxes and worker processes; what runs inside a sandbox is its inhabitant's and below them."""
    with suppress(OSError):
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return []


@contextmanager
def fill_disk(folder: Path) -> Iterator[None]:
    ballast = folder / "ballast"
    fd = os.open(ballast, os.O_CREAT | os.O_WRONLY)
    try:
        for size in (1 << 20, 4096):
            try:
                while True:
                    os.write(fd, b"x" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
        yield
    finally:
        os.close(fd)
        ballast.unlink()


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


@dataclass(frozen=True)
class Outcome:
    """What a run left, read as plain JSON; reading is the check that every shard parses."""

    generated: dict[str, str]
    """Request → what became of it."""
    rolled_out: dict[str, str]
    """Attempt → its stop reason and reward, or why it failed."""
    corpus: str
    """SHA-256 of all lines of the corpus, sorted."""
    doubled: tuple[str, ...]
    parts: tuple[str, ...]
    """Shards that were not sealed."""


def read_outcome(run: Path) -> Outcome:
    doubled: list[str] = []
    generated = _account(run, "tasks", lambda row: row["lineage"]["request_id"], lambda row: str(row["id"]), doubled)
    rolled_out = _account(
        run,
        "trajectories",
        lambda row: str(row["id"]),
        lambda row: f"{row['stop_reason']} {row['verdict']['reward']}",
        doubled,
    )
    lines = [line for path in (run / "corpus").rglob("*.jsonl") for line in path.read_bytes().splitlines()]
    return Outcome(
        generated,
        rolled_out,
        hashlib.sha256(b"\n".join(sorted(lines))).hexdigest(),
        tuple(doubled),
        tuple(str(path) for path in run.rglob("*.part")),
    )


def _account(
    run: Path,
    folder: str,
    get_id: Callable[[dict[str, Any]], str],
    describe: Callable[[dict[str, Any]], str],
    doubled: list[str],
) -> dict[str, str]:
    refused = {"tasks": "rejected", "trajectories": "failed"}[folder]
    found: dict[str, str] = {}
    for prefix in (folder, refused):
        for path in sorted((run / folder).glob(f"{prefix}-*.jsonl")):
            for line in path.read_bytes().splitlines():
                row = orjson.loads(line)
                if prefix == refused and row["cause"] in KEPT_CAUSES:
                    continue
                key, word = (get_id(row), describe(row)) if prefix == folder else (row["id"], row["reason"])
                if key in found:
                    doubled.append(key)
                found[key] = word
    return found


def find_differences(calm: Outcome, found: Outcome) -> list[str]:
    """In words; none is what is wanted."""
    differences = [f"twice: {key}" for key in found.doubled] + [f"not sealed: {name}" for name in found.parts]
    for name in ("generated", "rolled_out"):
        wanted, had = getattr(calm, name), getattr(found, name)
        differences += [f"{name}: lost {key}" for key in sorted(wanted.keys() - had.keys())]
        differences += [f"{name}: {key} is new" for key in sorted(had.keys() - wanted.keys())]
        differences += [
            f"{name}: {key}: {wanted[key]} became {had[key]}"
            for key in sorted(wanted.keys() & had.keys())
            if wanted[key] != had[key]
        ]
    if calm.corpus != found.corpus:
        differences.append("the corpus is another")
    return differences


def run_campaign(folder: Path, *, first: int, rounds: int, seed: int, minutes: float) -> dict[str, Any]:
    """What happened; `differences` must be empty. `folder` is on a disk that may be filled."""
    kinds = [kind for kind in KINDS if kind != "clock" or FAKETIME is not None]
    bench = Bench(folder, Endpoint(), folder / "clock")
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
            schedule = draw_schedule(kinds, number, seconds, rng)
            chosen = [f"{blow.kind} in {blow.stage}" for blow in schedule]
            name = f"round-{number}"
            run_disturbed(bench, name, schedule, rng)
            found = find_differences(calm, read_outcome(folder / name / NAME))
            differences += [f"{name} {chosen}: {text}" for text in found]
            done += 1
            if not found:
                subprocess.run(["rm", "-rf", str(folder / name)], check=True)
            print(f"{name}: {', '.join(chosen)}: {'; '.join(found) or 'the same'}", file=sys.stderr, flush=True)
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


def run_on_small_disk(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """This program on a tmpfs of its own; its last line is JSON."""
    with tempfile.TemporaryDirectory(prefix="crash") as folder:
        command = ["bwrap", "--dev-bind", "/", "/", "--size", str(DISK_BYTES), "--tmpfs", folder, "--die-with-parent"]
        command += [sys.executable, "-m", "benchmarks.crash.campaign", "--folder", folder, *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=make_environ())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="number of the first round: a campaign in several pieces")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e9, help="start no round after this")
    parser.add_argument("--folder", type=Path, help="(set by the program itself)")
    chosen = parser.parse_args()
    if chosen.folder is None:
        result = run_on_small_disk(sys.argv[1:])
        print(result.stdout, end="")
        return result.returncode
    report = run_campaign(
        chosen.folder, first=chosen.first, rounds=chosen.rounds, seed=chosen.seed, minutes=chosen.minutes
    )
    print(json.dumps(report))
    return 1 if report["differences"] else 0


if __name__ == "__main__":
    sys.exit(main())
