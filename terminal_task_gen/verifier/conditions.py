"""Under which conditions the tests are run: as for a verdict, or otherwise on purpose, to see what they depend on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Conditions:
    """The default is how verdicts are made, `is_last` apart."""

    is_reversed: bool = False
    """Last test first."""
    clock_shift_sec: int = 0
    """How far the clock of the tests' interpreter is ahead; what the tests start as programs has the real one."""
    is_measured: bool = False
    """Report what the run cost. Walks /app and /tmp twice."""
    is_last: bool = False
    """The sandbox goes next: traces may stay, which saves a command."""

    def list_arguments(self) -> list[str]:
        """For the runner's command line."""
        words = ["--reversed"] if self.is_reversed else []
        words += [f"--shift={self.clock_shift_sec}"] if self.clock_shift_sec else []
        return [*words, "--measured"] if self.is_measured else words


ORDINARY = Conditions()
