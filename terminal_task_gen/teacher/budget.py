"""What a run's calls may use, in tokens and in money.

A budget is looked at before each try: once one of its limits is reached, no further try starts, and `on_spent` is told
once. What is under way then finishes, so the limit is overstepped by no more than the calls in flight (on a cluster:
and what other nodes spent in the second that news of it takes). Counted is everything an endpoint put on a bill we have
seen, replies that could not be used included; what earlier starts of the run used is known from their shards, where
only used replies stand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from terminal_task_gen.ledger import Ledger, Spent
from terminal_task_gen.records import Usage


@dataclass
class Limit:
    """One limit: the field it stands in, how much it allows, how much was used before the ledger's first entry."""

    field: str
    allowed: float
    used: float = 0.0
    in_usd: bool = False

    @property
    def scope(self) -> str:
        """Whose calls it is for: `teacher.author.budget_usd` for the author's, `teacher.budget_usd` for all."""
        return self.field.rpartition(".")[0]

    def describe(self, used: float) -> str:
        if self.in_usd:
            return f"{self.field} is spent: {used:.2f} of {self.allowed:.2f} USD"
        return f"{self.field} is spent: {used:,.0f} of {self.allowed:,.0f} tokens"


class Budget:
    """One role's limits over a ledger that others may share. Without limits it never ends.

    What the ledger holds when a budget is made is in `used` already.
    """

    def __init__(
        self,
        limits: Sequence[Limit] = (),
        *,
        role: str = "teacher.author",
        ledger: Ledger | None = None,
        on_spent: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._ledger = Ledger() if ledger is None else ledger
        self._limits = [(limit, self._ledger.count(limit.scope)) for limit in limits if limit.allowed]
        self._role = role
        self._on_spent = on_spent
        self._told = False

    def charge(self, usage: Usage) -> None:
        self._ledger.charge(self._role, usage)

    def explain_end(self) -> str | None:
        """Which limit is reached, for a person; None while there is something left."""
        for limit, before in self._limits:
            used = limit.used + self._count_since(limit, before)
            if limit.allowed <= used:
                if not self._told:
                    self._told = True
                    self._on_spent(limit.describe(used))
                return limit.describe(used)
        return None

    def _count_since(self, limit: Limit, before: Spent) -> float:
        spent = self._ledger.count(limit.scope) - before
        return spent.cost_usd if limit.in_usd else spent.tokens
