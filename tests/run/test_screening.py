"""What tasks are compared with: the user's corpora and benchmarks beforehand, the run's own tasks afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from terminal_task_gen.config import Config, GateConfig, GenerateConfig
from terminal_task_gen.engine.local import LocalEngine
from terminal_task_gen.errors import UsageError
from terminal_task_gen.events import Event, Notice
from terminal_task_gen.pipeline.opening import OpenRun
from terminal_task_gen.pipeline.screening import digest_screened, make_screens, write_duplicates
from terminal_task_gen.store import DUPLICATES, TASKS, RunDirectory
from terminal_task_gen.task import Lineage, Task

PUMPS = (
    "The district water works keep a log of every pump in /app/pumps.log. Work out for each pump how long it ran dry, "
    "and write /app/out/dry.csv with the columns pump and minutes, the longest first, ties by name."
)
PUMPS_AGAIN = PUMPS.replace("water works", "water board").replace("ties", "equal ones")
BELLS = (
    "A bell foundry has tuned five bells against a fork that was off. Correct the strike notes in /app/notes.json by "
    "the ratio given in /app/fork.txt and report bells that are now out of tolerance in /app/out/recast.txt, sorted."
)


def make_task(index: int, instruction: str, mode: str = "skill") -> Task:
    return Task.model_validate(
        {
            "id": f"task-{mode}-{index}",
            "domain": "d",
            "image": "d",
            "difficulty": "easy",
            "title": "t",
            "instruction": instruction,
            "files": (),
            "tests": "",
            "weights": {},
            "lineage": Lineage(
                request_id=f"req-{mode}-{index}", mode=mode, index=index, author_model="m", prompt_version="1"
            ),
        }
    )


def open_run(folder: Path, tasks: list[Task], **gates: float | None) -> tuple[OpenRun, list[Event]]:
    directory = RunDirectory(folder)
    directory.lock()
    writer = directory.open_writer(TASKS, max_bytes=1_000)
    for task in tasks:
        writer.write(task)
    writer.close()
    events: list[Event] = []
    config = Config(generate=GenerateConfig(gates=GateConfig.model_validate(gates)))
    return OpenRun(config, directory, LocalEngine(), events.append, {}), events


def test_of_near_duplicates_the_earlier_request_stays_whoever_was_quicker(tmp_path: Path) -> None:
    tasks = [make_task(0, BELLS), make_task(1, PUMPS), make_task(1, PUMPS_AGAIN, "seed"), make_task(2, PUMPS)]
    written = []
    for number, order in enumerate(([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1])):
        run, events = open_run(tmp_path / str(number), [tasks[n] for n in order])
        write_duplicates(run)
        (path,) = run.directory.list_shards(DUPLICATES)
        written.append(path.read_bytes())
        assert {task.id for task in run.read_tasks()} == {"task-skill-0", "task-seed-1"}
        assert any(isinstance(event, Notice) and event.text.startswith("2 tasks are near-dup") for event in events)
    assert len(set(written)) == 1
    rows = [json.loads(line) for line in written[0].splitlines()]
    assert [(row["id"], row["reason"]) for row in rows] == [("req-skill-1", "duplicate"), ("req-skill-2", "duplicate")]
    assert "of its word triples are those of task-seed-1" in rows[0]["evidence"]


def test_the_last_word_replaces_the_one_before(tmp_path: Path) -> None:
    run, _ = open_run(tmp_path, [make_task(0, BELLS), make_task(5, PUMPS), make_task(7, PUMPS_AGAIN)])
    write_duplicates(run)
    assert [row.task_id for row in run.read_duplicates()] == ["task-skill-7"]
    # A request that was owed comes in at last, and comes first.
    writer = run.directory.open_writer(TASKS, max_bytes=1_000)
    writer.write(make_task(2, PUMPS))
    writer.close()
    write_duplicates(run)
    assert [row.task_id for row in run.read_duplicates()] == ["task-skill-5", "task-skill-7"]


def test_without_duplicates_or_switched_off_there_is_no_file(tmp_path: Path) -> None:
    for name, limit in (("a", 0.95), ("b", None)):
        run, events = open_run(tmp_path / name, [make_task(0, PUMPS), make_task(1, PUMPS_AGAIN)], max_likeness=limit)
        write_duplicates(run)
        assert not run.directory.list_shards(DUPLICATES)
        assert not events


def test_given_corpora_are_files_or_whole_runs(tmp_path: Path) -> None:
    other, _ = open_run(tmp_path / "other-run", [make_task(0, PUMPS)])
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text(json.dumps({"id": "b7", "instruction": BELLS}) + "\n")
    screen = make_screens(GateConfig(corpora=(other.directory.path, corpus))).duplicate
    assert screen is not None
    assert "other-run task-skill-0" in (screen(PUMPS_AGAIN) or "")
    assert "corpus b7" in (screen(BELLS.upper()) or "")
    assert screen("Count the vowels in /app/poem.txt and write their number to /app/out/vowels.txt.") is None


def test_benchmarks_are_sought_word_by_word(tmp_path: Path) -> None:
    bench = tmp_path / "bench.jsonl"
    bench.write_text(json.dumps({"task": "secret-name", "instruction": PUMPS}) + "\n")
    screen = make_screens(GateConfig(benchmarks=(bench,), ngram=10)).contamination
    assert screen is not None
    found = screen(f"{BELLS} Keep a log of every pump in /app/pumps.log. Work out for each pump it all.")
    assert found is not None
    assert "bench" in found
    assert "secret-name" not in found
    assert screen(BELLS) is None


def test_nothing_given_nothing_asked(tmp_path: Path) -> None:
    screens = make_screens(GateConfig())
    assert (screens.duplicate, screens.contamination) == (None, None)
    with pytest.raises(UsageError, match=r"generate.gates: cannot read .*nowhere.*check corpora and benchmarks"):
        make_screens(GateConfig(benchmarks=(tmp_path / "nowhere.jsonl",)))


def test_other_contents_are_another_run(tmp_path: Path) -> None:
    bench = tmp_path / "bench.jsonl"
    digests = []
    for text in (PUMPS, BELLS):
        bench.write_text(json.dumps({"instruction": text}) + "\n")
        digests.append(digest_screened(GateConfig(benchmarks=(bench,))))
    assert digests[0]["gate benchmarks"] != digests[1]["gate benchmarks"]
    assert digests[0]["gate corpora"] == digests[1]["gate corpora"]
