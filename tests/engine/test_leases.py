"""Dealing: every key is one worker's until it is safe, and whoever is lost leaves nothing undone and nothing twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from terminal_task_gen.engine import Engine
from terminal_task_gen.engine.leased import LeasedEngine
from terminal_task_gen.engine.leases import Dealer, Order, Report
from terminal_task_gen.errors import Cause
from terminal_task_gen.events import Event, ItemFinished, Listener, Notice, StageFinished, StageStarted
from terminal_task_gen.ledger import Spent
from terminal_task_gen.records import Usage
from terminal_task_gen.run_lock import Writer
from terminal_task_gen.stage import Stage, run_stage
from terminal_task_gen.store import FAILED, TRAJECTORIES, RunDirectory
from terminal_task_gen.task import Rejection
from terminal_task_gen.teacher.budget import Budget, Limit

PARALLEL = 3
ITEMS = [f"item-{number}" for number in range(40)]


class Machine:
    """A worker of its own, in this process; `pull_plug` is what kill -9 is to a real one."""

    def __init__(
        self, name: str, folder: Path, dealer: Dealer, *, rounds: int, seconds: float, limit: Limit | None = None
    ) -> None:
        self.name = name
        self.done: list[str] = []
        self._dealer = dealer
        self._directory = RunDirectory(folder, Writer("ray", name))
        self._rounds = rounds
        self._seconds = seconds
        self.engine = LeasedEngine()
        limits = [] if limit is None else [limit]
        self._budget = Budget(limits, ledger=self.engine.ledger, on_spent=lambda text: self.engine.drain())
        self._tasks = [asyncio.create_task(self.engine.run(name, self._do_errand)), asyncio.create_task(self._talk())]
        dealer.welcome(name)

    async def wait(self) -> None:
        await self._tasks[1]

    async def pull_plug(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._directory.unlock()
        self._dealer.lose(self.name, self._directory.read_done_ids(TRAJECTORIES, FAILED))

    async def _do_errand(self, worker: str, engine: Engine, listener: Listener) -> str:
        self._directory.lock()
        for number in range(self._rounds):
            items = [f"{number}-{item}" for item in ITEMS]
            stage: Stage[str] = Stage("rollout", partial(list, items), str, self._work, TRAJECTORIES, FAILED, PARALLEL)
            await run_stage(stage, self._directory, engine, listener, shard_bytes=2000)
        self._directory.unlock()
        return worker

    async def _work(self, item: str) -> Rejection:
        await asyncio.sleep(self._seconds)
        self._budget.charge(Usage(calls=1, prompt_tokens=8, completion_tokens=2))
        self._budget.explain_end()
        self.done.append(item)
        return Rejection(id=item, stage="rollout", cause=Cause.MERIT, reason="r", evidence="e", domain="d")

    async def _talk(self) -> None:
        room = 0
        while True:
            report = await self.engine.exchange(self._dealer.give_order(self.name, room))
            self._dealer.take_report(self.name, report)
            if report.has_ended:
                assert report.error is None, report.error
                self._dealer.dismiss(self.name)
                return
            room = report.room


def read_ids(folder: Path) -> list[str]:
    found: list[Rejection] = list(RunDirectory(folder).read_records(FAILED, Rejection, lambda damage: None))
    return sorted(row.id for row in found)


@pytest.mark.parametrize("rounds", [1, 2])
async def test_a_machine_is_lost_and_another_joins(tmp_path: Path, rounds: int) -> None:
    events: list[Event] = []
    dealer = Dealer(events.append)
    machines = [Machine(f"ray{n}", tmp_path, dealer, rounds=rounds, seconds=0.01) for n in range(3)]
    while len(machines[1].done) < 4:
        await asyncio.sleep(0.005)
    await machines[1].pull_plug()
    machines.append(Machine("ray3", tmp_path, dealer, rounds=rounds, seconds=0.01))
    for machine in (machines[0], machines[2], machines[3]):
        await machine.wait()
    assert read_ids(tmp_path) == sorted(f"{n}-{item}" for n in range(rounds) for item in ITEMS)
    assert machines[3].done, "who joins gets work"
    summary = dealer.finish()
    assert (summary.owed, summary.interrupted) == (0, False)
    assert [type(event) for event in events if isinstance(event, StageStarted | StageFinished)] == [
        StageStarted,
        StageFinished,
    ] * rounds


async def test_a_fast_machine_does_more(tmp_path: Path) -> None:
    dealer = Dealer(lambda event: None)
    fast = Machine("ray0", tmp_path, dealer, rounds=1, seconds=0.005)
    slow = Machine("ray1", tmp_path, dealer, rounds=1, seconds=0.05)
    await fast.wait()
    await slow.wait()
    assert len(fast.done) > 2 * len(slow.done)
    assert len(read_ids(tmp_path)) == len(ITEMS)


async def test_draining_one_drains_all_and_what_is_left_is_owed(tmp_path: Path) -> None:
    dealer = Dealer(lambda event: None)
    machines = [Machine(f"ray{n}", tmp_path, dealer, rounds=1, seconds=0.02) for n in range(2)]
    while not machines[0].done:
        await asyncio.sleep(0.005)
    machines[0].engine.drain()
    for machine in machines:
        await machine.wait()
    summary = dealer.finish()
    assert summary.interrupted
    assert 0 < len(read_ids(tmp_path)) < len(ITEMS)
    assert summary.owed == len(ITEMS) - len(read_ids(tmp_path))


async def test_a_budget_is_that_of_all_workers_together(tmp_path: Path) -> None:
    dealer = Dealer(lambda event: None)
    machines = [
        Machine(f"ray{n}", tmp_path, dealer, rounds=1, seconds=0.05, limit=Limit("teacher.budget_tokens", 100))
        for n in range(3)
    ]
    for machine in machines:
        await machine.wait()
    spent = sum(machine.engine.ledger.own["teacher.author"].tokens for machine in machines)
    assert spent == 10 * len(read_ids(tmp_path))
    under_way = 10 * 3 * PARALLEL
    assert 100 <= spent <= 100 + 2 * under_way < 10 * len(ITEMS)
    assert dealer.finish().owed == len(ITEMS) - len(read_ids(tmp_path))


def test_a_worker_hears_what_others_spent_since_it_came_also_those_that_are_lost() -> None:
    dealer = Dealer(lambda event: None)
    bring(dealer, "a")
    dealer.take_report("a", Report(spent={"teacher.author": Spent(100, 1.0)}))
    bring(dealer, "b")
    assert dealer.give_order("b", 0).elsewhere == {"teacher.author": Spent()}
    dealer.take_report("a", Report(spent={"teacher.author": Spent(130, 1.5), "teacher.actor": Spent(5)}))
    dealer.take_report("b", Report(spent={"teacher.author": Spent(7)}))
    assert dealer.give_order("b", 0).elsewhere == {"teacher.author": Spent(30, 0.5), "teacher.actor": Spent(5)}
    dealer.lose("a", ())
    assert dealer.give_order("b", 0).elsewhere == {"teacher.author": Spent(30, 0.5), "teacher.actor": Spent(5)}


def bring(dealer: Dealer, worker: str, *keys: str) -> None:
    dealer.welcome(worker)
    dealer.take_report(worker, Report(offer=keys))


def test_towards_the_end_nobody_sits_on_what_another_could_do() -> None:
    dealer = Dealer(lambda event: None)
    bring(dealer, "a", "1", "2", "3", "4")
    bring(dealer, "b", "1", "2", "3", "4")
    assert dealer.give_order("a", 100).keys == ("1", "2")
    assert dealer.give_order("b", 100).keys == ("3", "4")


def test_a_round_closes_when_all_is_safe_and_the_next_waits_for_the_disks() -> None:
    dealer = Dealer(lambda event: None)
    bring(dealer, "a", "1", "2")
    bring(dealer, "b", "1", "2")
    dealer.give_order("a", 1)
    dealer.give_order("b", 1)
    dealer.take_report("a", Report(finished=("1",)))
    assert dealer.give_order("a", 1) == Order(closed=0)
    dealer.take_report("b", Report(finished=("2",)))
    assert dealer.give_order("a", 1) == Order(closed=1, met=0)
    dealer.take_report("a", Report(met=1))
    assert dealer.give_order("a", 1) == Order(closed=1, met=0), "b is still writing"
    dealer.take_report("b", Report(met=1))
    assert dealer.give_order("a", 1) == Order(closed=1, met=1)


def test_what_a_lost_one_had_on_disk_is_not_dealt_again() -> None:
    dealer = Dealer(lambda event: None)
    bring(dealer, "a", "1", "2", "3")
    assert dealer.give_order("a", 3).keys == ("1", "2", "3")
    bring(dealer, "b")
    assert dealer.lose("a", {"2"}) == 2
    assert dealer.give_order("b", 9).keys == ("1", "3")


@pytest.mark.parametrize(
    ("event", "count"),
    [
        (lambda: Notice("once"), 1),
        (lambda: ItemFinished("rollout", "x", True, "", "", 1.0), 2),
        (lambda: StageFinished("rollout", 1, 0, 0, 1.0), 0),
    ],
)
def test_what_every_worker_says_is_passed_on_once(event: Callable[[], Event], count: int) -> None:
    events: list[Event] = []
    dealer = Dealer(events.append)
    for worker in ("a", "b"):
        dealer.welcome(worker)
        dealer.take_report(worker, Report(events=(event(),)))
    assert Counter(type(one).__name__ for one in events).get(type(event()).__name__, 0) == count
