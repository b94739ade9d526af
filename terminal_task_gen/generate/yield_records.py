"""What generation came to, in numbers: the records of `tasks/report.json`.

Everything but seconds and replayed replies can be recounted from the run's shards and is the same on every machine.
A request ends once: as a task, as a refusal, or, for now, as owed.
"""

from __future__ import annotations

from terminal_task_gen import __version__
from terminal_task_gen.records import Record, Usage

Counts = dict[str, int]
"""Word → number, the greatest first."""


class Slice(Record):
    """requested = passed + the numbers of `rejected` + owed."""

    name: str
    requested: int = 0
    authored: int = 0
    """At least one reply could be read as a task."""
    passed: int = 0
    """Tasks, near-duplicates of earlier ones left out."""
    repaired: int = 0
    """Of the passed: those that were refused before."""
    owed: int = 0
    """Failed for a cause that may pass; done again on the next start."""
    rejected: Counts = {}
    """By reason code."""
    usage: Usage = Usage()
    """Of all that was asked for these requests, calls of failed tries included."""
    seconds: float = 0.0
    """From start to end of each request, waiting included, summed; many run at once."""


class Round(Record):
    """The replies of one repair round: 0 are first replies."""

    number: int
    examined: int
    passed: int


class GateWork(Record):
    """What one gate did; work that was done twice, since a run was killed, counts twice."""

    gate: str
    examined: int
    refused: int
    seconds: float


class Reason(Record):
    """One reason code, over all refused replies and over the requests that it ended."""

    reason: str
    replies: int
    """Refused for it, those that a repair mended included."""
    ended: int
    """Requests that ended with it."""
    example_id: str
    """Of a request that ended with it, else of a task that was repaired."""
    evidence: str
    """The example's, its first lines; empty where the example was repaired."""


class YieldReport(Record):
    """The yield of `ttg generate`, by whatever one may want to change."""

    ttg_version: str = __version__
    total: Slice
    domains: tuple[Slice, ...]
    modes: tuple[Slice, ...]
    difficulties: tuple[Slice, ...]
    skills: tuple[Slice, ...]
    """Skill mode: by each skill that was given; a request counts under several."""
    rounds: tuple[Round, ...]
    gates: tuple[GateWork, ...]
    """In the order of the ladder, from the event log; empty when there is none."""
    reasons: tuple[Reason, ...]
    """The most frequent first."""
    replayed: Usage
    """What the replay cache answered, so that nobody was charged for it."""
