"""A run that is being written, killed, cleaned, filtered again: the index follows."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import orjson
import pytest

from terminal_task_gen.errors import Cause
from terminal_task_gen.store import FAILED, REJECTED, TASKS, TRAJECTORIES, Damage, RunDirectory
from terminal_task_gen.task import Refusal, Rejection
from tests.export.samples import make_run, make_sample_task, make_sample_trajectory
from tests.viewer.conftest import Client, open_client

LIST = "api/runs/live/trajectories"


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """An empty run that a `ttg` has just begun."""
    run = RunDirectory(tmp_path / "live")
    run.lock()
    run.write_file(run.identity_path, "{}")
    return run


def reject(number: int, *, cause: Cause = Cause.MERIT, reason: str = "oracle") -> Rejection:
    return Rejection(
        id=f"req-{number:04d}",
        stage="generate",
        cause=cause,
        reason=reason,
        evidence=f"gate {reason}: no",
        domain="security",
        mode="skill",
        difficulty="easy",
        refusals=(Refusal(gate=reason, reasons=(reason,)),),
    )


async def wait_for_total(client: Client, total: int, path: str = LIST) -> None:
    await client.wait_until(f"{path}?limit=0", lambda data: data["total"] == total)


async def test_rows_appear_while_the_run_is_written(run: RunDirectory) -> None:
    """Whole lines of the growing shard count, a torn one does not; sealing changes nothing."""
    writer = run.open_writer(TRAJECTORIES, max_bytes=10_000)
    tasks = run.open_writer(TASKS, max_bytes=10**6)
    rows = []
    async with open_client(run.path) as client:
        assert (await client.get("api/runs"))["runs"][0]["writing"]
        for number in range(12):
            task = make_sample_task(number)
            tasks.write(task)
            rows.append(make_sample_trajectory(task))
            writer.write(rows[-1])
            if number % 4 == 0:
                await wait_for_total(client, number + 1)
        (part,) = (run.path / "trajectories").glob("*.part")
        with part.open("ab") as stream:
            stream.write(orjson.dumps(rows[0].model_dump(mode="json"))[:500])
        await wait_for_total(client, 12)
        ids = [row["id"] for row in (await client.get(LIST))["rows"]]
        assert ids == [row.id for row in rows]
        os.truncate(part, part.stat().st_size - 500)
        tasks.close()
        writer.close()
        run.unlock()
        state = await client.wait_until("api/runs", lambda data: not data["runs"][0]["writing"])
        assert state["runs"][0]["damage"]["lines"] == 0
        for row_id in ids:
            assert (await client.get(f"{LIST}/{row_id}"))["head"]["title"]


async def test_pages_are_told(run: RunDirectory) -> None:
    writer = run.open_writer(TRAJECTORIES, max_bytes=10**6)
    headers = {"Authorization": ""}
    async with open_client(run.path) as client:
        headers["Authorization"] = f"Bearer {client.viewer.token}"
        async with client.session.get(client.viewer.address + "api/events", headers=headers) as stream:
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            assert "Content-Security-Policy" in stream.headers
            told: list[dict[str, object]] = []
            async with asyncio.timeout(20):
                async for line in stream.content:
                    if not line.startswith(b"data: "):
                        continue
                    told.append(orjson.loads(line[6:]))
                    if len(told) == 1:
                        writer.write(make_sample_trajectory(make_sample_task(1)))
                    if told[-1]["counts"]["trajectories"] == 1:  # type: ignore[index]
                        break
            assert told[0]["counts"]["trajectories"] == 0  # type: ignore[index]
            assert told[-1]["revision"] > told[0]["revision"]  # type: ignore[operator]
    writer.close()


async def test_drafts_and_failures_count_once_and_until_they_are_made_good(run: RunDirectory) -> None:
    task = make_sample_task(1)
    trajectory = make_sample_trajectory(task)
    rejected, tasks = run.open_writer(REJECTED, max_bytes=10**6), run.open_writer(TASKS, max_bytes=10**6)
    failed, rolled = run.open_writer(FAILED, max_bytes=10**6), run.open_writer(TRAJECTORIES, max_bytes=10**6)
    rejected.write(reject(1, cause=Cause.TEACHER_UNAVAILABLE, reason="http_500"))
    rejected.write(reject(2, cause=Cause.TEACHER_UNAVAILABLE, reason="http_500"))
    rejected.write(reject(2))
    broken = reject(9, cause=Cause.SANDBOX_FAILED, reason="sandbox_died")
    failed.write(broken.model_copy(update={"id": trajectory.id, "stage": "rollout", "task_id": task.id}))
    async with open_client(run.path) as client:
        funnel = await client.get("api/runs/live/funnel")
        made = {"requests": 2, "tasks": 0, "repaired": 0, "rejected": 1, "owed": 1}
        assert {name: funnel["generate"][name] for name in made} == made
        assert funnel["generate"]["reasons"] == {"http_500": 1, "oracle": 1}
        assert (funnel["rollout"]["owed"], funnel["rollout"]["reasons"]) == (1, {"sandbox_died": 1})
        draft = await client.get("api/runs/live/tasks/req-0002")
        assert draft["state"] == "rejected"
        assert [entry["reason"] for entry in draft["rejections"]] == ["http_500", "oracle"]
        listed = await client.get("api/runs/live/tasks?state=rejected")
        assert [(row["id"], row["reason"], row["gate"]) for row in listed["rows"]] == [("req-0002", "oracle", "oracle")]
        tasks.write(task)
        rolled.write(trajectory)
        await wait_for_total(client, 1)
        funnel = await client.get("api/runs/live/funnel")
        made = {"requests": 2, "tasks": 1, "repaired": 0, "rejected": 1, "owed": 0}
        assert {name: funnel["generate"][name] for name in made} == made
        assert (funnel["rollout"]["attempts"], funnel["rollout"]["owed"]) == (1, 0)
        shown = await client.get(f"api/runs/live/tasks/{task.id}")
        assert [entry["reason"] for entry in shown["rejections"]] == ["http_500"]
        assert [entry["reason"] for entry in shown["failures"]] == ["sandbox_died"]
    for writer in (rejected, tasks, failed, rolled):
        writer.close()


async def test_damaged_lines_are_counted_and_shown_and_the_rest_is_used(tmp_path: Path) -> None:
    run = RunDirectory(make_run(tmp_path, "live"))
    (shard,) = run.list_shards(TRAJECTORIES)
    lines = shard.read_bytes().splitlines(keepends=True)
    bad = [b'{"id": "traj-x", "half\n', b"\n", b"[]\n", b"\xff\xfe\n", b'{"id": 5}\n']
    shard.write_bytes(b"".join([*lines[:3], *bad, *lines[3:]]))
    async with open_client(run.path) as client:
        damage = (await client.get("api/runs"))["runs"][0]["damage"]
        assert damage["lines"] == 5
        assert [entry["offset"] for entry in damage["first"]][:1] == [sum(map(len, lines[:3]))]
        assert damage["first"][0]["why"].startswith("not valid JSON")
        assert (await client.get(LIST))["total"] == 16
        # What `ttg doctor` does: the shard is replaced under the index, which is made anew.
        run.move_out([Damage(shard, number, "bad") for number in range(4, 9)])
        await client.wait_until("api/runs", lambda data: data["runs"][0]["damage"]["lines"] == 0)
        await wait_for_total(client, 16)
        last = (await client.get(f"{LIST}?sort=-order&limit=1"))["rows"][0]["id"]
        await client.wait_until(f"{LIST}/{last}", lambda data: data["id"] == last)


async def test_a_corpus_written_anew_is_read_anew(run: RunDirectory, tmp_path: Path) -> None:
    made = make_run(tmp_path / "other", "live")
    shutil.copytree(made / "tasks", run.path / "tasks", dirs_exist_ok=True)
    shutil.copytree(made / "trajectories", run.path / "trajectories", dirs_exist_ok=True)
    async with open_client(run.path) as client:
        assert (await client.get("api/runs/live/funnel"))["filter"] is None
        assert (await client.get(f"{LIST}?drop=not_filtered"))["total"] == 16
        shutil.copytree(made / "corpus", run.path / "corpus")
        await client.wait_until(f"{LIST}?drop=kept", lambda data: data["total"] == 16)
        shutil.rmtree(run.path / "corpus")
        await client.wait_until(f"{LIST}?drop=kept", lambda data: data["total"] == 0)


async def test_an_index_is_used_again_and_a_broken_one_made_anew(tmp_path: Path) -> None:
    run = make_run(tmp_path, "live")
    async with open_client(run) as client:
        revision = (await client.get(LIST))["revision"]
    async with open_client(run) as client:
        assert (await client.get(LIST))["revision"] == revision
        (index,) = (tmp_path / ".cache" / "view").glob("live-*/index.sqlite")
    index.write_bytes(b"no database at all" * 1_000)
    async with open_client(run) as client:
        await wait_for_total(client, 16)


async def test_two_servers_share_one_index(tmp_path: Path) -> None:
    run = make_run(tmp_path, "live")
    async with open_client(run) as first, open_client(run) as second:
        assert (await first.get(LIST))["rows"] == (await second.get(LIST))["rows"]


async def test_duplicates_among_the_tasks_are_a_state_and_a_view(run: RunDirectory) -> None:
    """The file that lists them is written anew as a whole."""
    tasks = [make_sample_task(number) for number in range(4)]
    writer = run.open_writer(TASKS, max_bytes=10**6)
    for task in tasks:
        writer.write(task)
    writer.close()

    def name_duplicates(*numbers: int) -> None:
        rows = [
            reject(number, reason="duplicate").model_copy(
                update={"task_id": tasks[number].id, "evidence": f"near to {tasks[0].id}"}
            )
            for number in numbers
        ]
        path = run.path / "tasks" / "duplicates-00000.jsonl"
        run.write_file(path, "".join(f"{row.model_dump_json()}\n" for row in rows))

    name_duplicates(1, 3)
    items = "api/runs/live/tasks"
    async with open_client(run.path) as client:
        await client.wait_until(f"{items}?state=duplicate", lambda data: data["total"] == 2)
        row = (await client.get(f"{items}?state=duplicate"))["rows"][0]
        assert row["evidence"] == f"near to {tasks[0].id}" and row["id"] in (tasks[1].id, tasks[3].id)
        page = await client.get(f"{items}/{tasks[1].id}")
        assert (page["state"], page["title"]) == ("duplicate", tasks[1].title)
        generated = (await client.get("api/runs/live/funnel"))["generate"]
        assert (generated["tasks"], generated["duplicates"], generated["rejected"]) == (4, 2, 0)
        name_duplicates(3)
        await client.wait_until(f"{items}?state=duplicate", lambda data: data["total"] == 1)
        assert (await client.get(f"{items}/{tasks[1].id}"))["state"] == "task"
