"""A Docker engine of the benchmark's own, so that what it costs can be counted and nobody else is disturbed.

`dockerd` starts with a socket, a data directory and a containerd of its own, in a cgroup of its own; containers go to
a sibling cgroup, clients to a third. Processes stay in the cgroup they were born in, so each counter holds everything
that ever ran there, short-lived helpers and shims included. It needs root. Its network is a namespace of its own:
containers reach one another and nobody else, and the bridges and rules of the machine's engine stay as they are.
cgroup v1 (cpuacct) has been used; v2 is read by the same words.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

START_TIMEOUT_SEC = 60.0
_ROOT = Path("/sys/fs/cgroup")


class CpuMeter:
    """CPU seconds of everything that was ever started in one of its cgroups."""

    def __init__(self, name: str) -> None:
        self._v1 = (_ROOT / "cpuacct").is_dir()
        self.parent = f"/{name}"
        self._folder = (_ROOT / "cpuacct" if self._v1 else _ROOT) / name
        for part in ("engine", "containers", "client"):
            (self._folder / part).mkdir(parents=True, exist_ok=True)

    def place(self, part: str, command: Sequence[str]) -> list[str]:
        """The command, begun in that cgroup."""
        procs = self._folder / part / "cgroup.procs"
        return ["sh", "-c", f'echo $$ > {procs} && exec "$@"', "sh", *command]

    def read_sec(self) -> dict[str, float]:
        return {part: self._read_sec(part) for part in ("engine", "containers", "client")}

    def list_pids(self, part: str) -> list[int]:
        return [int(pid) for pid in (self._folder / part / "cgroup.procs").read_text().split()]

    def remove(self) -> None:
        """The cgroups that are empty; the engine makes them under every controller."""
        tops = [entry for entry in _ROOT.iterdir() if entry.is_dir()] if self._v1 else [_ROOT]
        for top in tops:
            folders = [path for path in (top / self._folder.name).glob("**/") if path.is_dir()]
            for folder in sorted(folders, reverse=True):
                with suppress(OSError):
                    folder.rmdir()

    def _read_sec(self, part: str) -> float:
        if self._v1:
            return int((self._folder / part / "cpuacct.usage").read_text()) / 1e9
        words = dict(line.split() for line in (self._folder / part / "cpu.stat").read_text().splitlines())
        return int(words["usage_usec"]) / 1e6


class PrivateEngine:
    """Start, stop, start again; the data stays until the block that owns it ends."""

    def __init__(self, folder: Path, meter: CpuMeter) -> None:
        self.folder = folder
        self.host = f"unix://{folder}/docker.sock"
        self.meter = meter
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "DOCKER_HOST": self.host}

    @property
    def is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        places = {name: str(self.folder / name) for name in ("data", "exec")}
        # A network namespace of its own: an engine takes every bridge and rule it finds for its own, docker0 included.
        command = [
            "unshare",
            "--net",
            "--",
            "dockerd",
            "--host",
            self.host,
            "--data-root",
            places["data"],
            "--exec-root",
            places["exec"],
        ]
        command += ["--pidfile", str(self.folder / "pid")]
        command += ["--default-address-pool", "base=10.213.0.0/16,size=24"]
        command += ["--cgroup-parent", f"{self.meter.parent}/containers"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self.meter.place("engine", command), stdout=log, stderr=log)
        deadline = time.monotonic() + START_TIMEOUT_SEC
        while self.docker("version", check=False).returncode != 0:
            if time.monotonic() > deadline or self._process.poll() is not None:
                said = (self.folder / "log").read_text(errors="replace")[-2000:]
                raise SystemExit(f"dockerd does not start (it needs root):\n{said}")
            time.sleep(0.2)

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def crash(self) -> None:
        """As a power cut of the engine alone: everything in its cgroup dies, its containerd and the shims too."""
        for pid in self.meter.list_pids("engine"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.stop(signal.SIGKILL)
        # A zombie that nobody reaps still counts as a running engine or containerd.
        for name in ("pid", "exec/containerd/containerd.pid"):
            (self.folder / name).unlink(missing_ok=True)

    def read_disk_mb(self) -> float:
        """What its file system layers and records of containers take."""
        places = [str(self.folder / "data" / name) for name in ("overlay2", "containers", "image")]
        told = subprocess.run(["du", "-scxm", *places], capture_output=True, text=True, check=False).stdout
        return float(told.split()[-2]) if told else 0.0

    def load(self, image: str) -> None:
        """Take an image over from the engine of the machine."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
            subprocess.run(["docker", "load"], stdin=saved.stdout, env=self.environ, check=True, capture_output=True)

    def docker(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["docker", *words], env=self.environ, capture_output=True, text=True, check=check)

    def list_containers(self) -> list[str]:
        return self.docker("ps", "--all", "--quiet").stdout.split()


@contextmanager
def open_engine(*images: str) -> Iterator[PrivateEngine]:
    folder = Path(tempfile.mkdtemp(prefix="ttg-engine-"))
    engine = PrivateEngine(folder, CpuMeter(folder.name))
    try:
        engine.start()
        for image in images:
            engine.load(image)
        yield engine
    finally:
        if engine.is_up:
            for container in engine.list_containers():
                engine.docker("rm", "--force", container, check=False)
        engine.stop()
        for mount in reversed(Path("/proc/mounts").read_text().splitlines()):
            if mount.split()[1].startswith(str(folder)):
                subprocess.run(["umount", mount.split()[1]], check=False)
        engine.meter.remove()
        with suppress(OSError):
            shutil.rmtree(folder)


def read_rss_mb(pids: Sequence[int]) -> float:
    """Resident memory of these processes together."""
    pages = 0
    for pid in pids:
        with suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
