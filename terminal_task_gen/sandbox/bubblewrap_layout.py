"""What a bubblewrap sandbox sees: the command line of `bwrap`.

The host's /usr read-only, a few harmless files of /etc, and one tmpfs of `disk_mb` for everything that can be written.
Nothing of anybody's home, of /var, of the host's environment. /etc and /dev are read-only once made. The only
capabilities are those that ordinary root work needs and a namespace of one user can give.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from terminal_task_gen.sandbox import CAPABILITIES, ENVIRONMENT, HOSTNAME, WORKDIR, SandboxSpec

INIT_PATH = "/run/init"
SHARED_MEMORY_MB = 64
WRITABLE_DIRS = ("/root", "/home", "/tests", "/logs", "/var/log", "/var/lib", "/run", "/mnt", "/opt", "/srv")
PUBLIC_DIRS = ("/tmp", "/var/tmp")
SYSTEM_DIRS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
HOST_ETC = (
    "alternatives",
    "ca-certificates.conf",
    "debian_version",
    "fonts",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "magic",
    "mime.types",
    "os-release",
    "perl",
    "protocols",
    "python3",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
)
OWN_ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    "hosts": f"127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\t{HOSTNAME}\n",
    "hostname": f"{HOSTNAME}\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    "shells": "/bin/sh\n/bin/bash\n",
}


@dataclass(frozen=True)
class Python:
    """The interpreter inside; `base` is a directory of the host to be bound for it, if it is not in /usr."""

    path: str
    base: str | None = None


def find_python() -> Python | None:
    """The system's python3, or the one that runs us; None where the latter's files cannot be shown inside."""
    for path in ("/usr/bin/python3", "/usr/local/bin/python3"):
        if Path(path).exists():
            return Python(path)
    base = Path(sys.base_prefix).resolve()
    running = base / "bin" / "python3"
    return Python(str(running), str(base)) if running.exists() else None


@dataclass
class Layout:
    """Builds the arguments; the small files it makes are handed over as file descriptors, which `close` closes."""

    spec: SandboxSpec
    python: Python
    options: frozenset[str]
    """Long options this version of bwrap knows, of those that older ones lack."""

    def __post_init__(self) -> None:
        self.fds: list[int] = []

    def close(self) -> None:
        while self.fds:
            os.close(self.fds.pop())

    def build_arguments(self, init_source: str) -> list[str]:
        return [
            *self._isolate(),
            *self._mount_tmpfs("/", self.spec.disk_mb),
            *self._bind_system(),
            *self._make_etc(),
            *("--proc", "/proc", "--dev", "/dev"),
            *("--perms", "1777"),
            *self._mount_tmpfs("/dev/shm", min(SHARED_MEMORY_MB, self.spec.disk_mb)),
            *("--remount-ro", "/dev"),
            *(word for path in (WORKDIR, *WRITABLE_DIRS) for word in ("--dir", path)),
            *(word for path in PUBLIC_DIRS for word in ("--perms", "1777", "--dir", path)),
            *self._put_file(init_source, INIT_PATH),
            *("--chdir", WORKDIR),
        ]

    def build_path(self) -> str:
        """The PATH inside."""
        path = ENVIRONMENT["PATH"]
        return f"{path}:{self.python.base}/bin" if self.python.base else path

    def _isolate(self) -> list[str]:
        words = ["--unshare-all", "--unshare-user", "--uid", "0", "--gid", "0", "--hostname", HOSTNAME]
        words += ["--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL"]
        for capability in CAPABILITIES:
            words += ["--cap-add", f"CAP_{capability}"]
        if "--disable-userns" in self.options:
            words.append("--disable-userns")
        if self.spec.network:
            words.append("--share-net")
        return words

    def _bind_system(self) -> list[str]:
        words = ["--ro-bind", "/usr", "/usr"]
        for path in map(Path, SYSTEM_DIRS):
            if path.is_symlink():
                words += ["--symlink", str(path.readlink()), str(path)]
            elif path.is_dir():
                words += ["--ro-bind", str(path), str(path)]
        if self.python.base:
            words += ["--ro-bind", self.python.base, self.python.base]
        return words

    def _make_etc(self) -> list[str]:
        words = [*self._mount_tmpfs("/etc", 1), "--perms", "0755", "--dir", "/etc/ssl"]
        names = (*HOST_ETC, "resolv.conf") if self.spec.network else HOST_ETC
        for path in (f"/etc/{name}" for name in names):
            if Path(path).exists():
                words += ["--ro-bind", path, path]
        for name, text in OWN_ETC.items():
            words += self._put_file(text, f"/etc/{name}")
        return [*words, "--remount-ro", "/etc"]

    def _mount_tmpfs(self, path: str, size_mb: int) -> list[str]:
        size = ["--size", str(size_mb * 1024 * 1024)] if "--size" in self.options else []
        return [*size, "--tmpfs", path]

    def _put_file(self, text: str, path: str) -> list[str]:
        fd = os.memfd_create(path)
        self.fds.append(fd)
        os.write(fd, text.encode())
        os.lseek(fd, 0, os.SEEK_SET)
        return ["--perms", "0644", "--file", str(fd), path]
