"""Two machines and one URL, without a server: what goes where, and that no row is lost or doubled by it."""

from __future__ import annotations

import uuid
from pathlib import Path

import orjson
import pytest

from terminal_task_gen.errors import Cause, UsageError
from terminal_task_gen.mirror.remote import RemoteFolder
from terminal_task_gen.mirror.run_mirror import RunMirror
from terminal_task_gen.places import JOURNAL
from terminal_task_gen.store import FAILED, REJECTED, TASKS, TRAJECTORIES, RunDirectory, Sealing
from terminal_task_gen.task import Rejection


@pytest.fixture
def url() -> str:
    return f"memory://runs/{uuid.uuid4().hex}"


class Machine:
    """A staging folder and what was told of it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.remote = RemoteFolder(url)
        self.folder = folder
        self.told: list[str] = []
        self.directory = RunDirectory(folder)
        self.directory.lock()

    def mirror(self) -> RunMirror:
        """As a new process has it: of what is on disk alone."""
        return RunMirror(self.directory, self.remote, self.told.append)

    def write(self, *ids: str, cause: Cause = Cause.MERIT) -> None:
        """A sealed shard of rejections."""
        writer = self.directory.open_writer(REJECTED, max_bytes=10_000)
        for one in ids:
            writer.write(make(one, cause))
        writer.close()

    def read_ids(self) -> list[str]:
        found: list[str] = []
        for record in self.directory.read_records(REJECTED, Rejection, lambda damage: None):
            found.append(record.id)
        return found


def make(item_id: str, cause: Cause = Cause.MERIT) -> Rejection:
    return Rejection(id=item_id, stage="generate", cause=cause, reason="r", evidence="e", domain="security")


@pytest.fixture
def machines(tmp_path: Path, url: str) -> tuple[Machine, Machine]:
    return Machine(tmp_path / "a", url), Machine(tmp_path / "b", url)


def test_only_sealed_shards_go_there_and_come_whole(machines: tuple[Machine, Machine]) -> None:
    here, there = machines
    here.write("r1", "r2")
    growing = here.directory.open_writer(REJECTED, max_bytes=10_000)
    growing.write(make("r3"))
    here.mirror().push(last=False)
    assert list(here.remote.list_sizes("tasks")) == ["tasks/rejected-00000.jsonl"]
    growing.close()
    here.mirror().push(last=False)
    there.mirror().pull(settle=True)
    assert there.read_ids() == ["r1", "r2", "r3"]
    assert there.directory.read_done_ids(TASKS, REJECTED) == {"r1", "r2", "r3"}
    assert there.mirror().measure_pending().files == 0


def test_rows_made_elsewhere_meanwhile_are_dropped_here_and_the_rest_is_kept(
    machines: tuple[Machine, Machine],
) -> None:
    """A machine dies with two shards it had not uploaded, another does the work, and the first comes back."""
    first, second = machines
    first.write("r1")
    first.mirror().push(last=False)
    first.write("r2", "only-here")
    (first.folder / "tasks" / "rejected-00002.jsonl.part").write_bytes(
        make("r3").model_dump_json().encode() + b'\n{"id":"torn'
    )
    second.mirror().pull(settle=True)
    second.write("r2", "r3", "r4")
    second.mirror().push(last=False)

    first.mirror().pull(settle=True)
    first.mirror().push(last=False)
    assert sorted(first.read_ids()) == ["only-here", "r1", "r2", "r3", "r4"]
    assert any("2 rows of an earlier start here were made elsewhere" in text for text in first.told)
    second.mirror().pull(settle=True)
    assert sorted(second.read_ids()) == ["only-here", "r1", "r2", "r3", "r4"]


def test_an_owed_row_of_elsewhere_does_not_cost_the_finished_one_here(machines: tuple[Machine, Machine]) -> None:
    first, second = machines
    second.write("r1", cause=Cause.TEACHER_UNAVAILABLE)
    second.mirror().push(last=False)
    first.write("r1")
    first.mirror().pull(settle=True)
    assert first.directory.read_done_ids(TASKS, REJECTED) == {"r1"}


def test_a_kill_between_upload_and_journal_doubles_nothing(machines: tuple[Machine, Machine]) -> None:
    here, _ = machines
    here.write("r1")
    here.mirror().push(last=False)
    (here.folder / JOURNAL).write_text("{torn")
    here.mirror().pull(settle=True)
    here.mirror().push(last=False)
    assert here.read_ids() == ["r1"]
    assert list(here.remote.list_sizes("tasks")) == ["tasks/rejected-00000.jsonl"]


def test_shards_that_are_gone_there_are_uploaded_again(machines: tuple[Machine, Machine]) -> None:
    here, _ = machines
    here.write("r1")
    here.mirror().push(last=False)
    here.remote.remove(["tasks/rejected-00000.jsonl"])
    here.mirror().pull(settle=True)
    here.mirror().push(last=False)
    assert list(here.remote.list_sizes("tasks")) == ["tasks/rejected-00000.jsonl"]
    assert "will be uploaded again: tasks/rejected-00000.jsonl" in here.told[0]


def test_a_mended_shard_replaces_the_one_there_and_then_the_one_elsewhere(machines: tuple[Machine, Machine]) -> None:
    first, second = machines
    first.write("r1", "r2")
    first.mirror().push(last=False)
    second.mirror().pull(settle=True)
    shard = first.folder / "tasks" / "rejected-00000.jsonl"
    shard.write_bytes(shard.read_bytes().splitlines(keepends=True)[0])
    first.mirror().pull(settle=True)
    first.mirror().push(last=False)
    second.mirror().pull(settle=True)
    assert first.read_ids() == second.read_ids() == ["r1"]


def test_the_newer_configuration_counts_and_of_two_the_one_there(machines: tuple[Machine, Machine]) -> None:
    first, second = machines
    config = {machine: machine.directory.config_path for machine in machines}
    config[first].write_text("name: one\n")
    first.mirror().push(last=False)
    second.mirror().pull(settle=True)
    config[second].write_text("name: two\n")
    second.mirror().pull(settle=True)
    assert config[second].read_text() == "name: two\n"
    second.mirror().push(last=False)
    first.mirror().pull_identity()
    assert config[first].read_text() == "name: two\n"
    config[first].write_text("name: three\n")
    first.mirror().push(last=False)
    config[second].write_text("name: four\n")
    second.mirror().pull(settle=True)
    assert config[second].read_text() == "name: three\n"
    assert "config.yaml was changed both here and at" in second.told[-1]


def test_another_run_of_the_name_is_refused(machines: tuple[Machine, Machine]) -> None:
    first, second = machines
    first.directory.identity_path.write_bytes(orjson.dumps({"run_id": "one"}))
    first.mirror().push(last=False)
    second.directory.identity_path.write_bytes(orjson.dumps({"run_id": "two"}))
    with pytest.raises(UsageError, match="holds another run than its staging folder"):
        second.mirror().pull(settle=True)
    with pytest.raises(UsageError, match="another ttg writes there"):
        second.mirror().push(last=False)


def test_two_that_begin_a_run_together_take_one_word_for_what_it_is(machines: tuple[Machine, Machine]) -> None:
    first, second = machines
    first.directory.identity_path.write_bytes(orjson.dumps({"run_id": "one", "created": "2026-01-01"}))
    second.directory.identity_path.write_bytes(orjson.dumps({"run_id": "one", "created": "2026-01-02"}))
    first.mirror().push(last=False)
    second.mirror().push(last=False)
    assert second.directory.identity_path.read_bytes() == first.directory.identity_path.read_bytes()


def test_recordings_are_there_before_their_trajectory(machines: tuple[Machine, Machine]) -> None:
    here, _ = machines
    for name in ("t1.cast", "t2.cast", "t3.cast.part"):
        (here.directory.recordings_dir / name).write_text("{}")
    writer = here.directory.open_writer(FAILED, max_bytes=10_000)
    writer.write(make("t1"))
    writer.close()
    here.mirror().push(last=True)
    assert list(here.remote.list_sizes("recordings")) == ["recordings/t1.cast"]


def write_corpus(machine: Machine, **files: str) -> None:
    folder = machine.directory.corpus_dir
    for name, text in {"manifest.json": "{}", **{f"{name}.jsonl": text for name, text in files.items()}}.items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text if name != "manifest.json" else orjson.dumps(files).decode())


def test_a_corpus_is_replaced_as_a_whole_and_a_cut_off_one_is_none(machines: tuple[Machine, Machine]) -> None:
    first, second = machines
    write_corpus(first, old="1", kept="2")
    first.mirror().push(last=True)
    second.mirror().pull_corpus()
    (first.directory.corpus_dir / "old.jsonl").unlink()
    write_corpus(first, kept="3")
    first.mirror().push(last=True)
    assert sorted(first.remote.list_sizes("corpus")) == ["corpus/kept.jsonl", "corpus/manifest.json"]
    second.mirror().pull(settle=True)
    assert sorted(path.name for path in second.directory.corpus_dir.iterdir()) == ["kept.jsonl", "manifest.json"]
    assert (second.directory.corpus_dir / "kept.jsonl").read_text() == "3"

    first.remote.remove(["corpus/manifest.json"])
    third = Machine(first.folder.with_name("c"), first.remote.url)
    third.mirror().pull_corpus()
    assert not third.directory.corpus_dir.exists()


def test_keys_that_lead_out_of_the_folder_are_left_alone(machines: tuple[Machine, Machine], tmp_path: Path) -> None:
    here, _ = machines
    here.remote.write("images/x/../../../escaped", b"!")
    here.remote.write("images/fine.json", b"{}")
    here.mirror().pull(settle=True)
    assert (here.folder / "images" / "fine.json").is_file()
    assert not list(tmp_path.rglob("escaped"))


def test_shards_are_sealed_by_rows_and_by_age(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    directory.lock()
    directory.sealing = Sealing(max_rows=2, max_age_sec=0.0)
    writer = directory.open_writer(TRAJECTORIES, max_bytes=1_000_000)
    for number in range(3):
        writer.write(make(f"t{number}"))
    assert [path.name for path in directory.list_shards(TRAJECTORIES)] == [
        "trajectories-00000.jsonl",
        "trajectories-00001.jsonl.part",
    ]
    directory.seal_old_shards()
    assert not list(tmp_path.rglob("*.part"))
    directory.seal_old_shards()
    writer.close()
