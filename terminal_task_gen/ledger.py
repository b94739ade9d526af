"""What calls to endpoints have cost, by the role that made them: one book for all budgets of a process.

Where several processes share the work each has a book of its own, and is told from time to time what the others have in
theirs (`elsewhere`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from terminal_task_gen.records import Usage


@dataclass(frozen=True)
class Spent:
    """Tokens (prompt and completion) and money."""

    tokens: int = 0
    cost_usd: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.tokens + other.tokens, self.cost_usd + other.cost_usd)

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.tokens - other.tokens, self.cost_usd - other.cost_usd)


Book = Mapping[str, Spent]
"""Place of the role in the configuration (`teacher.author`) → what it has spent."""


@dataclass
class Ledger:
    """Charged by every call; never goes down."""

    own: dict[str, Spent] = field(default_factory=dict)
    elsewhere: Book = field(default_factory=dict)

    def charge(self, role: str, usage: Usage) -> None:
        spent = Spent(usage.prompt_tokens + usage.completion_tokens, usage.cost_usd)
        self.own[role] = self.own.get(role, Spent()) + spent

    def count(self, scope: str) -> Spent:
        """Of the role `scope`, or of all roles below it (`teacher`)."""
        total = Spent()
        for book in (self.own, self.elsewhere):
            for role, spent in book.items():
                if role == scope or role.startswith(f"{scope}."):
                    total += spent
        return total


def add_books(books: Iterable[Book]) -> dict[str, Spent]:
    total: dict[str, Spent] = {}
    for book in books:
        for role, spent in book.items():
            total[role] = total.get(role, Spent()) + spent
    return total


def subtract_book(total: Book, part: Book) -> dict[str, Spent]:
    """What is in `total` and not in `part`, which is part of it."""
    return {role: spent - part.get(role, Spent()) for role, spent in total.items()}
