"""The engine for a Ray cluster: one worker a node does the stage there; this process deals and shows.

The only file that knows Ray. Every alive node with CPUs gets an actor, fixed to it, that runs the stage with a
LeasedEngine and writes shards of its own; nothing but keys, reports and events travels. What is lost with a node or an
actor is dealt again (leases.py); a node gets a new actor, at most MAX_ACTORS in a run, and nodes that join get theirs.
Actors end with this process. Usage statistics are off unless the user has set RAY_USAGE_STATS_ENABLED.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any

from terminal_task_gen.engine import Crew, Errand, Item, Job, Result
from terminal_task_gen.engine.leased import LeasedEngine
from terminal_task_gen.engine.leases import Dealer, Order, Report
from terminal_task_gen.engine.local import LocalEngine
from terminal_task_gen.errors import PrerequisiteError, UsageError
from terminal_task_gen.events import Event, ItemFinished, Listener, Notice, StageFinished

try:
    import ray
    from ray.exceptions import RayError
    from ray.util.metrics import Counter as MetricCounter
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError as missing:
    raise PrerequisiteError("--engine ray needs Ray: pip install 'terminal-task-gen[ray]'") from missing

MAX_ACTORS = 4
"""On one node; one that keeps dying is left out."""
WATCH_EVERY_SEC = 2.0
"""How often nodes that have joined are looked for."""
KNOCK_SEC = 10.0
PATIENCE_SEC = 30.0
"""How long an empty cluster is waited for."""


def _knock(where: str) -> None:
    """Raises OSError at once where nobody listens at HOST:PORT; Ray itself would try again for minutes."""
    host, _, port = where.rpartition(":")
    if host and "/" not in host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=KNOCK_SEC).close()


class RayEngine:
    """See the ports, `Engine` and `Cluster`. Connects at once; UsageError where no cluster answers."""

    def __init__(self, address: str | None = None) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        where = address or os.environ.get("RAY_ADDRESS") or "auto"
        try:
            _knock(where)
            ray.init(address=where, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
        except (OSError, RayError, RuntimeError, ValueError) as error:
            raise UsageError(
                f"no Ray cluster answers at {where}: {str(error).splitlines()[0]}; start one (ray start --head, and "
                "ray start --address=HOST:6379 on the other nodes) or give --address"
            ) from error
        self._local = LocalEngine()
        self.ledger = self._local.ledger

    @property
    def draining(self) -> bool:
        return self._local.draining

    def drain(self) -> None:
        self._local.drain()

    async def meet(self) -> None:
        """Nobody else is here: what is shared is done by `spread`."""

    def map(
        self,
        work: Callable[[Item], Awaitable[Result]],
        items: Iterable[Item],
        *,
        parallel: int,
        get_key: Callable[[Item], str],
    ) -> AsyncGenerator[Result, None]:
        """In this process; a coroutine cannot travel."""
        return self._local.map(work, items, parallel=parallel, get_key=get_key)

    async def spread(
        self, errand: Errand, listener: Listener, settle: Callable[[str], Awaitable[set[str]]]
    ) -> tuple[StageFinished, list[Any]]:
        return await _Spreading(self, errand, listener, settle).run()

    def make_crew(self) -> Crew:
        return RayCrew(int(ray.cluster_resources().get("CPU", 1)))


class _Spreading:
    """One errand on all nodes."""

    def __init__(
        self, engine: RayEngine, errand: Errand, listener: Listener, settle: Callable[[str], Awaitable[set[str]]]
    ) -> None:
        self._engine = engine
        self._errand = errand
        self._listener = listener
        self._settle = settle
        self._dealer = Dealer(listener)
        self._actors: Counter[str] = Counter()
        """Node → how many actors it has had."""
        self._at_work: dict[str, asyncio.Task[None]] = {}
        """Node → the dialogue with its actor."""
        self._results: list[Any] = []
        self._errors: list[BaseException] = []
        self._refusals: list[UsageError] = []

    async def run(self) -> tuple[StageFinished, list[Any]]:
        try:
            await self._watch()
        finally:
            for task in self._at_work.values():
                task.cancel()
            await asyncio.gather(*self._at_work.values(), return_exceptions=True)
        if self._errors:
            self._dealer.finish()
            raise self._errors[0]
        return self._dealer.finish(), self._results

    async def _watch(self) -> None:
        """Until every node's worker has ended, and at least one did its errand to the end."""
        loop = asyncio.get_running_loop()
        empty_since = loop.time()
        while True:
            if not self._results and not self._errors and not self._engine.draining:
                self._start_actors()
            if self._at_work:
                await asyncio.wait(self._at_work.values(), timeout=WATCH_EVERY_SEC, return_when=asyncio.FIRST_COMPLETED)
                empty_since = loop.time()
            self._at_work = {node: task for node, task in self._at_work.items() if not task.done()}
            if self._at_work:
                continue
            if self._results or self._errors or self._engine.draining:
                return
            if self._refusals and all(self._actors[node] >= MAX_ACTORS for node in _list_nodes()):
                raise self._refusals[0]
            if loop.time() - empty_since > PATIENCE_SEC:
                raise UsageError(
                    f"no node of the cluster has worked for {PATIENCE_SEC:.0f} s; what was finished is kept; see "
                    "`ray status` and run the same again to go on"
                )
            await asyncio.sleep(0.5)

    def _start_actors(self) -> None:
        for node, address in _list_nodes().items():
            if node in self._at_work or self._actors[node] >= MAX_ACTORS:
                continue
            self._actors[node] += 1
            # Names come again in the next run of this program, whose writers take up what these leave half done.
            worker = f"ray{sum(self._actors.values()) - 1}"
            self._at_work[node] = asyncio.create_task(self._talk(node, f"{address} ({worker})", worker))

    async def _talk(self, node: str, where: str, worker: str) -> None:
        """Order and report in turn until the worker ends or is lost."""
        dealer = self._dealer
        dealer.welcome(worker)
        actor = _NodeWorker.options(  # type: ignore[attr-defined]
            num_cpus=1, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
        ).remote()
        has_begun = False
        try:
            await actor.start.remote(worker, self._errand)
            room = 0
            while True:
                dealer.is_draining |= self._engine.draining
                report: Report = await actor.exchange.remote(dealer.give_order(worker, room))
                has_begun |= report.offer is not None
                dealer.take_report(worker, report)
                if dealer.is_draining:
                    self._engine.drain()
                if report.has_ended:
                    break
                room = report.room
        except RayError as error:
            await self._bury(actor, worker, where, error)
            return
        finally:
            ray.kill(actor)
        dealer.dismiss(worker)
        if report.error is None:
            self._results.append(report.result)
        elif isinstance(report.error, UsageError) and not has_begun:
            self._refuse(node, where, report.error)
        else:
            self._errors.append(report.error)
            dealer.is_draining = True

    async def _bury(self, actor: Any, worker: str, where: str, error: RayError) -> None:
        ray.kill(actor)
        done = await self._settle(worker)
        again = self._dealer.lose(worker, done)
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        self._listener(Notice(f"lost {where}: {why}; {again} items of it are dealt again"))

    def _refuse(self, node: str, where: str, error: UsageError) -> None:
        """A node that lacks something takes no part; the others do."""
        self._actors[node] = MAX_ACTORS
        self._refusals.append(error)
        self._listener(Notice(f"{where} takes no part: {error}"))


def _list_nodes() -> dict[str, str]:
    """Id → address of the nodes that work; one that was started with no CPUs (a head, say) does not."""
    return {
        node["NodeID"]: node["NodeManagerAddress"]
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
    }


@ray.remote(max_restarts=0, max_task_retries=0)
class _NodeWorker:
    """One node's worker: the errand runs on the actor's event loop, beside the exchange."""

    def __init__(self) -> None:
        self._engine = LeasedEngine()
        self._running: asyncio.Task[None] | None = None

    async def start(self, worker: str, errand: Errand) -> None:
        metrics = _Metrics(worker)

        async def run_measured(worker: str, engine: Any, listener: Listener) -> Any:
            def listen(event: Event) -> None:
                metrics.listen(event)
                listener(event)

            return await errand(worker, engine, listen)

        self._running = asyncio.create_task(self._engine.run(worker, run_measured))

    async def exchange(self, order: Order) -> Report:
        return await self._engine.exchange(order)


class _Metrics:
    """Ray's own counters, for the dashboards a cluster has: items by outcome, seconds and tokens spent on them."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._items = MetricCounter("ttg_items_finished", "Items by stage and outcome.", ("stage", "outcome", "worker"))
        self._seconds = MetricCounter("ttg_item_seconds", "Seconds spent on items.", ("stage", "worker"))
        self._tokens = MetricCounter("ttg_tokens", "Tokens of used replies.", ("stage", "kind", "worker"))

    def listen(self, event: Event) -> None:
        if not isinstance(event, ItemFinished):
            return
        tags = {"stage": event.stage, "worker": self._worker}
        outcome = "accepted" if event.accepted else "owed" if event.owed else "rejected"
        self._items.inc(1, {**tags, "outcome": outcome})
        if event.seconds > 0:
            self._seconds.inc(event.seconds, tags)
        for kind in ("prompt", "completion"):
            tokens = getattr(event.usage, f"{kind}_tokens")
            if tokens:
                self._tokens.inc(tokens, {**tags, "kind": kind})


class RayCrew:
    """See the port, `Crew`: a task of the cluster for each job; Ray repeats what is lost with a node."""

    def __init__(self, workers: int) -> None:
        self._workers = max(1, workers)

    def __enter__(self) -> RayCrew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held."""

    async def map(self, function: Callable[[Job], Result], jobs: Iterable[Job]) -> AsyncIterator[Result]:
        remote = ray.remote(num_cpus=1, max_retries=3)(function)
        running: deque[Any] = deque()
        source = iter(jobs)
        try:
            while True:
                for job in source:
                    running.append(remote.remote(job))
                    if len(running) >= 2 * self._workers:
                        break
                if not running:
                    return
                yield await running.popleft()
        except RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, BaseException):
                raise cause from error
            raise UsageError(f"the cluster lost a job: {str(error).splitlines()[0]}; run the same again") from error
        finally:
            for left in running:
                ray.cancel(left)
