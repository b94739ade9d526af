"""`ttg`: a stage of the pipeline over the teacher client, with everything on, each result a line of a shard.

Two servers (the same one under two addresses), adaptive concurrency, per-minute limits and headers, a budget in money,
the early stop, the event log, and the reply cache, in which each reply is written before it is used. Only the work on a
reply is left out: it becomes a task as it is.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

from benchmarks.teacher.clients.load import SYSTEM, Load, begin, read_load, report
from terminal_task_gen.config import EndpointConfig, ReplicaConfig
from terminal_task_gen.engine.local import LocalEngine
from terminal_task_gen.errors import ItemError
from terminal_task_gen.progress import EventLog
from terminal_task_gen.stage import Stage, run_stage
from terminal_task_gen.store import REJECTED, TASKS, RunDirectory
from terminal_task_gen.task import Lineage, Rejection, Task
from terminal_task_gen.teacher.budget import Budget, Limit
from terminal_task_gen.teacher.client import OpenAITeacher
from terminal_task_gen.teacher.replay import ReplayingTeacher, follow_items
from terminal_task_gen.teacher.reply_store import ReplyStore, measure_store
from terminal_task_gen.trajectory import Message

Item = tuple[str, str]


def make_teacher(load: Load) -> ReplayingTeacher:
    endpoint = EndpointConfig(
        base_url=load.base_url,
        replicas=(ReplicaConfig(base_url=load.base_url.replace("127.0.0.1", "localhost")),),
        model="mock",
        api_key_env="",
        parallel=load.in_flight // 2,
        requests_per_minute=1_000_000,
        tokens_per_minute=1_000_000_000,
        idle_timeout_sec=60,
        prompt_usd_per_mtok=0.28,
        completion_usd_per_mtok=0.42,
        cached_usd_per_mtok=0.028,
    )
    inner = OpenAITeacher(endpoint, budget=Budget([Limit("teacher.budget_usd", 1e6, in_usd=True)]))
    store = ReplyStore(load.folder / "cache", on_trouble=sys.exit)
    return ReplayingTeacher(inner, endpoint, store, run_seed=0)


async def run(load: Load) -> int:
    teacher = make_teacher(load)
    system = Message(role="system", content=SYSTEM)

    def list_items() -> Iterator[Item]:
        return ((f"req-{number:016x}", load.make_prompt(number)) for number in range(load.requests))

    def get_id(item: Item) -> str:
        return item[0]

    async def work(item: Item) -> Task | Rejection:
        try:
            reply = await teacher.complete([system, Message(role="user", content=item[1])])
        except ItemError as error:
            return Rejection(
                id=item[0],
                stage="generate",
                cause=error.cause,
                reason=error.reason,
                evidence=error.evidence,
                domain="mock",
                mode="skill",
                difficulty="easy",
            )
        lineage = Lineage(request_id=item[0], mode="skill", index=0, author_model="mock", prompt_version="none")
        return Task(
            id=f"mock-{item[0]}",
            domain="mock",
            image="base",
            difficulty="easy",
            title="",
            instruction=reply.content,
            files=(),
            tests="",
            weights={},
            lineage=lineage,
            usage=reply.usage,
        )

    directory = RunDirectory(load.folder / "run")
    directory.lock()
    log = EventLog(directory.events_path)
    stage = Stage("generate", list_items, get_id, follow_items(work, get_id, log), TASKS, REJECTED, load.in_flight)
    summary = await run_stage(stage, directory, LocalEngine(), log, shard_bytes=256_000_000)
    log.close()
    await teacher.close()
    directory.unlock()
    return summary.accepted


def count_kept(load: Load) -> int:
    """Replies in the cache, by its own count."""
    return measure_store(load.folder / "cache").replies


def count_lines(load: Load) -> int:
    found = 0
    for path in (load.folder / "run" / "tasks").glob("tasks-*.jsonl"):
        with path.open("rb") as lines:
            found += sum(1 for _ in lines)
    return found


def main() -> None:
    load = read_load()
    started = begin()
    accepted = asyncio.run(run(load))
    assert accepted == count_lines(load) == count_kept(load)
    report(load, started, results=accepted)


if __name__ == "__main__":
    main()
