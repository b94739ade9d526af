"""Notes and labels: saved beside the run, a facet, and there again after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from tests.export.samples import make_run
from tests.viewer.conftest import Client, open_client

RUN = "api/runs/noted"


async def put(client: Client, row_id: str, **note: object) -> Any:
    answer = await client.ask(f"{RUN}/notes/{row_id}", method="PUT", json=note)
    return answer.data if answer.status == 200 else (answer.status, answer.data["error"]["message"])


async def test_notes_survive_a_restart_and_labels_are_a_facet(tmp_path: Path) -> None:
    run = make_run(tmp_path, "noted")
    async with open_client(run) as client:
        rows = (await client.get(f"{RUN}/trajectories"))["rows"]
        first, second = rows[0]["id"], rows[1]["id"]
        saved = await put(client, first, labels=["look", "look", " bug "], text="see turn 2")
        assert saved["labels"] == ["look", "bug"] and saved["updated"]
        await put(client, second, labels=["look"], text="")
        await put(client, rows[0]["task_id"], labels=["hard"], text="<script>alert(1)</script>")
    assert [orjson.loads(line)["id"] for line in (run / "notes.jsonl").read_bytes().splitlines()][:1] == [first]
    async with open_client(run) as client:
        found = await client.get(f"{RUN}/trajectories?label=look")
        assert {row["id"] for row in found["rows"]} == {first, second}
        assert found["facets"]["label"][0] == {"value": "(any note)", "count": 2, "chosen": False}
        assert (await client.get(f"{RUN}/tasks?label=hard"))["total"] == 1
        assert (await client.get(f"{RUN}/notes/{first}"))["text"] == "see turn 2"
        assert (await client.get(f"{RUN}/trajectories/{first}"))["note"]["labels"] == ["look", "bug"]
        notes = await client.get(f"{RUN}/notes")
        assert notes["labels"] == {"bug": 1, "hard": 1, "look": 2} and len(notes["notes"]) == 3
        await put(client, first, labels=[], text="  ")
        assert (await client.get(f"{RUN}/trajectories?label=look"))["total"] == 1


async def test_notes_written_by_another_program_are_seen_and_strange_lines_kept(tmp_path: Path) -> None:
    run = make_run(tmp_path, "noted")
    async with open_client(run) as client:
        rows = (await client.get(f"{RUN}/trajectories"))["rows"]
        line = {"id": rows[0]["id"], "labels": ["theirs"], "text": "", "updated": None}
        (run / "notes.jsonl").write_bytes(b"what is this\n" + orjson.dumps(line) + b"\n")
        assert (await client.get(f"{RUN}/trajectories?label=theirs"))["total"] == 1
        await put(client, rows[1]["id"], labels=["ours"], text="")
    assert (run / "notes.jsonl").read_bytes().startswith(b"what is this\n")


async def test_a_note_out_of_bounds_is_refused(tmp_path: Path) -> None:
    refused: tuple[tuple[str, dict[str, object]], ...] = (
        ("labels", {"labels": [""], "text": ""}),
        ("labels", {"labels": ["x" * 61], "text": ""}),
        ("labels", {"labels": ["a\nb"], "text": ""}),
        ("labels", {"labels": [str(n) for n in range(21)], "text": ""}),
        ("text", {"labels": [], "text": "x" * 20_001}),
        ("colour", {"labels": [], "text": "", "colour": "red"}),
    )
    run = make_run(tmp_path, "noted", tasks=1)
    async with open_client(run) as client:
        row_id = (await client.get(f"{RUN}/trajectories"))["rows"][0]["id"]
        for named, note in refused:
            status, message = await put(client, row_id, **note)
            assert status == 400 and str(message).startswith(named)
    assert not (run / "notes.jsonl").exists()


async def test_bodies_that_are_no_notes_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, "noted", tasks=1)
    async with open_client(run) as client:
        row_id = (await client.get(f"{RUN}/trajectories"))["rows"][0]["id"]
        path = f"{RUN}/notes/{row_id}"
        plain = {"Content-Type": "text/plain"}
        assert (await client.ask(path, method="PUT", data=b"{}", headers=plain)).status == 400
        typed = {"Content-Type": "application/json"}
        assert (await client.ask(path, method="PUT", data=b"{", headers=typed)).status == 400
        assert (await client.ask(path, method="PUT", data=b" " * 300_000, headers=typed)).status == 413
        assert (await client.ask(f"{RUN}/notes/traj-0", method="PUT", data=b"{}", headers=typed)).status == 404


async def test_notes_that_cannot_be_saved_say_so_and_why(tmp_path: Path) -> None:
    run = make_run(tmp_path, "noted", tasks=1)
    (run / "notes.jsonl").mkdir()
    async with open_client(run) as client:
        row_id = (await client.get(f"{RUN}/trajectories"))["rows"][0]["id"]
        status, message = await put(client, row_id, labels=["x"], text="")
        assert status == 409 and "notes.jsonl" in str(message)
        assert not list(run.glob(".notes-*"))
