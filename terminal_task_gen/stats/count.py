"""Counts a run as its shards stream by: chunks are read side by side, one small tuple a row comes back.

Memory: some hundred bytes a task, for who solved it; nothing of a trajectory stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from terminal_task_gen.chunks import Chunk, read_lines
from terminal_task_gen.errors import POLICY, Cause
from terminal_task_gen.records import Usage
from terminal_task_gen.stats.survey import (
    TOKENS_BIN,
    TOKENS_END,
    TURNS_BIN,
    TURNS_END,
    Cell,
    Distribution,
    Funnel,
    SkillUse,
    Stream,
    Survey,
)
from terminal_task_gen.token_count import estimate_tokens

STREAM_OF_MODE = {"skill": "synthetic", "seed": "synthetic", "adapt": "adapters", "import": "imported"}
_USAGE = tuple(Usage.model_fields)
_PASSING_CAUSES = frozenset(str(cause) for cause, policy in POLICY.items() if policy.retry)


class TaskRow(NamedTuple):
    id: str
    request_id: str
    domain: str
    difficulty: str
    mode: str
    skills: tuple[str, ...]


class AttemptRow(NamedTuple):
    id: str
    task_id: str
    model: str
    stop_reason: str
    turns: int
    tokens: int
    """Estimated, of the conversation as it is trained on."""
    judged: bool
    passed: bool
    reward: float


class RefusedRow(NamedTuple):
    id: str
    reason: str


class ChunkRows(NamedTuple):
    """What came of one chunk."""

    rows: list[TaskRow] | list[AttemptRow] | list[RefusedRow]
    usage: dict[str, float]
    damaged: int


def read_tasks(chunk: Chunk) -> ChunkRows:
    return _read(chunk, _read_task)


def read_attempts(chunk: Chunk) -> ChunkRows:
    return _read(chunk, _read_attempt)


def read_refused(chunk: Chunk) -> ChunkRows:
    """Rejected requests, or failed attempts."""
    return _read(chunk, _read_refused)


def _read(chunk: Chunk, pick: Any) -> ChunkRows:
    rows: list[Any] = []
    usage: Counter[str] = Counter()
    damaged = 0
    for line in read_lines(chunk):
        try:
            data = orjson.loads(line.content or b"")
            row = pick(data)
            spent = [data["usage"], data.get("wasted_usage") or {}]
            usage.update({name: sum(part.get(name) or 0 for part in spent) for name in _USAGE})
        except (ValueError, KeyError, TypeError, AttributeError):
            damaged += 1
        else:
            rows.append(row)
    return ChunkRows(rows, dict(usage), damaged)


def _read_task(data: dict[str, Any]) -> TaskRow:
    lineage = data["lineage"]
    return TaskRow(
        id=data["id"],
        request_id=lineage["request_id"],
        domain=data["domain"],
        difficulty=data["difficulty"],
        mode=lineage["mode"],
        skills=tuple(data.get("skills", ())),
    )


def _read_attempt(data: dict[str, Any]) -> AttemptRow:
    verdict = data["verdict"]
    texts = [f"{message.get('reasoning') or ''}{message['content']}" for message in data["messages"]]
    return AttemptRow(
        id=data["id"],
        task_id=data["task_id"],
        model=data["model"],
        stop_reason=data["stop_reason"],
        turns=len(data["steps"]),
        tokens=estimate_tokens(texts),
        judged=verdict.get("judged", True),
        passed=verdict["passed"],
        reward=verdict["reward"],
    )


def _read_refused(data: dict[str, Any]) -> RefusedRow:
    return RefusedRow(data["id"], f"{data['reason']} (owed)" if data["cause"] in _PASSING_CAUSES else data["reason"])


class _Standing:
    """One task, and how often it was tried."""

    __slots__ = ("attempts", "passed", "reward", "row")

    def __init__(self, row: TaskRow) -> None:
        self.row = row
        self.attempts = self.passed = 0
        self.reward = 0.0


class _StreamCount:
    """Counters of one stream."""

    def __init__(self) -> None:
        self.trajectories = self.judged = self.passed = self.completed = 0
        self.turns: Counter[int] = Counter()
        self.tokens: Counter[int] = Counter()

    def add(self, attempt: AttemptRow) -> None:
        self.trajectories += 1
        self.judged += attempt.judged
        self.passed += attempt.passed
        self.completed += attempt.stop_reason == Cause.COMPLETED
        self.turns[attempt.turns] += 1
        self.tokens[attempt.tokens] += 1

    def build(self, name: str) -> Stream:
        return Stream(
            name=name,
            trajectories=self.trajectories,
            judged=self.judged,
            passed=self.passed,
            completed=self.completed,
            turns=spread(self.turns, TURNS_BIN, TURNS_END),
            tokens=spread(self.tokens, TOKENS_BIN, TOKENS_END),
        )


class RunCount:
    """Feed it tasks first, then attempts and refusals; then `build`."""

    def __init__(self) -> None:
        self._tasks: dict[str, _Standing] = {}
        self._words: dict[Any, Any] = {}
        self._streams: dict[str, _StreamCount] = {"all": _StreamCount()}
        self._stop_reasons: Counter[str] = Counter()
        self._models: Counter[str] = Counter()
        self._done: set[int] = set()
        """Hashes of the ids of requests that became tasks and of attempts that became trajectories."""
        self._rejected: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self._usage: dict[str, Counter[str]] = {"generate": Counter(), "rollout": Counter()}
        self._damaged = 0

    def add_tasks(self, found: ChunkRows) -> None:
        self._add_usage("generate", found)
        for row in found.rows:
            assert isinstance(row, TaskRow)
            skills = tuple(self._words.setdefault(skill, skill) for skill in row.skills)
            self._done.add(hash(row.request_id))
            kept = row._replace(
                request_id="",
                domain=self._words.setdefault(row.domain, row.domain),
                difficulty=self._words.setdefault(row.difficulty, row.difficulty),
                mode=self._words.setdefault(row.mode, row.mode),
                skills=self._words.setdefault(skills, skills),
            )
            self._tasks[row.id] = _Standing(kept)

    def add_attempts(self, found: ChunkRows) -> None:
        self._add_usage("rollout", found)
        for row in found.rows:
            assert isinstance(row, AttemptRow)
            standing = self._tasks.get(row.task_id)
            streams = ["all"]
            if standing is not None:
                streams.append(STREAM_OF_MODE.get(standing.row.mode, standing.row.mode))
                if row.judged:
                    standing.attempts += 1
                    standing.passed += row.passed
                    standing.reward += row.reward
            for name in streams:
                self._streams.setdefault(name, _StreamCount()).add(row)
            self._stop_reasons[row.stop_reason] += 1
            self._models[row.model] += 1
            self._done.add(hash(row.id))

    def add_rejected(self, found: ChunkRows) -> None:
        """The last refusal of a request counts."""
        self._add_usage("generate", found)
        self._rejected.update((row.id, row.reason) for row in found.rows if isinstance(row, RefusedRow))

    def add_failed(self, found: ChunkRows) -> None:
        """The last failure of an attempt counts, unless it came to a trajectory after all."""
        self._add_usage("rollout", found)
        self._failed.update((row.id, row.reason) for row in found.rows if isinstance(row, RefusedRow))

    def build(self, run: str, *, taxonomy: Mapping[str, Mapping[str, Sequence[str]]], report: Any) -> Survey:
        """`taxonomy`: domain → skill type → primitives. `report`: the corpus's report.json, or None."""
        rejected = [why for key, why in self._rejected.items() if hash(key) not in self._done]
        failed = [why for key, why in self._failed.items() if hash(key) not in self._done]
        sieved = report["filtered"] if report else None
        everything = self._streams["all"]
        return Survey(
            run=run,
            funnel=Funnel(
                tasks=len(self._tasks),
                rejected=len(rejected),
                trajectories=everything.trajectories,
                failed=len(failed),
                passed=everything.passed,
                kept=sieved["kept"] if sieved else None,
                dropped=sieved["dropped"] if sieved else None,
                rejected_reasons=_rank(Counter(rejected)),
                failed_reasons=_rank(Counter(failed)),
                stop_reasons=_rank(self._stop_reasons),
                drop_reasons=_rank(
                    Counter({rule["rule"]: rule["first"] for rule in sieved["rules"]} if sieved else {})
                ),
            ),
            streams=tuple(count.build(name) for name, count in self._streams.items()),
            cells=self._build_cells(),
            skills=self._build_skills(taxonomy),
            models=_rank(self._models),
            generated=_to_usage(self._usage["generate"]),
            rolled_out=_to_usage(self._usage["rollout"]),
            damaged_lines=self._damaged,
        )

    def _add_usage(self, stage: str, found: ChunkRows) -> None:
        self._damaged += found.damaged
        self._usage[stage].update(found.usage)

    def _build_cells(self) -> tuple[Cell, ...]:
        groups: dict[tuple[str, str], list[_Standing]] = {}
        for standing in self._tasks.values():
            groups.setdefault((standing.row.domain, standing.row.difficulty), []).append(standing)
        return tuple(_build_cell(place, groups[place]) for place in sorted(groups))

    def _build_skills(self, taxonomy: Mapping[str, Mapping[str, Sequence[str]]]) -> tuple[SkillUse, ...]:
        """In the taxonomy's order, its unused ones of the run's domains included, then skills it does not hold."""
        counts: dict[tuple[str, str], list[int]] = {}
        domains = {standing.row.domain for standing in self._tasks.values()}
        for standing in self._tasks.values():
            for skill in standing.row.skills:
                count = counts.setdefault((standing.row.domain, skill), [0, 0, 0])
                count[0] += 1
                count[1] += standing.attempts
                count[2] += standing.passed
        known = {
            (domain, text): kind
            for domain in sorted(domains & set(taxonomy))
            for kind, texts in taxonomy[domain].items()
            for text in texts
        }
        order = [*known, *sorted(set(counts) - set(known))]
        return tuple(
            SkillUse(
                domain=domain, type=known.get((domain, text), ""), text=text, tasks=n, attempts=tried, passed=passed
            )
            for domain, text in order
            for n, tried, passed in [counts.get((domain, text), [0, 0, 0])]
        )


def spread(counts: Counter[int], width: int, end: int) -> Distribution:
    """Of values and how often each came; the median of an even number is the mean of the middle two."""
    total = counts.total()
    if not total:
        return Distribution()
    ordered = sorted(counts.items())
    bins: Counter[int] = Counter()
    for value, times in ordered:
        bins[min(value, end) // width * width] += times
    return Distribution(
        mean=round(sum(value * times for value, times in ordered) / total, 4),
        median=(_pick(ordered, (total - 1) // 2) + _pick(ordered, total // 2)) / 2,
        p90=_pick(ordered, -(-9 * total // 10) - 1),
        largest=ordered[-1][0],
        bins={start: bins[start] for start in range(0, max(bins) + 1, width)},
    )


def _build_cell(place: tuple[str, str], standings: Iterable[_Standing]) -> Cell:
    all_of_them = list(standings)
    attempts = sum(standing.attempts for standing in all_of_them)
    return Cell(
        domain=place[0],
        difficulty=place[1],
        tasks=len(all_of_them),
        attempted=sum(standing.attempts > 0 for standing in all_of_them),
        solved=sum(standing.passed > 0 for standing in all_of_them),
        attempts=attempts,
        passed=sum(standing.passed for standing in all_of_them),
        reward=round(sum(standing.reward for standing in all_of_them) / attempts, 4) if attempts else 0.0,
    )


def _to_usage(counts: Counter[str]) -> Usage:
    return Usage.model_validate({**counts, "cost_usd": round(float(counts["cost_usd"]), 6)})


def _rank(counts: Counter[str]) -> dict[str, int]:
    return {word: n for word, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if n}


def _pick(ordered: Sequence[tuple[int, int]], place: int) -> int:
    """The value at a place, counted from 0, of all values in order."""
    for value, times in ordered:
        if place < times:
            return value
        place -= times
    raise IndexError(place)
