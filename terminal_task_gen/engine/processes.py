"""CPU-heavy work in processes: one function over many jobs, results in the order of the jobs.

With one worker nothing is started and the work runs in a thread of this process. Workers ignore Ctrl-C: whoever
started them decides when to stop, and closing the crew ends them at once.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType

from terminal_task_gen.engine import Job, Result
from terminal_task_gen.errors import UsageError


class ProcessCrew:
    """Use as a context manager. `function`, jobs and results must pickle."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        # One thread, for two would take turns at what the processor has in its caches.
        self._pool: Executor = (
            ProcessPoolExecutor(
                workers, mp_context=multiprocessing.get_context("spawn"), initializer=_ignore_interrupts
            )
            if workers > 1
            else ThreadPoolExecutor(1)
        )

    def __enter__(self) -> ProcessCrew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and isinstance(self._pool, ProcessPoolExecutor):
            for process in list((self._pool._processes or {}).values()):
                process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def map(self, function: Callable[[Job], Result], jobs: Iterable[Job]) -> AsyncIterator[Result]:
        """Results in order; two jobs a worker are under way. What a job raises is raised here.

        Raises UsageError when a worker was killed.
        """
        loop = asyncio.get_running_loop()
        running: deque[asyncio.Future[Result]] = deque()
        source = iter(jobs)
        try:
            while True:
                for job in source:
                    running.append(loop.run_in_executor(self._pool, function, job))
                    if len(running) >= 2 * self._workers:
                        break
                if not running:
                    return
                yield await running.popleft()
        except BrokenProcessPool as error:
            raise UsageError(
                "a worker process was killed, perhaps for want of memory; try again with --set filter.workers=1"
            ) from error
        finally:
            for future in running:
                future.cancel()
            await asyncio.gather(*running, return_exceptions=True)


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
