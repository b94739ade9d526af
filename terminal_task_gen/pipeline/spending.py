"""What a run's budgets are, and how much of them earlier starts have used.

The shards are the book: each line says what its item's used replies cost. Tries that failed in earlier starts are not
in it. What the replay cache answered is in it, as rows must not tell where a reply came from; the event log knows, and
it is taken off again. Without the log all counts, and the budget ends earlier. Nothing is read where no budget is set.

Of n partitions each has an n-th of every limit for the items that are its own, so that together they never pass it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import orjson

from terminal_task_gen.config import Config, EndpointConfig
from terminal_task_gen.errors import UsageError
from terminal_task_gen.identity import STAGE_SHARDS
from terminal_task_gen.partition import Partition
from terminal_task_gen.store import TASKS, RunDirectory, ShardKind, open_shard
from terminal_task_gen.teacher.budget import Limit


def list_limits(
    config: Config, run: RunDirectory, endpoint: EndpointConfig, *, field: str, stage: str, partition: Partition
) -> tuple[Limit, ...]:
    """The limits of the whole run and of the stage's role. UsageError for a budget in money without prices."""
    whole, role = config.teacher, endpoint
    if (whole.budget_usd or role.budget_usd) and not (role.prompt_usd_per_mtok or role.completion_usd_per_mtok):
        raise UsageError(
            f"a budget in USD needs prices: set {field}.prompt_usd_per_mtok and {field}.completion_usd_per_mtok, "
            "or give the budget in tokens (budget_tokens)"
        )
    limits = (
        Limit("teacher.budget_tokens", whole.budget_tokens),
        Limit("teacher.budget_usd", whole.budget_usd, in_usd=True),
        Limit(f"{field}.budget_tokens", role.budget_tokens),
        Limit(f"{field}.budget_usd", role.budget_usd, in_usd=True),
    )
    for limit in limits:
        if limit.allowed:
            stages = [stage] if limit.field.startswith(field) else list(STAGE_SHARDS)
            replayed = sum(_read_replayed(run, stages, in_usd=limit.in_usd))
            limit.used = max(0.0, sum(_read_spent(run, stages, partition, in_usd=limit.in_usd)) - replayed)
            limit.allowed /= partition.count
    return limits


def _read_spent(run: RunDirectory, stages: list[str], partition: Partition, *, in_usd: bool) -> Iterator[float]:
    """Of each item of the partition that has a line; damaged lines are told by the stage that reads them."""
    for stage in stages:
        for kind in STAGE_SHARDS[stage]:
            for path in run.list_shards(kind):
                with open_shard(path) as lines:
                    for line in lines:
                        yield _count_line(line, in_usd=in_usd, takes=partial(_takes, partition, kind))


def _takes(partition: Partition, kind: ShardKind, row: dict[str, Any]) -> bool:
    """Rollouts are dealt by their tasks."""
    if kind.folder != TASKS.folder:
        return partition.takes(row["task_id"])
    return partition.takes(row["lineage"]["request_id"] if kind == TASKS else row["id"])


def _read_replayed(run: RunDirectory, stages: list[str], *, in_usd: bool) -> Iterator[float]:
    """Of each item that the replay cache answered: rows do not tell, the event logs do.

    A partition reads its own log; what it had of the cache under another n counts, so its budget ends earlier.
    """
    for path in run.list_event_logs() if run.writer.is_alone else [run.events_path]:
        if not path.is_file():
            continue
        stage = ""
        with path.open("rb") as lines:
            for line in lines:
                if b'"event":"StageStarted"' in line:
                    stage = next((name for name in STAGE_SHARDS if f'"stage":"{name}"'.encode() in line), "")
                elif b'"event":"RepliesReplayed"' in line and stage in stages:
                    yield _count_line(line, in_usd=in_usd)


def _count_line(line: bytes, *, in_usd: bool, takes: Callable[[dict[str, Any]], bool] = lambda row: True) -> float:
    try:
        row = orjson.loads(line)
        if not takes(row):
            return 0.0
        used = [row[part] for part in ("usage", "wasted_usage") if part in row]
        if in_usd:
            return float(sum(usage["cost_usd"] for usage in used))
        return float(sum(usage["prompt_tokens"] + usage["completion_tokens"] for usage in used))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return 0.0
