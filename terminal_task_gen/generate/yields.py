"""Counts the yield of a run's generation from its shards and its event log; see `yield_records.py` for what comes out.

Read in one pass over each family of shards. What is held: id and seconds of each request (some 250 bytes), and a tally
for each domain, mode, difficulty, skill and reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import get_args

from terminal_task_gen.errors import POLICY
from terminal_task_gen.generate.yield_log import YieldLog, read_yield_log
from terminal_task_gen.generate.yield_records import Reason, Round, Slice, YieldReport
from terminal_task_gen.records import Usage
from terminal_task_gen.store import DUPLICATES, REJECTED, TASKS, Damage, RunDirectory
from terminal_task_gen.task import Difficulty, Refusal, Rejection, Task

UNREAD = ("reply", "draft")
"""Gates that a reply fails before there is a task to speak of."""
MAX_EVIDENCE_CHARS = 300
_CODES = re.compile(r"^gate \w+:\s*- \w+: ")


@dataclass
class _Tally:
    requested: int = 0
    authored: int = 0
    passed: int = 0
    repaired: int = 0
    owed: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0

    def finish(self, name: str) -> Slice:
        return Slice(
            name=name,
            requested=self.requested,
            authored=self.authored,
            passed=self.passed,
            repaired=self.repaired,
            owed=self.owed,
            rejected=_sort(self.rejected),
            usage=self.usage,
            seconds=round(self.seconds, 3),
        )


@dataclass(frozen=True)
class _Item:
    """One request as it ended."""

    request_id: str
    domain: str
    mode: str
    difficulty: str
    skills: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    usage: Usage
    reason: str
    """Why there is no task; empty where there is one."""
    is_owed: bool = False
    evidence: str = ""


@dataclass
class _Example:
    request_id: str
    evidence: str


@dataclass
class _Count:
    log: YieldLog
    ended: set[str] = field(default_factory=set)
    total: _Tally = field(default_factory=_Tally)
    slices: dict[str, dict[str, _Tally]] = field(default_factory=dict)
    examined: Counter[int] = field(default_factory=Counter)
    passed: Counter[int] = field(default_factory=Counter)
    refused_replies: Counter[str] = field(default_factory=Counter)
    examples: dict[str, _Example] = field(default_factory=dict)

    def add(self, item: _Item) -> None:
        """A request that two writers finished counts once."""
        if item.request_id in self.ended:
            return
        self.ended.add(item.request_id)
        for tally in self._find_tallies(item):
            _add_end(tally, item, self.log.seconds.get(item.request_id, 0.0))
        is_passed = not item.reason
        for refusal in item.refusals:
            self.refused_replies.update(refusal.reasons)
            for reason in refusal.reasons:
                self.examples.setdefault(reason, _Example(item.request_id, ""))
        self.examined.update(range(len(item.refusals) + is_passed))
        self.passed[len(item.refusals)] += is_passed
        known = self.examples.get(item.reason)
        if item.reason and not item.is_owed and (known is None or not known.evidence):
            self.examples[item.reason] = _Example(item.request_id, item.evidence)

    def add_usage(self, item: _Item) -> None:
        """Of a try that did not end the request."""
        for tally in self._find_tallies(item):
            tally.usage += item.usage

    def _find_tallies(self, item: _Item) -> list[_Tally]:
        places = [("domain", item.domain), ("mode", item.mode), ("difficulty", item.difficulty)]
        places += [("skill", skill) for skill in item.skills]
        by_kind = [self.slices.setdefault(kind, {}).setdefault(name, _Tally()) for kind, name in places if name]
        return [self.total, *by_kind]

    def finish(self) -> YieldReport:
        return YieldReport(
            total=self.total.finish("all"),
            domains=self._finish_kind("domain"),
            modes=self._finish_kind("mode"),
            difficulties=self._finish_kind("difficulty"),
            skills=self._finish_kind("skill"),
            rounds=tuple(
                Round(number=number, examined=self.examined[number], passed=self.passed[number])
                for number in sorted(self.examined)
            ),
            gates=self.log.list_gates(),
            reasons=self._list_reasons(),
            replayed=self.log.replayed,
        )

    def _finish_kind(self, kind: str) -> tuple[Slice, ...]:
        tallies = self.slices.get(kind, {})
        return tuple(tallies[name].finish(name) for name in sorted(tallies, key=_rank))

    def _list_reasons(self) -> tuple[Reason, ...]:
        ended, refused = self.total.rejected, self.refused_replies
        names = sorted({*ended, *refused}, key=lambda name: (-ended[name], -refused[name], name))
        return tuple(
            Reason(
                reason=name,
                replies=refused[name],
                ended=ended[name],
                example_id=self.examples[name].request_id,
                evidence=self.examples[name].evidence,
            )
            for name in names
        )


def count_yield(run: RunDirectory, on_damage: Callable[[Damage], None]) -> YieldReport:
    """The yield of what lies in the run; of an empty run all is zero. Needs no lock."""
    count = _Count(read_yield_log(run.list_event_logs()))
    owed: dict[str, _Item] = {}
    for rejection in run.read_records(REJECTED, Rejection, on_damage):
        item = _describe_rejection(rejection)
        earlier = owed.pop(item.request_id, None)
        if earlier is not None:
            count.add_usage(earlier)
        if item.is_owed:
            owed[item.request_id] = item
        else:
            count.add(item)
    duplicates = {row.task_id: row for row in run.read_records(DUPLICATES, Rejection, on_damage)}
    for task in run.read_records(TASKS, Task, on_damage):
        earlier = owed.pop(task.lineage.request_id, None)
        if earlier is not None:
            count.add_usage(earlier)
        duplicate = duplicates.get(task.id)
        count.add(_describe_task(task) if duplicate is None else _describe_duplicate(task, duplicate))
    for request_id in sorted(owed):
        count.add(owed[request_id])
    return count.finish()


def _add_end(tally: _Tally, item: _Item, seconds: float) -> None:
    tally.requested += 1
    tally.usage += item.usage
    tally.seconds += seconds
    is_passed = not item.reason
    tally.passed += is_passed
    tally.authored += is_passed or _is_authored(item)
    tally.repaired += is_passed and bool(item.refusals)
    if item.is_owed:
        tally.owed += 1
    elif item.reason:
        tally.rejected[item.reason] += 1


def _is_authored(item: _Item) -> bool:
    return item.reason == "duplicate" or any(refusal.gate not in UNREAD for refusal in item.refusals)


def _describe_task(task: Task) -> _Item:
    lineage = task.lineage
    return _Item(
        lineage.request_id,
        task.domain,
        lineage.mode,
        task.difficulty,
        lineage.skills,
        lineage.refusals,
        task.usage,
        reason="",
    )


def _describe_duplicate(task: Task, rejection: Rejection) -> _Item:
    lineage = task.lineage
    refusals = (*lineage.refusals, Refusal(gate="duplicate", reasons=("duplicate",)))
    return _Item(
        lineage.request_id,
        task.domain,
        lineage.mode,
        task.difficulty,
        lineage.skills,
        refusals,
        task.usage,
        reason="duplicate",
        evidence=_shorten(rejection.evidence),
    )


def _describe_rejection(rejection: Rejection) -> _Item:
    return _Item(
        rejection.id,
        rejection.domain,
        rejection.mode or "",
        rejection.difficulty or "",
        rejection.skills,
        rejection.refusals,
        rejection.usage,
        reason=rejection.reason,
        is_owed=POLICY[rejection.cause].retry,
        evidence=_shorten(rejection.evidence),
    )


def _shorten(evidence: str) -> str:
    """The first complaint, without the codes that stand beside it anyway."""
    text = " ".join(_CODES.sub("", evidence).split())
    return text if len(text) <= MAX_EVIDENCE_CHARS else text[: MAX_EVIDENCE_CHARS - 1] + "…"


def _rank(name: str) -> tuple[int, str]:
    """Difficulties by difficulty, all else by name."""
    levels = get_args(Difficulty)
    return (levels.index(name) if name in levels else 0, name)


def _sort(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def list_least(slices: Iterable[Slice], *, least_requests: int, count: int) -> list[Slice]:
    """The `count` slices of the lowest yield, of those with enough requests to speak of."""
    usable = [one for one in slices if one.requested - one.owed >= least_requests]
    return sorted(usable, key=lambda one: (one.passed / (one.requested - one.owed), one.name))[:count]
