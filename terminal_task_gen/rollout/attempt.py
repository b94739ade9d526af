"""Which rollouts there are: tasks times attempts, in one order, each with an id that is known before it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from terminal_task_gen.records import Record
from terminal_task_gen.task import Task
from terminal_task_gen.trajectory import trajectory_id


class Attempt(Record):
    """One actor's n-th go at a task, counted from 0."""

    task: Task
    model: str
    number: int

    @property
    def id(self) -> str:
        """The id of the trajectory that it will become."""
        return trajectory_id(self.task.id, model=self.model, attempt=self.number)


def enumerate_attempts(tasks: Iterable[Task], model: str, attempts: int) -> Iterator[Attempt]:
    """Every task's attempts, task by task. More attempts, or more tasks, leave the ids of these as they are."""
    for task in tasks:
        for number in range(attempts):
            yield Attempt(task=task, model=model, number=number)


def list_due(
    tasks: Iterable[Task],
    model: str,
    number: int,
    *,
    outcomes: Mapping[str, bool | None],
    until: Literal["attempts", "success", "both"],
) -> list[Attempt]:
    """The `number`-th attempts of the tasks that have not had enough and whose earlier attempts all came to an end.

    `outcomes` maps the id of each ended attempt to whether it passed, None where it failed for good. So which attempts
    there are follows from outcomes alone, at any concurrency and after any resume.
    """
    due: list[Attempt] = []
    for task in tasks:
        earlier = [trajectory_id(task.id, model=model, attempt=n) for n in range(number)]
        seen = {outcomes[attempt_id] for attempt_id in earlier if attempt_id in outcomes}
        enough = True in seen if until == "success" else {True, False} <= seen
        # Without an outcome there is nothing to wait for.
        enough = enough or (number > 0 and not task.weights)
        if all(attempt_id in outcomes for attempt_id in earlier) and (until == "attempts" or not enough):
            due.append(Attempt(task=task, model=model, number=number))
    return due
