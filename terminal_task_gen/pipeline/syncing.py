"""Wires a run at a URL: hold it, pull what is there, upload what is sealed while stages work, and the rest at the end.

A store that does not answer in mid-run stops nothing: work goes on in the staging folder, uploads are tried again with
growing pauses, and what is still here at the end is told, kept, and uploaded by the next start.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from terminal_task_gen.config import Config
from terminal_task_gen.engine import Engine
from terminal_task_gen.errors import StorageError, UsageError
from terminal_task_gen.events import Listener, Notice
from terminal_task_gen.mirror.lease import Lease
from terminal_task_gen.mirror.remote import RemoteFolder
from terminal_task_gen.mirror.run_mirror import Pending, RunMirror
from terminal_task_gen.run_lock import Writer
from terminal_task_gen.store import RunDirectory, Sealing

_TICK_SEC = 5.0
"""Between two looks for sealed shards; shorter where shards are sealed more often."""
_LONGEST_PAUSE_SEC = 60.0
_BEATS = 4
"""Renewals in the time after which a silent writer counts as dead."""


class Syncer:
    """Keeps an open run and its URL alike. `pending` is known after the end."""

    def __init__(self, config: Config, directory: RunDirectory, listener: Listener, engine: Engine) -> None:
        """Raises UsageError: no driver for the URL."""
        loop = asyncio.get_running_loop()
        remote = RemoteFolder(config.run_url, config.storage.options)
        self._storage = config.storage
        self._directory = directory
        self._listener = listener
        self._engine = engine
        self._stop = asyncio.Event()
        self._lost = False
        self._url = config.run_url

        def notice(text: str) -> None:
            loop.call_soon_threadsafe(listener, Notice(text))

        self._mirror = RunMirror(directory, remote, notice)
        self._lease = Lease(
            remote,
            staging_id=self._mirror.staging_id,
            lease_sec=config.storage.lease_sec,
            writer=directory.writer,
            notice=notice,
        )
        self._turn = threading.Lock()
        """Held by the one thread that pushes or pulls."""
        self.pending = Pending(0, 0)

    async def begin(self) -> None:
        """Raises UsageError: another ttg writes there, another run, no such bucket, not allowed, no answer."""
        await asyncio.to_thread(self._lease.acquire)
        try:
            await asyncio.to_thread(self._mirror.pull, settle=True)
        except UsageError:
            with suppress(StorageError):
                await asyncio.to_thread(self._lease.release)
            raise
        storage = self._storage
        self._directory.sealing = Sealing(storage.seal_rows, storage.seal_sec)
        self._say(
            f"{self._url}: worked on in {self._directory.path}; shards are uploaded when they hold "
            f"{storage.seal_rows} rows or {storage.seal_sec:g} s of work, and only what is not yet uploaded is lost "
            "with this machine"
        )

        if not self._directory.writer.is_alone:
            self._directory.ask_last_word = self._ask_last_word

    async def work(self) -> None:
        """Until `end`."""
        await asyncio.gather(self._keep_hold(), self._keep_uploading())

    async def end(self, working: asyncio.Task[None]) -> None:
        """Upload what is left, patiently, and let go."""
        self._stop.set()
        try:
            await working
            if not self._lost:
                await self._upload_rest()
        finally:
            self.pending = self._mirror.measure_pending()
            if self.pending.files:
                self._say(
                    f"not yet at {self._url}: {self.pending.files} files ({self.pending.size_bytes / 1e6:.1f} MB); "
                    f"they are kept in {self._directory.path}, and the next start here uploads them"
                )

    def _push(self, *, last: bool) -> None:
        with self._turn:
            self._mirror.push(last=last)

    def _ask_last_word(self) -> bool:
        """Of partitions, each with a folder of its own: whether the rows of all are there; then they are brought here.

        Where it cannot be known this is not the last word; the next start of any of them will say it.
        """
        with self._turn:
            try:
                self._mirror.push(last=False)
                is_last = self._lease.leave()
                if is_last:
                    self._mirror.pull(settle=False)
            except StorageError as error:
                self._say(str(error))
                return False
        return is_last

    async def _keep_hold(self) -> None:
        while not await self._rest(self._storage.lease_sec / _BEATS):
            # Without an answer somebody may take over; the next answer will tell.
            with suppress(StorageError):
                self._lost = not await asyncio.to_thread(self._lease.renew)
            if self._lost:
                self._say(f"another ttg took {self._url} over while this one was out of reach; stopping")
                self._engine.drain()
                return

    async def _keep_uploading(self) -> None:
        tick = min(_TICK_SEC, self._storage.seal_sec / 2)
        pause, next_try, is_troubled = tick, 0.0, False
        while not await self._rest(tick) and not self._lost:
            with suppress(UsageError):  # the disk refuses: the writer's next line will say so
                self._directory.seal_old_shards()
            if time.monotonic() < next_try:
                continue
            try:
                await asyncio.to_thread(self._push, last=False)
            except StorageError as error:
                if not is_troubled:
                    self._say(f"{error}; work goes on here and uploads are tried again")
                is_troubled, pause = True, min(2 * pause, _LONGEST_PAUSE_SEC)
                next_try = time.monotonic() + pause
            else:
                if is_troubled:
                    self._say(f"{self._url} answers again; uploads go on")
                is_troubled, pause, next_try = False, tick, 0.0

    async def _upload_rest(self) -> None:
        deadline, pause = time.monotonic() + self._storage.patience_sec, 0.5
        while True:
            try:
                await asyncio.to_thread(self._push, last=True)
                await asyncio.to_thread(self._lease.release)
                return
            except StorageError as error:
                if time.monotonic() + pause > deadline:
                    self._say(str(error))
                    return
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SEC)

    async def _rest(self, seconds: float) -> bool:
        """Whether the end came meanwhile."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
        return self._stop.is_set()

    def _say(self, text: str) -> None:
        self._listener(Notice(text))


@asynccontextmanager
async def hold_directory(
    config: Config, writer: Writer, listener: Listener, engine: Engine
) -> AsyncIterator[tuple[RunDirectory, Syncer | None]]:
    """The run's folder, locked; where the run lies at a URL, with the syncer that keeps the two alike.

    Partitions at a URL have a staging folder each: so nothing depends on whether they share a machine, or its disk.
    """
    directory = RunDirectory(config.run_dir, writer)
    if not config.run_url:
        directory.lock()
        try:
            yield directory, None
        finally:
            directory.unlock()
        return
    if writer.name:
        directory = RunDirectory(config.run_dir.with_name(f"{config.name}@{writer.name}"), writer)
    is_new = not directory.path.exists()
    directory.lock()
    try:
        try:
            syncer = Syncer(config, directory, listener, engine)
            await syncer.begin()
        except UsageError:
            if is_new:
                _remove_staging(directory.path)
            raise
        working = asyncio.create_task(syncer.work())
        try:
            yield directory, syncer
        finally:
            await syncer.end(working)
    finally:
        directory.unlock()


def _remove_staging(folder: Path) -> None:
    """One that nothing came of, with the folders above that are empty now."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        for above in folder.parents:
            above.rmdir()
