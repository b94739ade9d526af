"""What a run's calls may use, in tokens and in money.

A budget is looked at before each try: once one of its limits is reached, no further try starts, and `on_spent` is told
once. What is under way then finishes, so the limit is overstepped by no more than the calls in flight. Counted is
everything an endpoint put on a bill we have seen, replies that could not be used included; what earlier starts of the
run used is known from their shards, where only used replies stand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from terminal_task_gen.records import Usage


@dataclass
class Limit:
    """One limit: the field it stands in, how much it allows, how much is used."""

    field: str
    allowed: float
    used: float = 0.0
    in_usd: bool = False

    @property
    def reached(self) -> bool:
        return 0.0 < self.allowed <= self.used

    def __str__(self) -> str:
        if self.in_usd:
            return f"{self.field} is spent: {self.used:.2f} of {self.allowed:.2f} USD"
        return f"{self.field} is spent: {self.used:,.0f} of {self.allowed:,.0f} tokens"


class Budget:
    """Limits that are charged together. Without limits it never ends."""

    def __init__(self, limits: Sequence[Limit] = (), *, on_spent: Callable[[str], None] = lambda text: None) -> None:
        self._limits = [limit for limit in limits if limit.allowed]
        self._on_spent = on_spent
        self._told = False

    def charge(self, usage: Usage) -> None:
        for limit in self._limits:
            limit.used += usage.cost_usd if limit.in_usd else usage.prompt_tokens + usage.completion_tokens

    def explain_end(self) -> str | None:
        """Which limit is reached, for a person; None while there is something left."""
        reached = next((limit for limit in self._limits if limit.reached), None)
        if reached is None:
            return None
        if not self._told:
            self._told = True
            self._on_spent(str(reached))
        return str(reached)
