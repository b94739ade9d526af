"""The `bwrap` process on the host: what it is given, how it is ended, and why it may refuse.

Run as root, bwrap is started as `nobody`, so that root inside is never root outside and the process limit, which
does not bind the real root, holds. It has its own session: Ctrl-C at the terminal is for `ttg` alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import IO

from terminal_task_gen.sandbox import SandboxSpec
from terminal_task_gen.sandbox.bubblewrap_layout import INIT_PATH, Layout

NOBODY = 65534
OPEN_FILES = 8192
NEWER_OPTIONS = frozenset({"--size", "--disable-userns"})
"""Options that bwrap 0.5 to 0.7 lack and that we do without there."""
INIT_SOURCE = Path(__file__).with_name("bubblewrap_init.py")
HANG_UP_SEC = 5.0
SYSCTLS = {
    "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),
    "kernel.unprivileged_userns_clone": ("0", "1"),
    "user.max_user_namespaces": ("0", "15000"),
}
"""Settings that forbid user namespaces: the value that does, and the one that does not."""


def list_options() -> frozenset[str]:
    """Which of the newer options the installed bwrap has. Raises OSError where there is no bwrap."""
    told = subprocess.run(["bwrap", "--help"], capture_output=True, text=True, check=False)
    return NEWER_OPTIONS & set(re.findall(r"--[a-z-]+", told.stdout + told.stderr))


def spawn_bwrap(layout: Layout, control: socket.socket, complaints: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start it; `control` becomes its init's socket. Raises OSError.

    The environment is empty: init's is to be read inside.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise FileNotFoundError("bwrap is not installed")
    arguments = layout.build_arguments(INIT_SOURCE.read_text(encoding="utf-8"))
    init = [layout.python.path, "-I", "-S", INIT_PATH, str(control.fileno()), json.dumps(build_limits(layout.spec))]
    nobody = NOBODY if can_become_nobody() else None
    return subprocess.Popen(
        [bwrap, *arguments, "--", *init],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=complaints,
        pass_fds=(control.fileno(), *layout.fds),
        start_new_session=True,
        cwd="/",
        env={},
        user=nobody,
        group=nobody,
        extra_groups=None if nobody is None else (),
    )


async def end_process(process: subprocess.Popen[bytes]) -> None:
    """Wait until bwrap, whose init has been hung up on, is gone with all inside; kill it when that takes too long."""
    try:
        await _wait_process(process, HANG_UP_SEC)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


async def _wait_process(process: subprocess.Popen[bytes], timeout_sec: float) -> None:
    if process.poll() is not None:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    pidfd = os.pidfd_open(process.pid)
    loop.add_reader(pidfd, ended.set)
    try:
        async with asyncio.timeout(timeout_sec):
            await ended.wait()
    except TimeoutError:
        pass
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)


def build_limits(spec: SandboxSpec) -> dict[str, int]:
    """Resource limits of everything inside; RLIMIT_NPROC is for all together, the others for each process."""
    mebibyte = 1024 * 1024
    return {
        "RLIMIT_CORE": 0,
        "RLIMIT_DATA": spec.memory_mb * mebibyte,
        "RLIMIT_FSIZE": spec.disk_mb * mebibyte,
        "RLIMIT_NOFILE": OPEN_FILES,
        "RLIMIT_NPROC": spec.max_processes if counts_processes_per_namespace() else 2**20,
    }


def counts_processes_per_namespace() -> bool:
    """Linux before 5.14 counts all processes of a user against RLIMIT_NPROC, which would fail on a busy desktop."""
    release = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return release is not None and (int(release[1]), int(release[2])) >= (5, 14)


def can_become_nobody() -> bool:
    """We are root and `nobody` is somebody here (inside a rootless container it need not be)."""
    if os.geteuid() != 0:
        return False
    ranges = [tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    return any(first <= NOBODY < first + count for first, _, count in ranges)


def explain_refusal(evidence: str) -> str:
    """One line for the user: what bwrap said and what mends it."""
    said = f"bwrap cannot make a sandbox here ({' '.join(evidence.split())})"
    for name, (forbidding, allowing) in SYSCTLS.items():
        setting = Path("/proc/sys", *name.split("."))
        if setting.exists() and setting.read_text().strip() == forbidding:
            return f"{said}: {name}={forbidding} forbids user namespaces; run: sudo sysctl {name}={allowing}"
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        return f"{said}: this is a container; start it with --privileged, or use --sandbox docker on its host"
    return f"{said}: user namespaces seem to be forbidden; allow them or use --sandbox docker"
