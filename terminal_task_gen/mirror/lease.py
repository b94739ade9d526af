"""Who writes a run at a URL: one `ttg` at a time, told apart from a dead one without comparing clocks.

Partitions of one n (a family, run_lock.py) work side by side, each with a hold of its own; all others are refused.

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
from terminal_task_gen.run_lock import Writer

FOLDER = "writers"
_LOOKS = 8
"""Looks at a silent holder before it counts as dead."""


class Hold(Record):
    """What the object says."""

    staging_id: str
    family: str
    host: str
    pid: int
    lease_sec: float
    beat: int = 0
    leaving: bool = False
    """It writes no more rows; set when it asks whether it is the last."""
    released: bool = False


class Lease:
    """One writer's hold on a run. Blocking."""

    def __init__(
        self,
        remote: RemoteFolder,
        *,
        staging_id: str,
        lease_sec: float,
        writer: Writer,
        notice: Callable[[str], None],
    ) -> None:
        self._remote = remote
        self._scope = writer.name or writer.family
        self._notice = notice
        self._number = -1
        self._hold = Hold(
            staging_id=staging_id,
            family=writer.family,
            host=socket.gethostname(),
            pid=os.getpid(),
            lease_sec=lease_sec,
        )

    def acquire(self) -> None:
        """Waits for a holder that may be dead. Raises UsageError when it is alive, StorageError.

        A hold of the same staging folder is ours: whoever locked the folder knows that no other process has it.
        """
        while not self._try_to_acquire():
            pass
        try:
            # Looked for after our own hold is there: of two strangers who come together at least one sees the other.
            for scope, numbers in self._list_holds().items():
                holder = self._read(scope, numbers[-1])
                if scope != self._scope and holder and not holder.released and holder.family != self._hold.family:
                    self._await_death(scope, numbers[-1], holder)
                    self._remote.remove([_name(scope, number) for number in numbers])
        except UsageError:
            self.release()
            raise

    def renew(self) -> bool:
        """False when another writer has taken over. Raises StorageError."""
        if self._list_holds().get(self._scope, [-1])[-1] != self._number:
            return False
        self._hold = self._hold.model_copy(update={"beat": self._hold.beat + 1})
        self._remote.write(_name(self._scope, self._number), self._dump())
        return True

    def leave(self) -> bool:
        """Say that no more rows will come; whether all others of the family have said so, too. Raises StorageError.

        Of those that leave at the same time each may hear yes.
        """
        self._hold = self._hold.model_copy(update={"leaving": True})
        if not self.renew():
            return False
        others = [self._read(scope, numbers[-1]) for scope, numbers in self._list_holds().items()]
        return all(one is None or one.leaving or one.released for one in others)

    def release(self) -> None:
        """Let go, so that nobody has to wait. Raises StorageError."""
        if self._number >= 0 and self.renew():
            self._hold = self._hold.model_copy(update={"released": True})
            self._remote.write(_name(self._scope, self._number), self._dump())

    def _try_to_acquire(self) -> bool:
        """False when somebody else was quicker."""
        numbers = self._list_holds().get(self._scope, [])
        number = numbers[-1] if numbers else -1
        holder = self._read(self._scope, number) if numbers else None
        if holder is not None and not holder.released and holder.staging_id != self._hold.staging_id:
            self._await_death(self._scope, number, holder)
        try:
            self._remote.write(_name(self._scope, number + 1), self._dump(), create=True)
        except FileExistsError:
            return False
        except FileNotFoundError as error:
            raise UsageError(f"{self._remote.url}: no such bucket; create it, or check the name") from error
        self._number = number + 1
        self._remote.remove([_name(self._scope, old) for old in numbers])
        return True

    def _await_death(self, scope: str, number: int, holder: Hold) -> None:
        who = f"another ttg ({holder.host}, process {holder.pid}, {scope})"
        self._notice(
            f"{who} held {self._remote.url} and did not let go; watching {holder.lease_sec:g} s if it is alive"
        )
        deadline = time.monotonic() + holder.lease_sec
        while time.monotonic() < deadline:
            time.sleep(holder.lease_sec / _LOOKS)
            now = self._read(scope, number)
            if now is None or now.released:
                return
            if now.beat != holder.beat:
                raise UsageError(f"{who} is writing {self._remote.url}; wait for it, or choose another --name")
        self._notice(f"{who} is silent; taking over")

    def _list_holds(self) -> dict[str, list[int]]:
        """Scope → numbers of its holds, the one that counts last."""
        found: dict[str, list[int]] = {}
        for name in self._remote.list_sizes(FOLDER):
            scope, _, number = name.removeprefix(f"{FOLDER}/").removesuffix(".json").rpartition(".")
            if number.isdigit():
                found.setdefault(scope, []).append(int(number))
        return {scope: sorted(numbers) for scope, numbers in found.items()}

    def _read(self, scope: str, number: int) -> Hold | None:
        content = self._remote.read(_name(scope, number))
        try:
            return Hold.model_validate_json(content) if content is not None else None
        except ValidationError:
            return None

    def _dump(self) -> bytes:
        return self._hold.model_dump_json().encode()


def _name(scope: str, number: int) -> str:
    return f"{FOLDER}/{scope}.{number}.json"
