"""Who writes a run at a URL: one `ttg` at a time, told apart from a dead one without comparing clocks.

The hold is an object `writers/<scope>.<n>.json`, which only creation can win: it is created on the condition that it is
not there. The highest number holds. Its holder rewrites it with a new beat now and then; who wants the run watches, and
if no beat comes for the holder's own `lease_sec`, creates number n+1. A holder that finds a higher number has lost.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

from pydantic import ValidationError

from terminal_task_gen.errors import UsageError
from terminal_task_gen.mirror.remote import RemoteFolder
from terminal_task_gen.records import Record

FOLDER = "writers"
_LOOKS = 8
"""Looks at a silent holder before it counts as dead."""


class Hold(Record):
    """What the object says."""

    staging_id: str
    host: str
    pid: int
    lease_sec: float
    beat: int = 0
    released: bool = False


class Lease:
    """One writer's hold on a run. Blocking."""

    def __init__(
        self,
        remote: RemoteFolder,
        *,
        staging_id: str,
        lease_sec: float,
        scope: str = "all",
        notice: Callable[[str], None],
    ) -> None:
        self._remote = remote
        self._scope = scope
        self._notice = notice
        self._number = -1
        self._hold = Hold(staging_id=staging_id, host=socket.gethostname(), pid=os.getpid(), lease_sec=lease_sec)

    def acquire(self) -> None:
        """Waits for a holder that may be dead. Raises UsageError when it is alive, StorageError.

        A hold of the same staging folder is ours: whoever locked the folder knows that no other process has it.
        """
        while True:
            numbers = self._list_numbers()
            number = numbers[-1] if numbers else -1
            holder = self._read(number) if numbers else None
            if holder is not None and not holder.released and holder.staging_id != self._hold.staging_id:
                self._await_death(number, holder)
            try:
                self._remote.write(self._get_name(number + 1), self._dump(), create=True)
            except FileExistsError:
                continue
            except FileNotFoundError as error:
                raise UsageError(f"{self._remote.url}: no such bucket; create it, or check the name") from error
            self._number = number + 1
            self._remote.remove([self._get_name(old) for old in numbers])
            return

    def renew(self) -> bool:
        """False when another writer has taken over. Raises StorageError."""
        numbers = self._list_numbers()
        if numbers and numbers[-1] > self._number:
            return False
        self._hold = self._hold.model_copy(update={"beat": self._hold.beat + 1})
        self._remote.write(self._get_name(self._number), self._dump())
        return True

    def release(self) -> None:
        """Let go, so that nobody has to wait. Raises StorageError."""
        if self._number >= 0 and self.renew():
            self._hold = self._hold.model_copy(update={"released": True})
            self._remote.write(self._get_name(self._number), self._dump())

    def _await_death(self, number: int, holder: Hold) -> None:
        who = f"another ttg ({holder.host}, process {holder.pid})"
        self._notice(
            f"{who} held {self._remote.url} and did not let go; watching for {holder.lease_sec:g} s if it is alive"
        )
        deadline = time.monotonic() + holder.lease_sec
        while time.monotonic() < deadline:
            time.sleep(holder.lease_sec / _LOOKS)
            now = self._read(number)
            if now is None or now.released:
                return
            if now.beat != holder.beat:
                raise UsageError(f"{who} is writing {self._remote.url}; wait for it, or choose another --name")
        self._notice(f"{who} is silent; taking over")

    def _list_numbers(self) -> list[int]:
        prefix, suffix = f"{FOLDER}/{self._scope}.", ".json"
        names = [name for name in self._remote.list_sizes(FOLDER) if name.startswith(prefix) and name.endswith(suffix)]
        numbers = [name.removeprefix(prefix).removesuffix(suffix) for name in names]
        return sorted(int(number) for number in numbers if number.isdigit())

    def _read(self, number: int) -> Hold | None:
        content = self._remote.read(self._get_name(number))
        try:
            return Hold.model_validate_json(content) if content is not None else None
        except ValidationError:
            return None

    def _get_name(self, number: int) -> str:
        return f"{FOLDER}/{self._scope}.{number}.json"

    def _dump(self) -> bytes:
        return self._hold.model_dump_json().encode()
