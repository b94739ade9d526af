"""The sandbox port: an isolated machine made from a domain's image.

Two drivers, one conformance suite (tests/sandbox/test_conformance.py): `docker.py` for real work, `bubblewrap.py`
where no engine answers. What both promise: hostname `sandbox`, working directory /app, user root inside, no network
unless asked, `bash`, `tmux`, coreutils and `python3` on the PATH, and that nothing survives `close()` or, for long,
a killed `ttg`.

Sandbox death is never command output: `ExecResult` means the command ran; anything else raises SandboxError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from terminal_task_gen.records import Record

WORKDIR = "/app"
HOSTNAME = "sandbox"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "xterm-256color",
    "USER": "root",
}
"""All that a command finds in its environment, besides what `exec` is given."""
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID")
"""What ordinary work as root needs; no raw sockets, no mounts, no device nodes, no tracing of others."""


class SandboxSpec(Record):
    """What to start."""

    image: str
    """Name of an image folder, e.g. `data_processing`; the driver turns it into a tag. Bubblewrap ignores it."""
    run_id: str
    """Label for sweeping orphans."""
    item_id: str
    """Task or trajectory the sandbox is for; label only."""
    memory_mb: int = 2048
    cpus: float = 1.0
    max_processes: int = 512
    disk_mb: int = 2048
    network: bool = False
    allowed_hosts: tuple[str, ...] = ()
    """With `network`: the only hosts to be reached, through a proxy (gate.py); none: the whole network. Docker only."""
    foreign: bool = False
    """The image is not one of ours: its own working directory, PATH and HOME hold. Docker only."""
    one_off: bool = False
    """Nobody will ask for another one like it, so none is started ahead."""


@dataclass(frozen=True)
class ExecResult:
    """The command ran. `exit_code` is its own (128 + n for signal n; 137 when it was killed at its time limit)."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    timed_out: bool = False
    truncated: bool = False
    """Output went over `max_output_bytes` a stream and the rest was thrown away."""

    @property
    def text(self) -> str:
        """stdout then stderr, decoded, for messages to people."""
        return (self.stdout + self.stderr).decode(errors="replace")


@dataclass(frozen=True)
class SandboxFile:
    """A file to put inside. `path` is absolute; parents are made (mode 755); an existing file is replaced."""

    path: str
    content: bytes
    mode: int = 0o644


class ByteStream(Protocol):
    """Raw two-way pipe to a process in the sandbox (its stdin and stdout; stderr goes to stdout or nowhere)."""

    async def read(self, max_bytes: int = 65536) -> bytes:
        """Next bytes as they come; b"" at end of stream, when the process or the sandbox is gone."""
        ...

    async def write(self, data: bytes) -> None:
        """Write all of `data`. Raises SandboxError when the other end is gone."""
        ...

    async def close(self) -> None:
        """Close both directions. Idempotent."""
        ...


class Sandbox(Protocol):
    """A started sandbox. Calls may overlap."""

    @property
    def driver(self) -> str:
        """`docker` or `bubblewrap`."""
        ...

    async def exec(
        self,
        argv: Sequence[str],
        *,
        timeout_sec: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        workdir: str | None = None,
        max_output_bytes: int = 1_000_000,
    ) -> ExecResult:
        """Run a command to its end, without a terminal, as root, with a clean environment plus `env`.

        It runs in `workdir`, by default in /app (of a foreign image: in its own).

        At `timeout_sec` the command and its process group are killed inside the sandbox and `timed_out` is set.
        A command that cannot be found has exit code 127 (126: cannot be run).

        Raises:
            SandboxError: the sandbox died or the engine failed, before or during the command.
        """
        ...

    async def open_stream(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> ByteStream:
        """Start a long-lived process and talk to its stdin and stdout, in the default working directory."""
        ...

    async def upload(self, files: Sequence[SandboxFile]) -> None:
        """Put files inside, owned by root, all or (on SandboxError) an unknown part of them."""
        ...

    async def download(self, path: str, *, max_bytes: int = 10_000_000) -> bytes | None:
        """Content of a regular file, cut at `max_bytes`; None where there is none."""
        ...

    async def check_alive(self) -> None:
        """Raises SandboxError when the sandbox is dead or dying, whatever became of the programs inside."""
        ...

    async def list_changes(self) -> tuple[str, ...]:
        """Absolute paths that differ from the image, as the engine (not the sandbox itself) sees them; sorted.

        Bubblewrap's system directories are read-only, so there it is empty.
        """
        ...

    async def save_state(self, file: IO[bytes], *, refuse: Callable[[str], bool]) -> tuple[str, ...]:
        """Write what was made of the image outside of the system's own directories (state.py says which), as a tar.

        Absolute paths of which `refuse` is true are left out. What the image had and is gone is returned.

        Raises:
            SandboxError: the sandbox died, or its files cannot be read as an archive.
        """
        ...

    async def load_state(self, file: IO[bytes], *, gone: Sequence[str]) -> None:
        """Make a fresh sandbox what another was, from what its `save_state` wrote (from the beginning) and returned."""
        ...

    async def close(self) -> None:
        """Kill everything inside and remove it. Idempotent, never raises for a sandbox that is gone already."""
        ...


class SandboxFactory(Protocol):
    """A driver: makes sandboxes and cleans up after them."""

    @property
    def name(self) -> str:
        """`docker` or `bubblewrap`."""
        ...

    async def check(self, images: Sequence[str]) -> None:
        """Raises PrerequisiteError naming what is missing (engine, program, image) and the command that mends it."""
        ...

    async def get_image_digest(self, image: str) -> str:
        """Content digest of an image (`sha256:…`), or "" where the driver has no images."""
        ...

    async def ping(self) -> float:
        """Seconds that the driver takes to answer. Raises SandboxError when it does not."""
        ...

    async def start(self, spec: SandboxSpec) -> Sandbox:
        """Start a sandbox with an empty, writable /app. Raises SandboxError."""
        ...

    async def sweep(self, run_id: str | None = None) -> int:
        """Remove sandboxes left by a `ttg` that is dead (of one run, or of all); how many were removed."""
        ...

    async def close(self) -> None:
        """Close every sandbox still open and release the driver. Idempotent."""
        ...
