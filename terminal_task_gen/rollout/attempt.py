"""Which rollouts there are: tasks times attempts, in one order, each with an id that is known before it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
