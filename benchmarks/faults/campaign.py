"""A run of `ttg generate` through everything that goes wrong, against the same run undisturbed.

Three scripted teachers as replicas, each spoiling a share of the calls it gets in every way it knows; one is slow, one
is killed half way. The `ttg` process itself is killed with SIGKILL again and again, at random, and started anew. In
the end every request must have come to a task or to a refusal with its reason, none lost, none doubled, and the ids
must be those of the undisturbed run.

    python -m benchmarks.faults.campaign --requests 5000 --kills 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import orjson

from benchmarks.faults.repertoire import DOMAIN, write_repertoire
from terminal_task_gen.teacher.faults import parse_faults
from terminal_task_gen.teacher.scripted import run_scripted

POLL_SEC = 0.05
MAX_STARTS_AFTER_KILLS = 20
SILENCE_SEC = 2.0


@dataclass(frozen=True)
class Plan:
    requests: int = 5000
    kills: int = 20
    fault_share: float = 0.2
    parallel: int = 32
    """Calls in flight at each server."""
    slow_sec: float = 0.3
    seed: int = 1


@dataclass
class Outcome:
    """What a run left on disk, read as plain JSON."""

    tasks: dict[str, str] = field(default_factory=dict)
    """Request id → task id."""
    refused: dict[str, str] = field(default_factory=dict)
    """Request id → reason."""
    owed: Counter[str] = field(default_factory=Counter)
    """Reasons of lines whose request was done again."""
    doubled: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Server:
    process: SpawnProcess
    base_url: str


def run_campaign(plan: Plan, folder: Path) -> tuple[Outcome, Outcome, dict[str, Any]]:
    """The undisturbed outcome, the disturbed one, and what was dealt."""
    write_repertoire(folder / "repertoire")
    with ExitStack() as stack:
        calm = [stack.enter_context(serve(folder, "", 0.0))]
        undisturbed = run_undisturbed(plan, folder, calm)
    with ExitStack() as stack:
        servers = [
            stack.enter_context(serve(folder, f"all={plan.fault_share},{FAULTS},seed={number}", latency_sec))
            for number, latency_sec in enumerate((0.02, plan.slow_sec, 0.02))
        ]
        disturbed, dealt = run_disturbed(plan, folder, servers)
    return undisturbed, disturbed, dealt


FAULTS = f"retry_after_sec=0.2,hang_sec={3 * SILENCE_SEC}"


@contextmanager
def serve(folder: Path, faults: str, latency_sec: float) -> Iterator[Server]:
    """A scripted teacher in a process of its own, killed at the end."""
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    arguments = (folder / "repertoire", faults, latency_sec, writer)
    process = context.Process(target=_serve_until_killed, args=arguments, daemon=True)
    process.start()
    try:
        yield Server(process, reader.recv())
    finally:
        process.kill()
        process.join()
        process.close()
        reader.close()
        writer.close()


def _serve_until_killed(repertoire: Path, faults: str, latency_sec: float, announcements: Connection) -> None:
    serving = run_scripted(
        [repertoire],
        host="127.0.0.1",
        port=0,
        faults=parse_faults(faults),
        latency_sec=latency_sec,
        announce=lambda server: announcements.send(server.base_url),
    )
    asyncio.run(serving)


def run_undisturbed(plan: Plan, folder: Path, servers: list[Server]) -> Outcome:
    started = time.monotonic()
    with start(plan, folder, "calm", servers) as process:
        assert process.wait() == 0, "the undisturbed run failed"
    return read_outcome(folder / "runs" / "calm", time.monotonic() - started)


def run_disturbed(plan: Plan, folder: Path, servers: list[Server]) -> tuple[Outcome, dict[str, Any]]:
    rng = random.Random(plan.seed)
    run = folder / "runs" / "disturbed"
    kill_at = sorted(rng.sample(range(plan.requests), plan.kills))
    started = time.monotonic()
    exits: list[int] = []
    killed = 0
    while not exits or exits[-1] != 0:
        assert len(exits) < plan.kills + MAX_STARTS_AFTER_KILLS, f"it never ends: {exits}"
        with start(plan, folder, "disturbed", servers) as process:
            while process.poll() is None:
                finished = count_lines(run)
                assert all(server.process.is_alive() for server in servers[:2]), "somebody ended a server"
                if finished >= plan.requests / 2:
                    servers[2].process.kill()
                if killed < plan.kills and finished >= kill_at[killed]:
                    # Not at the line itself: anywhere in what comes after it, the start of the next ttg included.
                    time.sleep(rng.uniform(0.0, 1.5))
                    process.send_signal(signal.SIGKILL)
                    killed += 1
                    process.wait()
                time.sleep(POLL_SEC)
            exits.append(process.returncode)
    dealt = [read_stats(server) for server in servers[:2]]
    return read_outcome(run, time.monotonic() - started), {"exits": dict(Counter(exits)), "dealt": dealt}


@contextmanager
def start(plan: Plan, folder: Path, name: str, servers: list[Server]) -> Iterator[subprocess.Popen[str]]:
    """`ttg generate`, as a user would start it and start it again."""
    first, *others = servers
    settings = {
        "teacher.author.replicas": [{"base_url": server.base_url} for server in others],
        "teacher.author.parallel": plan.parallel,
        "teacher.author.timeout_sec": 2 * SILENCE_SEC,
        "teacher.author.idle_timeout_sec": SILENCE_SEC,
        "teacher.author.max_backoff_sec": 0.5,
        "teacher.author.max_retries": 12,
        "generate.repair_rounds": 3,
        "sandbox.parallel": 2,
    }
    command = [sys.executable, "-m", "terminal_task_gen", "generate", "--mode", "skill", "--domain", DOMAIN]
    command += ["-n", str(plan.requests), "--parallel", str(plan.parallel * 3), "--sandbox", "bubblewrap"]
    command += ["--base-url", first.base_url, "--model", "campaign", "--api-key-env", ""]
    # Both runs share a folder: with the replay cache the undisturbed one would answer for the servers.
    command += ["--name", name, "--output-dir", str(folder / "runs"), "--no-cache"]
    for setting, value in settings.items():
        command += ["--set", f"{setting}={json.dumps(value)}"]
    with (folder / f"{name}.log").open("a") as log, subprocess.Popen(command, stderr=log, stdout=log, text=True) as ttg:
        try:
            yield ttg
        finally:
            ttg.kill()


def count_lines(run: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in run.glob("tasks/*.jsonl*"))


def read_outcome(run: Path, seconds: float) -> Outcome:
    outcome = Outcome(seconds=round(seconds, 1))
    rows = [orjson.loads(line) for path in sorted(run.glob("tasks/*.jsonl")) for line in path.read_bytes().splitlines()]
    for row in rows:
        if "lineage" in row:
            request, ends, word = row["lineage"]["request_id"], outcome.tasks, row["id"]
        elif row["cause"] in ("teacher_unavailable", "sandbox_failed"):
            outcome.owed[row["reason"]] += 1
            continue
        else:
            request, ends, word = row["id"], outcome.refused, row["reason"]
        if request in outcome.tasks or request in outcome.refused:
            outcome.doubled.append(request)
        ends[request] = word
    return outcome


def read_stats(server: Server) -> dict[str, Any]:
    with urllib.request.urlopen(server.base_url.removesuffix("/v1") + "/stats") as response:  # loopback
        stats: dict[str, Any] = json.load(response)
    return stats


def find_differences(plan: Plan, undisturbed: Outcome, disturbed: Outcome) -> list[str]:
    """What was promised and did not come true; empty when all is well."""
    found = []
    for name, outcome in (("undisturbed", undisturbed), ("disturbed", disturbed)):
        ended = len(outcome.tasks) + len(outcome.refused)
        if ended != plan.requests:
            found.append(f"{name}: {ended} of {plan.requests} requests ended")
        if outcome.doubled:
            found.append(f"{name}: doubled {outcome.doubled[:5]}")
        if not outcome.tasks or not outcome.refused:
            found.append(f"{name}: {len(outcome.tasks)} tasks and {len(outcome.refused)} refusals prove nothing")
    if disturbed.tasks != undisturbed.tasks:
        found.append(f"task ids differ: {set(disturbed.tasks.items()) ^ set(undisturbed.tasks.items())}")
    if disturbed.refused.keys() != undisturbed.refused.keys():
        found.append("other requests were refused")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Fault campaign over ttg generate.")
    parser.add_argument("--requests", type=int, default=Plan.requests)
    parser.add_argument("--kills", type=int, default=Plan.kills)
    parser.add_argument("--fault-share", type=float, default=Plan.fault_share)
    parser.add_argument("--seed", type=int, default=Plan.seed)
    given = parser.parse_args()
    plan = Plan(requests=given.requests, kills=given.kills, fault_share=given.fault_share, seed=given.seed)
    folder = Path(tempfile.mkdtemp(prefix="ttg-campaign-"))
    undisturbed, disturbed, dealt = run_campaign(plan, folder)
    differences = find_differences(plan, undisturbed, disturbed)
    report = {
        "plan": asdict(plan),
        "undisturbed_sec": undisturbed.seconds,
        "disturbed_sec": disturbed.seconds,
        "tasks": len(disturbed.tasks),
        "refused": dict(Counter(disturbed.refused.values())),
        "owed_and_done_again": dict(disturbed.owed),
        **dealt,
        "differences": differences,
    }
    print(json.dumps(report, indent=2))
    print(f"files: {folder}")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
