"""What a static gate looks at."""

from __future__ import annotations

from dataclasses import dataclass

from terminal_task_gen.generate.draft import Draft
from terminal_task_gen.generate.suite import Suite


@dataclass(frozen=True)
class StaticCase:
    """A draft and its tests, parsed once for all gates."""

    draft: Draft
    suite: Suite
    modules: frozenset[str] = frozenset()
    """Importable in the tests besides the standard library and pytest."""
