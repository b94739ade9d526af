"""The run directory: whole lines, torn tails, damage, sealing, locks, disks that refuse."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from terminal_task_gen.errors import Cause, UsageError
from terminal_task_gen.records import Record
from terminal_task_gen.store import FAILED, REJECTED, TASKS, TRAJECTORIES, Damage, RunDirectory, ShardWriter
from terminal_task_gen.task import Rejection


class Row(Record):
    id: str
    text: str = ""


def make_rejection(item_id: str, cause: Cause) -> Rejection:
    return Rejection(id=item_id, stage="generate", cause=cause, reason="r", evidence="e", domain="security")


def test_shards_rotate_by_size_and_are_sealed_by_rename(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, "rows", max_bytes=40)
    for number in range(3):
        writer.write(Row(id=f"r{number}", text="x" * 30))
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"rows-0000{n}.jsonl" for n in range(3)]
    writer.write(Row(id="r3"))
    assert (tmp_path / "rows-00003.jsonl.part").exists()
    writer.close()
    writer.close()
    assert not list(tmp_path.glob("*.part"))
    assert (tmp_path / "rows-00003.jsonl").read_text() == '{"id":"r3","text":""}\n'


def test_a_torn_tail_is_cut_and_the_part_taken_up(tmp_path: Path) -> None:
    (tmp_path / "rows-00000.jsonl.part").write_bytes(b'{"id":"a","text":""}\n{"id":"b","te')
    writer = ShardWriter(tmp_path, "rows")
    writer.write(Row(id="c"))
    writer.close()
    lines = b"".join(p.read_bytes() for p in sorted(tmp_path.iterdir())).splitlines()
    assert lines == [b'{"id":"a","text":""}', b'{"id":"c","text":""}']


def test_a_part_that_is_one_long_torn_line_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "rows-00000.jsonl.part").write_bytes(b"x" * 200_000)
    ShardWriter(tmp_path, "rows").close()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_middle_line_is_named_and_the_rest_used(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.lock()
    shard = tmp_path / "tasks" / "rejected-00000.jsonl"
    good = [make_rejection(f"req-{n}", Cause.MERIT).model_dump_json() for n in range(2)]
    shard.write_text(f"{good[0]}\n{{broken\n{good[1]}\n")
    damages: list[Damage] = []
    records = list(run.read_records(REJECTED, Rejection, damages.append))
    assert [record.id for record in records] == ["req-0", "req-1"]
    assert [(d.path, d.line_number) for d in damages] == [(shard, 2)]
    assert "not valid JSON" in str(damages[0])
    assert run.read_done_ids(TASKS, REJECTED) == {"req-0", "req-1"}
    found = run.find_damage(REJECTED, Rejection)
    assert [d.line_number for d in found] == [2]
    assert run.move_out(found).read_text() == "# rejected-00000.jsonl line 2\n{broken\n"
    assert shard.read_text() == f"{good[0]}\n{good[1]}\n"
    assert run.find_damage(REJECTED, Rejection) == []
    run.unlock()


def test_passing_causes_are_owed_again_and_merits_are_not(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.lock()
    writer = run.open_writer(FAILED, max_bytes=1000)
    writer.write(make_rejection("t-merit", Cause.MERIT))
    writer.write(make_rejection("t-down", Cause.TEACHER_UNAVAILABLE))
    writer.write(make_rejection("t-dead", Cause.SANDBOX_FAILED))
    writer.close()
    assert run.read_done_ids(TRAJECTORIES, FAILED) == {"t-merit"}
    run.unlock()


def test_only_the_last_rejection_of_an_item_counts(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.lock()
    writer = run.open_writer(REJECTED, max_bytes=1000)
    writer.write(make_rejection("req-1", Cause.TEACHER_UNAVAILABLE))
    writer.write(make_rejection("req-1", Cause.MERIT))
    writer.close()
    final = run.read_final_rejections(REJECTED, TASKS, Rejection, lambda damage: None)
    assert [(r.id, r.cause) for r in final] == [("req-1", Cause.MERIT)]
    run.unlock()


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    first, second = RunDirectory(tmp_path), RunDirectory(tmp_path)
    first.lock()
    with pytest.raises(UsageError, match="another ttg is writing"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


FILL_DISK = """
import sys
from pathlib import Path
from terminal_task_gen.records import Record
from terminal_task_gen.store import ShardWriter
from terminal_task_gen.errors import UsageError

class Row(Record):
    id: str
    text: str

writer = ShardWriter(Path(sys.argv[1]), "rows")
try:
    for number in range(1000):
        writer.write(Row(id=str(number), text="x" * 3000))
except UsageError as error:
    sys.exit(f"refused: {error}")
"""


@pytest.mark.bubblewrap
def test_a_full_disk_leaves_only_whole_lines(tmp_path: Path) -> None:
    """A real full disk: a tmpfs of 64 kB in a mount namespace; the shard is read back from inside it."""
    script = tmp_path / "fill.py"
    script.write_text(FILL_DISK)
    command = f"{sys.executable} {script} /mnt; cat /mnt/rows-*"
    result = subprocess.run(
        ["bwrap", "--dev-bind", "/", "/", "--size", "65536", "--tmpfs", "/mnt", "sh", "-c", command],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    assert b"refused: disk full while writing /mnt/rows-00000.jsonl.part" in result.stderr
    lines = result.stdout.splitlines(keepends=True)
    assert 10 < len(lines) < 30
    assert all(line.endswith(b'x"}\n') for line in lines)
