"""The funnel in numbers: requests → tasks → attempts → trajectories → kept and dropped.

Every number can be recounted from the files of the run: a request is a task or a rejection, an attempt is a trajectory
or a failure, and an item counts once. Statistics are over kept rows. `tally.py` counts, `list_funnel` puts the numbers
in the order of the flow for whoever draws them.
"""

from __future__ import annotations

from terminal_task_gen import __version__
from terminal_task_gen.finding import Action, RuleName
from terminal_task_gen.records import Record, Usage

Counts = dict[str, int]
"""Word → number, sorted by word."""


class Generated(Record):
    """requests = tasks + rejected + owed."""

    requests: int
    tasks: int
    repaired: int
    """Tasks that needed a repair round."""
    rejected: int
    """Refused on their merits, or by the endpoint."""
    owed: int
    """Failed for a cause that may pass; the next start tries again."""
    reasons: Counts
    """Of rejected and owed, by reason code."""
    usage: Usage


class RolledOut(Record):
    """attempts = trajectories + failed + owed; trajectories = passed + partial + zero + unjudged."""

    attempts: int
    trajectories: int
    failed: int
    owed: int
    reasons: Counts
    """Of failed and owed, by reason code."""
    stop_reasons: Counts
    """Of trajectories."""
    passed: int
    partial: int
    """Some weight earned, not every test passed."""
    zero: int
    unjudged: int
    """Of tasks without tests."""
    tampered: int
    recovered: int
    """Trajectories with a reply that could not be read and a readable one after it."""
    tests: Counts
    """Of all verdicts, by status."""
    crashed_tests: int
    """Trajectories in which a test died of something else than an assertion: perhaps the test's own fault."""
    usage: Usage


class RuleCount(Record):
    """What one rule did."""

    rule: RuleName
    action: Action
    hits: int
    """Rows it objects to: dropped by it, or flagged where it only flags."""
    alone: int
    """Rows that no other rule drops."""
    first: int
    """Rows for which it gives the drop reason; over all rules this sums up to `dropped`."""


class Group(Record):
    """The funnel of one domain, mode or difficulty."""

    name: str
    tasks: int = 0
    rejected: int = 0
    trajectories: int = 0
    passed: int = 0
    kept: int = 0
    dropped: int = 0


class Spread(Record):
    """Distribution of a quantity; zeros where there is nothing. `p90`: nearest rank."""

    mean: float = 0.0
    median: float = 0.0
    p90: float = 0.0
    largest: float = 0.0
    total: float = 0.0


class BenchmarkHits(Record):
    """Rows in which words of a benchmark were found, in the instruction or in the turns."""

    benchmark: str
    prompts: int
    ngram: int
    mask_numbers: bool
    rows: int


class ContaminatedRow(Record):
    """Where words of a benchmark were found, in the words of our text."""

    trajectory: str
    rule: RuleName
    where: str
    benchmark: str
    entry: str
    ngram: str


class Filtered(Record):
    """trajectories = kept + dropped."""

    preset: str
    kept: int
    dropped: int
    rules: tuple[RuleCount, ...]
    settings: dict[str, str]
    """Parameters of the rules that are not off."""
    overlaps: Counts
    """Rows dropped by exactly this set of rules, as `foreign_script+identity`."""
    together: dict[str, Counts]
    """Rule → other rule → rows both object to, dropping or flagging; none where there are none."""
    benchmarks: tuple[BenchmarkHits, ...]
    contaminated: tuple[ContaminatedRow, ...]
    """At most 1,000, those with the smallest ids; all are in the rows' own findings and flags."""


class Report(Record):
    """corpus/report.json."""

    report_version: int = 1
    ttg_version: str = __version__
    generated: Generated
    rolled_out: RolledOut
    filtered: Filtered
    domains: tuple[Group, ...]
    modes: tuple[Group, ...]
    difficulties: tuple[Group, ...]
    turns: Spread
    completion_tokens: Spread
    characters: Spread
    """Of the conversations."""
    rewards: Spread
    models: tuple[str, ...]
    """Teachers that acted, in all trajectories."""
    authors: tuple[str, ...]
    usage: Usage
    """Of generation and rollouts together, given-up items included."""


class FunnelLine(Record):
    """One line of the funnel as people read it."""

    stage: str
    """`generate`, `rollout` or `filter`."""
    label: str
    count: int
    part_of: str = ""
    """Label of the line that this one is a part of; empty for the trunk."""


def list_funnel(report: Report) -> tuple[FunnelLine, ...]:
    """The funnel in the order of the flow, zero parts left out."""
    made, rolled, sieved = report.generated, report.rolled_out, report.filtered
    endings = {
        "passed": rolled.passed,
        "partial reward": rolled.partial,
        "zero reward": rolled.zero,
        "without tests": rolled.unjudged,
    }
    tests = {f"test {status}": n for status, n in rolled.tests.items()}
    first = {f"dropped: {rule.rule}": rule.first for rule in sieved.rules}
    return (
        *_list_branch("generate", "requests", made.requests, {f"rejected: {k}": n for k, n in made.reasons.items()}),
        *_list_branch("generate", "tasks", made.tasks, {"after repair": made.repaired}),
        *_list_branch("rollout", "attempts", rolled.attempts, {f"failed: {k}": n for k, n in rolled.reasons.items()}),
        *_list_branch(
            "rollout", "trajectories", rolled.trajectories, {f"stopped: {k}": n for k, n in rolled.stop_reasons.items()}
        ),
        *_list_branch("rollout", "recovered from an unreadable reply", rolled.recovered, {}),
        *_list_branch("rollout", "verdicts", rolled.trajectories, endings),
        *_list_branch("rollout", "tests", sum(tests.values()), tests),
        *_list_branch("filter", "judged", sieved.kept + sieved.dropped, first),
        *_list_branch("filter", "kept", sieved.kept, {}),
    )


def _list_branch(stage: str, label: str, count: int, parts: Counts) -> tuple[FunnelLine, ...]:
    trunk = FunnelLine(stage=stage, label=label, count=count)
    return (trunk, *(FunnelLine(stage=stage, label=k, count=n, part_of=label) for k, n in parts.items() if n))
