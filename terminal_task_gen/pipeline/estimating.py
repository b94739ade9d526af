"""What a whole run will take, from a rehearsal of its first requests: tasks, tokens, money, hours, disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from terminal_task_gen.config import MAX_AUTO, Config
from terminal_task_gen.generate.requests import enumerate_requests
from terminal_task_gen.generate.yield_log import YieldLog, read_yield_log
from terminal_task_gen.pipeline.generation import load_run_seeds, load_taxonomy
from terminal_task_gen.pipeline.projection import (
    NOTHING,
    Range,
    add,
    project_dependent,
    project_share,
    project_total,
    scale,
)
from terminal_task_gen.records import Record, Usage
from terminal_task_gen.store import REJECTED, TASKS, TRAJECTORIES, RunDirectory
from terminal_task_gen.task import Rejection, Task
from terminal_task_gen.trajectory import Trajectory

_HOUR_SEC = 3600.0


class Estimate(Record):
    """The whole run, as far as a sample tells."""

    requests: int
    """Of all modes."""
    attempts: int
    """At each task, over all actors."""
    sampled_requests: int
    sampled_tasks: int
    sampled_rollouts: int
    replayed: Usage
    """Of the sample, what the replay cache knew; such calls cost nothing and took no time."""
    tasks: Range
    rollouts: Range
    author_tokens: Range
    actor_tokens: Range
    author_usd: Range
    actor_usd: Range
    generate_hours: Range
    """NOTHING where every sampled reply was replayed, so that no time was measured."""
    rollout_hours: Range
    disk_mb: Range
    sample_usage: Usage
    """What the sample used, replayed replies included."""

    @property
    def tokens(self) -> Range:
        return add(self.author_tokens, self.actor_tokens)

    @property
    def usd(self) -> Range:
        return add(self.author_usd, self.actor_usd)

    @property
    def hours(self) -> Range:
        return add(self.generate_hours, self.rollout_hours)


@dataclass(frozen=True)
class _Sample:
    """What a rehearsal left, read once."""

    requests: list[Usage]
    request_seconds: list[float]
    """Of requests that were asked for, not replayed."""
    gate_seconds: float
    """A request, on average."""
    tasks: int
    rollouts: list[Usage]
    rollout_seconds: list[float]
    request_bytes: float
    """Each, on average; the same for a rollout, its recording included."""
    rollout_bytes: float
    replayed: Usage


def count_requests(config: Config) -> int:
    """How many requests a run over skills or seeds has. Raises UsageError as generation would."""
    domains = load_taxonomy(config)
    seeds = load_run_seeds(config, domains)
    return sum(
        1
        for mode in config.generate.modes
        for _ in enumerate_requests(config.generate, run_seed=config.seed, mode=mode, domains=domains, seeds=seeds)
    )


def estimate(config: Config, rehearsal: Path) -> Estimate:
    """The run that `config` means, judged by the rehearsal in a run directory."""
    sample = _read_sample(RunDirectory(rehearsal))
    requests = count_requests(config)
    attempts = config.rollout.attempts * len(config.teacher.list_actors())
    tasks = scale(project_share(sample.tasks, len(sample.requests)), requests)
    rollouts = scale(tasks, attempts) if sample.rollouts else NOTHING
    gate_hours = sample.gate_seconds * requests / config.sandbox.parallel / _HOUR_SEC
    return Estimate(
        requests=requests,
        attempts=attempts,
        sampled_requests=len(sample.requests),
        sampled_tasks=sample.tasks,
        sampled_rollouts=len(sample.rollouts),
        replayed=sample.replayed,
        tasks=tasks,
        rollouts=rollouts,
        author_tokens=project_total(_list_tokens(sample.requests), requests),
        actor_tokens=project_dependent(_list_tokens(sample.rollouts), rollouts),
        author_usd=project_total([usage.cost_usd for usage in sample.requests], requests),
        actor_usd=project_dependent([usage.cost_usd for usage in sample.rollouts], rollouts),
        generate_hours=_at_least(
            _divide(project_total(sample.request_seconds, requests), config.generate.parallel, requests), gate_hours
        ),
        rollout_hours=_divide(
            project_dependent(sample.rollout_seconds, rollouts), _get_rollout_parallel(config), rollouts.mid
        ),
        disk_mb=add(
            scale(Range(low=requests, mid=requests, high=requests), sample.request_bytes / 1e6),
            scale(rollouts, sample.rollout_bytes / 1e6),
        ),
        sample_usage=sum([*sample.requests, *sample.rollouts], Usage()),
    )


def _get_rollout_parallel(config: Config) -> int:
    """`auto` finds its own number while it runs; its ceiling is the best case."""
    return MAX_AUTO if config.rollout.parallel == "auto" else config.rollout.parallel


def _list_tokens(usages: Sequence[Usage]) -> list[float]:
    return [usage.prompt_tokens + usage.completion_tokens for usage in usages]


def _divide(seconds: Range, parallel: int, items: float) -> Range:
    """Work of so many items, so many at once, in hours."""
    return scale(seconds, 1 / max(1.0, min(parallel, items)) / _HOUR_SEC)


def _at_least(hours: Range, floor: float) -> Range:
    return Range(
        low=None if hours.low is None else max(hours.low, floor),
        mid=max(hours.mid, floor),
        high=None if hours.high is None else max(hours.high, floor),
    )


def _read_sample(run: RunDirectory) -> _Sample:
    log = read_yield_log(run.list_event_logs())
    rows: dict[str, tuple[Usage, bool]] = {}
    for rejection in run.read_final_rejections(REJECTED, TASKS, Rejection, _ignore):
        rows[rejection.id] = (rejection.usage, False)
    for task in run.read_records(TASKS, Task, _ignore):
        rows[task.lineage.request_id] = (task.usage, True)
    rollouts = list(run.read_records(TRAJECTORIES, Trajectory, _ignore))
    requests = [usage for usage, _ in rows.values()]
    return _Sample(
        requests=requests,
        request_seconds=_list_fresh_seconds(log, rows),
        gate_seconds=math.fsum(gate.seconds for gate in log.list_gates()) / max(1, len(rows)),
        tasks=sum(accepted for _, accepted in rows.values()),
        rollouts=[one.usage for one in rollouts],
        rollout_seconds=[one.timings.total_sec for one in rollouts],
        request_bytes=_measure(run.path / "tasks") / max(1, len(rows)),
        rollout_bytes=(_measure(run.path / "trajectories") + _measure(run.recordings_dir)) / max(1, len(rollouts)),
        replayed=log.replayed,
    )


def _list_fresh_seconds(log: YieldLog, ids: Iterable[str]) -> list[float]:
    """A replayed reply takes no time, and tells nothing of how long the endpoint takes."""
    return [log.seconds[one] for one in ids if one in log.seconds and not log.known_calls[one]]


def _measure(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


_ignore: Callable[[object], None] = lambda _: None  # noqa: E731
