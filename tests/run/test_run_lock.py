"""Who may write at the same time, and what is taken up of those who are gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from terminal_task_gen.errors import Cause, UsageError
from terminal_task_gen.partition import Partition
from terminal_task_gen.run_lock import Writer
from terminal_task_gen.store import REJECTED, TASKS, RunDirectory, open_shard
from terminal_task_gen.task import Rejection


def open_directory(path: Path, index: int, count: int) -> RunDirectory:
    return RunDirectory(path, Writer(f"of{count}", f"p{index}of{count}"))


def make_rejection(item_id: str, cause: Cause = Cause.MERIT) -> Rejection:
    return Rejection(id=item_id, stage="generate", cause=cause, reason="r", evidence="e", domain="security")


def test_every_item_is_one_partitions_whatever_n_is() -> None:
    ids = [f"req-{number}" for number in range(1000)]
    for count in (1, 2, 3, 7):
        takers = [[i for i in range(count) if Partition(i, count).takes(item)] for item in ids]
        assert all(len(one) == 1 for one in takers)
        shares = [sum(one == [i] for one in takers) for i in range(count)]
        assert min(shares) > 0.7 * len(ids) / count


@pytest.mark.parametrize(
    ("text", "says"),
    [("3/3", "one of 0 to 2"), ("1of3", "form i/n"), ("-1/3", "form i/n"), ("0/0", "count from 0"), ("", "form i/n")],
)
def test_a_wrong_partition_is_refused_with_the_remedy(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Partition.parse(text)


def test_partitions_of_one_n_work_side_by_side_and_nobody_else_does(tmp_path: Path) -> None:
    first, second = open_directory(tmp_path, 0, 3), open_directory(tmp_path, 2, 3)
    first.lock()
    second.lock()
    for other in (open_directory(tmp_path, 0, 3), open_directory(tmp_path, 1, 2), RunDirectory(tmp_path)):
        with pytest.raises(UsageError, match="another ttg is writing"):
            other.lock()
    first.unlock()
    with pytest.raises(UsageError, match="another ttg is writing"):
        RunDirectory(tmp_path).lock()
    second.unlock()
    whole = RunDirectory(tmp_path)
    whole.lock()
    with pytest.raises(UsageError, match="another ttg is writing"):
        open_directory(tmp_path, 0, 3).lock()
    whole.unlock()


def test_shards_have_their_writers_name_and_all_are_read(tmp_path: Path) -> None:
    directories = [open_directory(tmp_path, index, 2) for index in range(2)]
    for index, directory in enumerate(directories):
        directory.lock()
        writer = directory.open_writer(REJECTED, max_bytes=10_000)
        writer.write(make_rejection(f"req-{index}"))
        if index == 0:
            writer.close()
    names = [path.name for path in RunDirectory(tmp_path).list_shards(REJECTED)]
    assert names == ["rejected-p0of2-00000.jsonl", "rejected-p1of2-00000.jsonl.part"]
    assert RunDirectory(tmp_path).read_done_ids(TASKS, REJECTED) == {"req-0", "req-1"}
    assert [directory.events_path.name for directory in directories] == ["events-p0of2.jsonl", "events-p1of2.jsonl"]


def test_what_another_n_left_is_sealed_and_what_is_growing_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "tasks"
    folder.mkdir()
    line = make_rejection("req-0").model_dump_json()
    for name in ("rejected-p2of3", "rejected-p0of2", "rejected"):
        (folder / f"{name}-00000.jsonl.part").write_text(f"{line}\n{line[:20]}")
    growing = open_directory(tmp_path, 0, 2)
    growing.lock()
    assert sorted(path.name for path in folder.iterdir()) == [
        "rejected-00000.jsonl",
        "rejected-p0of2-00000.jsonl.part",
        "rejected-p2of3-00000.jsonl",
    ]
    open_directory(tmp_path, 1, 2).lock()
    assert (folder / "rejected-p0of2-00000.jsonl.part").exists(), "its writer is here"
    assert (folder / "rejected-p2of3-00000.jsonl").read_text() == f"{line}\n"


def test_the_last_word_is_the_last_ones(tmp_path: Path) -> None:
    directories = [open_directory(tmp_path, index, 3) for index in range(3)]
    for directory in directories:
        directory.lock()
    said = []
    for directory in directories:
        with directory.say_last_word() as is_last:
            said.append(is_last)
    assert said == [False, False, True]


def test_a_rejection_on_the_merits_is_final_in_whatever_shard_it_stands(tmp_path: Path) -> None:
    for name, cause in (("rejected-p0of2", Cause.MERIT), ("rejected-p2of3", Cause.TEACHER_UNAVAILABLE)):
        (tmp_path / "tasks").mkdir(exist_ok=True)
        shard = tmp_path / "tasks" / f"{name}-00000.jsonl"
        shard.write_text(make_rejection("req-0", cause).model_dump_json() + "\n")
    final = RunDirectory(tmp_path).read_final_rejections(REJECTED, TASKS, Rejection, lambda damage: None)
    assert [one.cause for one in final] == [Cause.MERIT]


def test_a_shard_that_was_sealed_since_it_was_listed_is_found(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    directory.lock()
    writer = directory.open_writer(REJECTED, max_bytes=10_000)
    writer.write(make_rejection("req-0"))
    [listed] = directory.list_shards(REJECTED)
    writer.close()
    assert not listed.exists()
    with open_shard(listed) as lines:
        assert lines.read().count(b"\n") == 1
