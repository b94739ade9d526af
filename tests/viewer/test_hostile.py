"""Runs whose rows mean harm: everything comes back as data, nothing is large, nothing breaks the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from terminal_task_gen.store import RunDirectory
from terminal_task_gen.viewer.cuts import cut_text
from tests.export.samples import make_run, make_sample_task, make_sample_trajectory
from tests.viewer.conftest import open_client

LIST = "api/runs/hostile/trajectories"
NASTY = "<script>alert(1)</script>\x1b]0;owned\x07\x1b[2J\u202e\u2066\x00\r\n${7*7}{{7*7}}'\";--"


def spoil(value: Any) -> Any:
    """Every text of a row with something nasty in front."""
    if isinstance(value, str):
        return NASTY + value
    if isinstance(value, list):
        return [spoil(entry) for entry in value]
    return {key: spoil(entry) for key, entry in value.items()} if isinstance(value, dict) else value


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "hostile")
    run.lock()
    run.unlock()
    run.write_file(run.identity_path, orjson.dumps({"run_id": NASTY, "created": 5}).decode())
    return run


def write(run: RunDirectory, folder: str, rows: list[Any]) -> None:
    path = run.path / folder / f"{folder}-00000.jsonl"
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


async def test_nasty_text_comes_back_as_it_is(run: RunDirectory) -> None:
    task, trajectory = make_sample_task(1), make_sample_trajectory(make_sample_task(1))
    spoilt = spoil(task.model_dump(mode="json"))
    rolled = spoil(trajectory.model_dump(mode="json"))
    rolled["messages"] = [{**m, "role": m["role"].removeprefix(NASTY)} for m in rolled["messages"]]
    write(run, "tasks", [spoilt])
    write(run, "trajectories", [{**rolled, "task_id": spoilt["id"]}])
    async with open_client(run.path) as client:
        assert (await client.get("api/runs"))["runs"][0]["run_id"] == NASTY
        (head,) = (await client.get(LIST))["rows"]
        assert head["domain"] == NASTY + task.domain and head["title"] == NASTY + task.title
        assert (await client.get(LIST, params={"domain": NASTY + task.domain}))["total"] == 1
        assert (await client.get(LIST, params={"q": 'alert "script alert"'}))["total"] == 1
        found = await client.get(LIST, params={"q": NASTY})
        assert found["total"] <= 1
        shown = await client.get(f"{LIST}/{quote(head['id'], safe='')}")
        assert shown["turns"][0]["reply"]["text"].startswith(NASTY)
        answer = await client.ask(f"{LIST}/{quote(head['id'], safe='')}/recording")
        assert answer.status == 404
        page = await client.get(f"api/runs/hostile/tasks/{quote(spoilt['id'], safe='')}")
        assert page["instruction"]["text"].startswith(NASTY)


async def test_a_line_of_50_mb_is_cut_and_can_be_asked_for_in_part(run: RunDirectory) -> None:
    row = make_sample_trajectory(make_sample_task(1)).model_dump(mode="json")
    row["steps"][0]["observation"] = "ä" * 25_000_000
    row["verdict"]["log"] = "x\n" * 100_000
    write(run, "trajectories", [row, {**row, "id": "traj-after", "steps": []}])
    async with open_client(run.path) as client:
        answer = await client.ask(f"{LIST}/{row['id']}")
        screen = answer.data["turns"][0]["screen"]
        assert len(screen["text"].encode()) + screen["more_bytes"] == 50_000_000
        assert len(screen["text"].encode()) == 20_000
        assert int(answer.headers["Content-Length"]) < 200_000
        more = await client.get(f"{LIST}/{row['id']}?turn=1&text_bytes=2000000")
        assert len(more["turns"][0]["screen"]["text"]) == 1_000_000
        assert (await client.get(f"{LIST}/traj-after"))["turns"] == []
        same = await client.get(f"api/runs/hostile/diff?left={row['id']}&right={row['id']}")
        assert [turn["op"] for turn in same["turns"]] == ["equal", "equal"]


async def test_a_line_too_long_to_be_read_is_damage(run: RunDirectory) -> None:
    good = orjson.dumps(make_sample_trajectory(make_sample_task(1)).model_dump(mode="json")) + b"\n"
    with (run.path / "trajectories" / "trajectories-00000.jsonl").open("wb") as stream:
        stream.write(b'{"id": "traj-0", "x": "')
        stream.seek(65_000_000, 1)  # a hole: zeros that take no space
        stream.write(b'"}\n' + good)
    async with open_client(run.path) as client:
        damage = (await client.get("api/runs"))["runs"][0]["damage"]
        assert damage["lines"] == 1 and damage["first"][0]["why"] == "too long to be read (65 MB)"
        assert (await client.get(LIST))["total"] == 1


async def test_many_texts_together_stay_within_an_answer(run: RunDirectory) -> None:
    row = make_sample_trajectory(make_sample_task(1)).model_dump(mode="json")
    step = {**row["steps"][0], "observation": "y" * 30_000}
    row["steps"] = [{**step, "turn": n} for n in range(1, 1_200)]
    write(run, "trajectories", [row])
    async with open_client(run.path) as client:
        answer = await client.ask(f"{LIST}/{row['id']}")
        assert int(answer.headers["Content-Length"]) < 10_000_000
        assert len(answer.data["turns"]) == 1_000 and answer.data["turns_cut"] == 199
        assert (await client.get(f"{LIST}/{row['id']}?turn=1199"))["turns"][0]["turn"] == 1_199


STRANGE: tuple[object, ...] = (None, 5, "text", [], {}, [None, 5, "x", [], {}], 1e308, -1, True)


async def test_fields_of_any_type_break_nothing(run: RunDirectory) -> None:
    """Each field in turn, and each field of its objects, is something else than it should be."""
    task, row = (
        record.model_dump(mode="json") for record in (make_sample_task(1), make_sample_trajectory(make_sample_task(1)))
    )
    rolled = bend(row)
    rolled += [{**row, "id": f"verdict-{part.pop('id')}", "verdict": part} for part in bend(row["verdict"])]
    rolled += [{**row, "id": f"step-{part.pop('id')}", "steps": [part]} for part in bend(row["steps"][0])]
    write(run, "trajectories", rolled)
    write(run, "tasks", bend(task))
    async with open_client(run.path) as client:
        for path, written in ((LIST, rolled), ("api/runs/hostile/tasks", bend(task))):
            rows = (await client.get(f"{path}?limit=500"))["rows"]
            assert len(rows) == len(written) > 100
            for shown in rows:
                assert (await client.ask(f"{path}/{shown['id']}")).status == 200, shown["id"]
        await client.get("api/runs/hostile/funnel")
        for shown in rolled[::7]:
            await client.get(f"api/runs/hostile/diff?left={rolled[0]['id']}&right={shown['id']}")


def bend(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {**row, name: value, "id": f"bent-{name}-{number}"}
        for name in row
        if name != "id"
        for number, value in enumerate(STRANGE)
    ]


async def test_a_strange_report_and_notes_break_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path, "hostile", tasks=2)
    async with open_client(run) as client:
        for text in ("[]", "{", '{"filtered": 5}', '{"filtered": {"rules": [5, {"rule": []}]}}'):
            (run / "corpus" / "report.json").write_text(text)
            assert (await client.get("api/runs/hostile/funnel"))["filter"]["kept"] == 2


async def test_a_recording_that_is_none_is_no_recording(run: RunDirectory) -> None:
    rows = [make_sample_trajectory(make_sample_task(number)) for number in range(4)]
    write(run, "trajectories", [row.model_dump(mode="json") for row in rows])
    secret = run.path / "secret"
    secret.write_text("{}")
    (run.recordings_dir / f"{rows[0].id}.cast").write_bytes(b"\xff\x00 no json")
    (run.recordings_dir / f"{rows[1].id}.cast").symlink_to(secret)
    (run.recordings_dir / f"{rows[2].id}.cast").write_text(
        '{"version": 2}\n[1]\n["x", "o", 5]\n[1e999, "o", "x"]\nnull\n'
    )
    (run.recordings_dir / f"{rows[3].id}.cast").mkdir()
    async with open_client(run.path) as client:
        for row in (rows[0], rows[1], rows[3]):
            assert (await client.get(f"{LIST}/{row.id}"))["recording"] is None
        assert (await client.get(f"{LIST}/{rows[2].id}"))["recording"]["columns"] == 0
        assert (await client.ask(f"{LIST}/{rows[1].id}/recording")).status == 404


def test_cutting_never_splits_a_character() -> None:
    for limit in range(12):
        shown, more_bytes = cut_text("aä€𝄞z", limit)
        assert len(shown.encode()) <= limit and "aä€𝄞z".startswith(shown)
        assert len(shown.encode()) + more_bytes == len("aä€𝄞z".encode())
