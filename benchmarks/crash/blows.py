"""What can be done to a run, and where it happens: the endpoint, the disk, the clock, the engine."""

from __future__ import annotations

import errno
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.rollout.engine import PrivateEngine

REPOSITORY = Path(__file__).resolve().parents[2]
FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
KINDS = ("driver", "worker", "endpoint", "disk", "clock")
ENGINE_KINDS = ("engine", "container")


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
    engine: PrivateEngine | None = None
    """None: bubblewrap."""
    dealt: Counter[str] = field(default_factory=Counter)
    exits: Counter[int] = field(default_factory=Counter)

    @property
    def kinds(self) -> tuple[str, ...]:
        kinds = [kind for kind in KINDS if kind != "clock" or FAKETIME is not None]
        return (*kinds, *(ENGINE_KINDS if self.engine is not None else ()))

    def make_environ(self) -> dict[str, str]:
        """Of the program that is struck."""
        return make_environ(self.clock) | ({} if self.engine is None else {"DOCKER_HOST": self.engine.host})

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
    elif kind == "engine":
        assert bench.engine is not None
        bench.engine.crash()
        time.sleep(rng.uniform(0.0, 2.0))
        bench.engine.start()
    elif kind == "container":
        assert bench.engine is not None
        containers = bench.engine.list_containers()
        if containers:
            bench.engine.docker("kill", rng.choice(containers), check=False)
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
