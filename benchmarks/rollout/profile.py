"""Where a rollout's CPU goes: the engine's and the container's seconds of each thing that a rollout asks of a sandbox.

python -m benchmarks.rollout.profile --repeat 10
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.rollout.engine import CpuMeter, open_engine
from benchmarks.rollout.workload import IMAGE, TESTS, make_task
from terminal_task_gen.bundle import build_spec
from terminal_task_gen.config import SandboxConfig
from terminal_task_gen.sandbox import Sandbox, SandboxFile
from terminal_task_gen.sandbox.docker import DockerFactory
from terminal_task_gen.sandbox.terminal import Terminal
from terminal_task_gen.verifier.bench import TestBench
from terminal_task_gen.verifier.conditions import Conditions

Act = Callable[[Sandbox], Awaitable[Any]]


async def profile(meter: CpuMeter, repeat: int) -> None:
    factory = DockerFactory(image_prefix="ttgbench")
    task = make_task("sum", "Nothing.")
    spec = build_spec(task.image, task.limits, SandboxConfig(), run_id="profile", item_id="profile")
    bench = TestBench(factory, run_id="profile")

    async def run_tests(sandbox: Sandbox) -> None:
        await bench.run_tests(
            sandbox,
            task.image,
            tests=TESTS,
            weights=task.weights,
            timeout_sec=60.0,
            conditions=Conditions(is_last=True),
        )

    acts: dict[str, Act] = {
        "a command (`true`)": lambda sandbox: sandbox.exec(["true"], timeout_sec=20.0),
        "an upload of one small file": lambda sandbox: sandbox.upload([SandboxFile("/tmp/x", b"x")]),
        "a download of one small file": lambda sandbox: sandbox.download("/etc/hostname"),
        "the list of changes": lambda sandbox: sandbox.list_changes(),
        "python3 -I -c pass": lambda sandbox: sandbox.exec(["python3", "-I", "-c", "pass"], timeout_sec=20.0),
        "the tests": run_tests,
    }
    begun = await asyncio.gather(*(factory.start(spec) for _ in range(1)))
    await run_tests(begun[0])  # compiles the kit
    before, since = read(meter), time.monotonic()
    sandboxes = [await factory.start(spec) for _ in range(repeat)]
    tell(meter, "create and start a container", before, since, repeat)
    before, since = read(meter), time.monotonic()
    terminals = [await Terminal.open(sandbox) for sandbox in sandboxes]
    tell(meter, "open the terminal", before, since, repeat)
    before, since = read(meter), time.monotonic()
    for terminal in terminals:
        for _ in range(8):
            await terminal.send("pwd\n", 0.1)
        await terminal.read_new_output()
    tell(meter, "type eight commands, look once", before, since, repeat)
    for name, act in acts.items():
        before, since = read(meter), time.monotonic()
        for sandbox in sandboxes:
            await act(sandbox)
        tell(meter, name, before, since, repeat)
    before, since = read(meter), time.monotonic()
    for terminal, sandbox in zip(terminals, sandboxes, strict=True):
        await terminal.close()
        await sandbox.close()
    await asyncio.sleep(1.0)
    tell(meter, "close terminal and container (and 1 s)", before, since, repeat)
    await factory.close()


def read(meter: CpuMeter) -> dict[str, float]:
    return {**meter.read_sec(), "client": time.process_time()}


def tell(meter: CpuMeter, name: str, before: dict[str, float], since: float, repeat: int) -> None:
    spent = {part: (after - before[part]) / repeat * 1000 for part, after in read(meter).items()}
    wall = (time.monotonic() - since) / repeat * 1000
    parts = "  ".join(f"{part} {ms:5.0f}" for part, ms in spent.items())
    print(f"{name:<40} {parts}  all {sum(spent.values()):5.0f} ms CPU  {wall:5.0f} ms wall", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU of the parts of a rollout.")
    parser.add_argument("--repeat", type=int, default=10)
    given = parser.parse_args()
    with open_engine(f"{IMAGE}:latest") as engine:
        os.environ["DOCKER_HOST"] = engine.host
        asyncio.run(profile(engine.meter, given.repeat))


if __name__ == "__main__":
    main()
