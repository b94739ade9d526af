"""Which `ttg` a container belongs to, as labels, and whether that `ttg` is still alive.

A process id alone would be taken for alive once the number is used again, so the start time stands beside it; and the
host and its boot, because an engine may serve several hosts and outlive a reboot. Another host's containers are never
judged.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Owner(NamedTuple):
    host: str
    boot: str
    pid: str
    start: str
    """In clock ticks since boot, as /proc tells it."""

    @classmethod
    def read_own(cls) -> Owner:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return cls(socket.gethostname(), boot, str(os.getpid()), read_start(os.getpid()))

    @classmethod
    def from_labels(cls, labels: Mapping[str, str]) -> Owner:
        return cls(*(labels.get(f"ttg.{field}", "") for field in cls._fields))

    def build_labels(self) -> dict[str, str]:
        return {f"ttg.{field}": value for field, value in self._asdict().items()}

    def is_dead(self) -> bool:
        own = Owner.read_own()
        if self.host != own.host:
            return False
        return self.boot != own.boot or not self.pid.isdigit() or read_start(int(self.pid)) != self.start


def read_start(pid: int) -> str:
    """Start time of a process, "" for one that does not exist."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
