"""Runs the clients one after another, each against a fresh mock server: client on one core, server on the other.

Everything happens in a network namespace of its own that has a loopback and nothing else (`unshare -n`, as root), so no
client can reach anybody, telemetry and downloads included. Rounds are interleaved (every client once, then again); the
medians of the rounds are compared.

    python -m benchmarks.teacher.run --peers /tmp/peers/bin/python --requests 5000 --rounds 3
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
PORT = 8123
CLIENT_CORE, SERVER_CORE = "0", "1"
PEERS = ("curator", "datatrove")
INSIDE = "TTG_BENCH_INSIDE"
TIMEOUT_SEC = 600

Result = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description="Requests per second, CPU and memory of teacher clients.")
    parser.add_argument("--clients", default="ttg,openai,curator,datatrove")
    parser.add_argument("--in-flight", default="256,1024")
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--latency-sec", type=float, default=0.05)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default=sys.executable, help="Python that has curator and datatrove.")
    given = parser.parse_args()
    if INSIDE not in os.environ:
        isolate()
    clients = given.clients.split(",")
    for in_flight in (int(number) for number in given.in_flight.split(",")):
        rounds: dict[str, list[Result]] = {client: [] for client in clients}
        for _ in range(given.rounds):
            for client in clients:
                python = given.peers if client in PEERS else sys.executable
                rounds[client].append(measure(client, python, given.requests, in_flight, given.latency_sec))
        print_table(in_flight, given.requests, rounds)


def isolate() -> None:
    """Start this program again where only a loopback is."""
    command = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable]
    command += ["-m", "benchmarks.teacher.run", *sys.argv[1:]]
    os.execvpe("unshare", command, {**os.environ, INSIDE: "1"})


def measure(client: str, python: str, requests: int, in_flight: int, latency_sec: float) -> Result:
    folder = Path(tempfile.mkdtemp(prefix=f"ttg-bench-{client}-"))
    server = subprocess.Popen(
        [*pin(SERVER_CORE, sys.executable), "benchmarks.teacher.mock_server", "--latency-sec", str(latency_sec)],
        cwd=REPOSITORY,
    )
    try:
        wait_for_server()
        command = [*pin(CLIENT_CORE, python), f"benchmarks.teacher.clients.{client}_client"]
        command += [f"http://127.0.0.1:{PORT}/v1", str(requests), str(in_flight), str(folder)]
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env=make_environ(folder, python),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SEC,
            check=False,
        )
        line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
        if line is None:
            sys.exit(f"{client} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        result: Result = json.loads(line.removeprefix("RESULT "))
        seen = read_stats()
        result["most_in_flight"], result["connections"] = seen["most_in_flight"], seen["connections"]
        assert result["results"] == requests, f"{client}: {result['results']} results of {requests}"
        assert seen["requests"] >= requests, f"{client}: the server saw {seen['requests']} of {requests}"
        sys.stderr.write(f"{client:<10} {in_flight:>5} in flight  {result}\n")
        return result
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def pin(core: str, python: str) -> list[str]:
    """Start of a command that runs a module on one core."""
    return ["taskset", "-c", core, python, "-m"]


def make_environ(folder: Path, python: str) -> dict[str, str]:
    # curator wants a tokenizer that it would download; a package it brings along holds the file.
    tokenizers = next(
        Path(python).parents[1].glob("lib/python*/site-packages/litellm/litellm_core_utils/tokenizers"), ""
    )
    quiet = {
        "TIKTOKEN_CACHE_DIR": str(tokenizers),
        "OPENAI_API_KEY": "none",
        "TELEMETRY_ENABLED": "false",
        "CURATOR_DISABLE_RICH_DISPLAY": "1",
        "CURATOR_CACHE_DIR": str(folder / "cache"),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "hf"),
        "PYTHONWARNINGS": "ignore",
    }
    return {**os.environ, **quiet}


def wait_for_server() -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            read_stats()
        except urllib.error.URLError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the mock server did not start")


def read_stats() -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/stats") as response:
        stats: dict[str, Any] = json.load(response)
    return stats


def print_table(in_flight: int, requests: int, rounds: dict[str, list[Result]]) -> None:
    medians = {
        client: {key: statistics.median(result[key] for result in results) for key in results[0]}
        for client, results in rounds.items()
    }
    own = medians.get("ttg")
    print(f"\n{in_flight} in flight, {requests} requests, median of {len(next(iter(rounds.values())))}\n")
    print("| client | req/s | CPU ms/req | peak MB | most in flight | ttg's req/s | ttg's CPU |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for client, median in medians.items():
        times = f"{own['per_sec'] / median['per_sec']:.2f} ×" if own else ""
        cpu = f"{own['cpu_ms'] / median['cpu_ms']:.2f} ×" if own else ""
        words = [f"{median['per_sec']:.0f}", f"{median['cpu_ms']:.2f}", f"{median['peak_mb']:.0f}"]
        print(f"| {client} | {' | '.join(words)} | {median['most_in_flight']:.0f} | {times} | {cpu} |")


if __name__ == "__main__":
    main()
