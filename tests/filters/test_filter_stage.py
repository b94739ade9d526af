"""The whole stage on a run on disk: the same bytes in any number of processes, bad lines, what needs the corpus."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from terminal_task_gen import chunks
from terminal_task_gen.config import Config, dump_config
from terminal_task_gen.errors import Cause, UsageError
from terminal_task_gen.events import Event, Notice
from terminal_task_gen.finding import Ruling
from terminal_task_gen.identity import Identity
from terminal_task_gen.pipeline import OpenRun, explain_trajectory, filter_corpus, judging, make_engine, open_run
from terminal_task_gen.task import Rejection, Task
from terminal_task_gen.trajectory import Trajectory, trajectory_id
from tests.filters.cases import make_task, make_trajectory, reply

WORDS = [f"word{number}" for number in range(3_000)]


def make_tasks(count: int) -> list[Task]:
    dice = random.Random(1)
    return [
        make_task(" ".join(dice.choices(WORDS, k=60))).model_copy(update={"id": f"data_processing-{number:016x}"})
        for number in range(count)
    ]


def attempt(task: Task, number: int, *said: str) -> Trajectory:
    dice = random.Random(f"{task.id} {number}")
    replies = said or tuple(reply(" ".join(dice.choices(WORDS, k=60)), f"run {n}\n") for n in range(4))
    name = trajectory_id(task.id, model="local/tutor-7b", attempt=number)
    return make_trajectory(*replies).model_copy(update={"id": name, "task_id": task.id, "attempt": number})


def write_run(folder: Path, tasks: Sequence[Task], trajectories: Sequence[Trajectory | bytes]) -> Path:
    for name in ("tasks", "trajectories"):
        (folder / name).mkdir(parents=True)
    (folder / "tasks/tasks-00000.jsonl").write_bytes(b"".join(dump(task) for task in tasks))
    half = len(trajectories) // 2
    for number, some in enumerate((trajectories[:half], trajectories[half:])):
        path = folder / f"trajectories/trajectories-{number:05d}.jsonl"
        path.write_bytes(b"".join(one if isinstance(one, bytes) else dump(one) for one in some))
    identity = Identity(
        run_id="r",
        created="2026-01-01",
        ttg_version="0",
        driver="bubblewrap",
        fingerprints={},
        fields={},
        image_digests={},
    )
    (folder / "run.json").write_text(identity.model_dump_json())
    (folder / "config.yaml").write_text(dump_config(Config(name=folder.name, output_dir=folder.parent)))
    return folder


def dump(record: Task | Trajectory | Rejection) -> bytes:
    return record.model_dump_json().encode() + b"\n"


def make_config(folder: Path, **fields: Any) -> Config:
    return Config.model_validate({"name": folder.name, "output_dir": folder.parent, "filter": fields})


def filter_run(folder: Path, **fields: Any) -> list[str]:
    """Filter it; the notices."""

    async def run_stage(run: OpenRun) -> None:
        await filter_corpus(run)

    return drive(make_config(folder, **fields), run_stage)


def drive(config: Config, step: Any) -> list[str]:
    told: list[Event] = []

    async def run_all() -> None:
        async with open_run(config, told.append, make_engine()) as run:
            await step(run)

    asyncio.run(run_all())
    return [event.text for event in told if isinstance(event, Notice)]


def read_corpus(folder: Path) -> dict[str, bytes]:
    corpus = folder / "corpus"
    return {str(path.relative_to(corpus)): path.read_bytes() for path in corpus.rglob("*") if path.is_file()}


def read_rows(folder: Path, pattern: str = "**/*.jsonl") -> dict[str, dict[str, Any]]:
    lines = [line for path in sorted((folder / "corpus").glob(pattern)) for line in path.read_bytes().splitlines()]
    return {row["id"]: row for row in map(orjson.loads, lines)}


def test_chunks_processes_and_the_order_of_lines_leave_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = make_tasks(12)
    rows = [attempt(task, number) for task in tasks for number in range(3)]
    rows.append(attempt(tasks[0], 9, reply("I am Qwen."), reply()))
    one = write_run(tmp_path / "one" / "run", tasks, rows)
    two = write_run(tmp_path / "two" / "run", tasks[::-1], rows[::-1])
    filter_run(one, workers=1)
    monkeypatch.setattr(judging, "MIN_CHUNK_BYTES", 5_000)
    filter_run(two, workers=2)
    assert read_corpus(one) == read_corpus(two)
    assert len(read_rows(one)) == len(rows)
    assert {path.name for path in two.iterdir()} == {
        ".lock", ".lock-all", "config.yaml", "corpus", "logs", "recordings", "run.json", "tasks", "trajectories",
    }  # fmt: skip


def test_of_near_duplicates_the_one_with_the_smaller_id_stays_unless_another_rule_drops_it(tmp_path: Path) -> None:
    tasks = make_tasks(4)
    twin = [attempt(tasks[0], n) for n in range(2)]
    twin[1] = twin[1].model_copy(update={"messages": twin[0].messages})
    leak = [attempt(tasks[1], n) for n in range(2)]
    first, second = sorted(leak, key=lambda row: row.id)
    spoken = (*first.messages, *make_trajectory(reply("I am Qwen.")).messages[1:])
    leak = [first.model_copy(update={"messages": spoken}), second.model_copy(update={"messages": first.messages})]
    run = write_run(tmp_path / "run", tasks, [*twin, *leak, attempt(tasks[2], 0)])
    filter_run(run, rules={"near_duplicate": "drop"})
    dropped = read_rows(run, "dropped-*.jsonl")
    kept_twin, gone_twin = sorted(row.id for row in twin)
    assert set(dropped) == {gone_twin, first.id}
    assert dropped[gone_twin]["findings"][0]["match"] == kept_twin
    assert [finding["rule"] for finding in dropped[first.id]["findings"]] == ["identity", "near_duplicate"]
    assert dropped[first.id]["drop_reason"] == "identity_claim"
    report = orjson.loads((run / "corpus/report.json").read_bytes())
    counts = {rule["rule"]: rule for rule in report["filtered"]["rules"]}
    assert (counts["near_duplicate"]["hits"], counts["near_duplicate"]["alone"]) == (2, 1)
    assert report["filtered"]["together"]["identity"] == {"near_duplicate": 1}
    assert (report["filtered"]["kept"], report["filtered"]["dropped"]) == (3, 2)
    assert report["domains"][0]["kept"] == 3 and report["domains"][0]["dropped"] == 2
    assert orjson.loads((run / "corpus/manifest.json").read_bytes())["rows"] == 3


def test_near_duplicate_tasks_drop_all_attempts_at_the_later_one(tmp_path: Path) -> None:
    tasks = make_tasks(3)
    tasks[2] = tasks[2].model_copy(update={"instruction": tasks[1].instruction + " Please."})
    rows = [attempt(task, number) for task in tasks for number in range(2)]
    run = write_run(tmp_path / "run", tasks, rows)
    filter_run(run, rules={"near_duplicate_task": "drop"})
    dropped = read_rows(run, "dropped-*.jsonl")
    assert {row["task_id"] for row in dropped.values()} == {tasks[2].id} and len(dropped) == 2
    assert {row["findings"][0]["match"] for row in dropped.values()} == {tasks[1].id}


def test_solve_rates_count_all_attempts_and_are_flagged_where_the_rule_only_flags(tmp_path: Path) -> None:
    tasks = make_tasks(2)
    rows = [attempt(task, number) for task in tasks for number in range(2)]
    failed = rows[0].verdict.model_copy(update={"reward": 0.0, "passed": False})
    rows[0] = rows[0].model_copy(update={"verdict": failed})
    run = write_run(tmp_path / "run", tasks, rows)
    band = {"at_least": 0.25, "at_most": 0.75}
    filter_run(run, rules={"solve_rate_band": band})
    assert {row["task_id"] for row in read_rows(run, "dropped-*.jsonl").values()} == {tasks[1].id}
    filter_run(run, rules={"solve_rate_band": {**band, "action": "flag"}})
    flagged = {name for name, row in read_rows(run).items() if "solve_rate_outside" in row["flags"]}
    assert flagged == {rows[2].id, rows[3].id} and not read_rows(run, "dropped-*.jsonl")


def test_explain_says_what_the_corpus_says(tmp_path: Path) -> None:
    tasks = make_tasks(2)
    rows = [attempt(tasks[0], 0), attempt(tasks[0], 1, reply("先看"), reply())]
    rows.append(attempt(tasks[1], 0).model_copy(update={"messages": rows[0].messages}))
    run = write_run(tmp_path / "run", tasks, rows)
    filter_run(run, preset="strict")
    corpus = read_rows(run)
    before = read_corpus(run)
    for row in rows:
        rulings: list[Ruling] = []

        async def step(opened: OpenRun, row: Trajectory = row, rulings: list[Ruling] = rulings) -> None:
            rulings.append((await explain_trajectory(opened, row.id))[1])

        drive(make_config(run, preset="strict"), step)
        assert [f.model_dump(mode="json") for f in rulings[0].findings] == corpus[row.id].get("findings", [])
        assert [flag.reason for flag in rulings[0].flags] == corpus[row.id]["flags"]
    assert read_corpus(run) == before


BAD_LINES = {
    "latin-1": ('{"id": "Größe"}\n'.encode("latin-1"), "not valid JSON"),
    "utf-16": ('{"id": "x"}'.encode("utf-16-le") + b"\n", "not valid JSON"),
    "lone surrogate": (b'{"id": "\\ud800"}\n', "not valid JSON"),
    "torn": (b'{"id": "tra\n', "not valid JSON"),
    "no record": (b'{"id": "x"}\n', "Field required"),
    "a list": (b"[1, 2]\n", "should be an object"),
    "empty line": (b"\n", "not valid JSON"),
}


def test_bad_lines_are_named_with_their_place_and_the_rest_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = make_tasks(3)
    good = [attempt(task, number) for task in tasks for number in range(4)]
    nan = dump(good[0]).replace(b'"reward":1.0', b'"reward":NaN')
    infinite = dump(good[1]).replace(b'"weight":1.0', b'"weight":Infinity')
    assert nan != dump(good[0]) and infinite != dump(good[1])
    bad = [line for line, _ in BAD_LINES.values()] + [nan, infinite]
    mixed: list[Trajectory | bytes] = []
    for number, row in enumerate(good):
        mixed += [row, *bad[number : number + 1]]
    run = write_run(tmp_path / "run", tasks, mixed)
    (run / "trajectories/trajectories-00002.jsonl").write_bytes(b"")
    monkeypatch.setattr(judging, "MIN_CHUNK_BYTES", 3_000)
    notices = filter_run(run)
    assert set(read_rows(run)) == {row.id for row in good}
    assert sum("damaged line passed over" in notice for notice in notices) == len(bad)
    places = {
        text: f"{path} line {number}:"
        for path in (run / "trajectories").glob("*.jsonl")
        for number, text in enumerate(path.read_bytes().splitlines(keepends=True), start=1)
    }
    for text, why in BAD_LINES.values():
        told = next(notice for notice in notices if places[text] in notice)
        assert why in told


def test_a_line_too_long_to_be_held_is_named_and_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "MAX_LINE_BYTES", 2_000_000)
    tasks = make_tasks(1)
    good = [attempt(tasks[0], number) for number in range(4)]
    huge = b'{"id": "' + b"x" * 5_000_000 + b'"}\n'
    run = write_run(tmp_path / "run", tasks, [good[0], huge, good[1], good[2], good[3]])
    notices = filter_run(run)
    assert any("line 2: longer than 2 MB (5 MB)" in notice for notice in notices)
    assert set(read_rows(run)) == {row.id for row in good}


@pytest.mark.slow
def test_a_line_of_100_mb_takes_no_memory(tmp_path: Path) -> None:
    tasks = make_tasks(1)
    good = [attempt(tasks[0], number) for number in range(3)]
    run = write_run(tmp_path / "run", tasks, [good[0], b'{"id": "' + b"x" * 100_000_000 + b'"}\n', *good[1:]])
    code = (
        "import sys; from pathlib import Path; sys.argv = ['ttg', 'filter', sys.argv[1]]\n"
        "def read_peak():\n"
        "    # Of this program alone; rusage would begin with what the tests' own process had.\n"
        "    lines = Path('/proc/self/status').read_text().splitlines()\n"
        "    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith('VmHWM'))\n"
        "from terminal_task_gen.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end: print('PEAK', read_peak(), end.code)"
    )
    result = subprocess.run([sys.executable, "-c", code, str(run)], capture_output=True, text=True, check=False)
    assert "line 2: longer than 64 MB (100 MB)" in result.stderr.replace("\n", " "), result.stderr
    peak_mb, code_ = result.stdout.split("PEAK ")[1].split()
    assert int(peak_mb) < 300 and code_ == "2"
    assert set(read_rows(run)) == {row.id for row in good}


def test_an_id_that_stands_twice_counts_once_and_a_lost_task_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = make_tasks(3)
    rows = [attempt(task, number) for task in tasks[:2] for number in range(2)]
    run = write_run(tmp_path / "run", tasks[:2], [*rows, rows[0], attempt(tasks[2], 0), rows[0], rows[3]])
    monkeypatch.setattr(judging, "MIN_CHUNK_BYTES", 3_000)
    notices = filter_run(run)
    assert set(read_rows(run)) == {row.id for row in rows}
    report = orjson.loads((run / "corpus/report.json").read_bytes())
    assert report["rolled_out"]["trajectories"] == 4 and report["filtered"]["kept"] == 4
    assert any("left out: its task" in notice for notice in notices)


def test_a_failed_attempt_counts_unless_it_succeeded_after_all(tmp_path: Path) -> None:
    tasks = make_tasks(1)
    rows = [attempt(tasks[0], number) for number in range(2)]
    run = write_run(tmp_path / "run", tasks, rows)
    failures = [
        Rejection(id=name, stage="rollout", cause=Cause.SANDBOX_FAILED, reason="sandbox_died", evidence="", domain="x")
        for name in (rows[0].id, "traj-lost", "traj-lost")
    ]
    (run / "trajectories/failed-00000.jsonl").write_bytes(b"".join(dump(failure) for failure in failures))
    filter_run(run)
    rolled = orjson.loads((run / "corpus/report.json").read_bytes())["rolled_out"]
    assert (rolled["attempts"], rolled["trajectories"], rolled["owed"]) == (3, 2, 1)


def test_a_stopped_filter_leaves_the_corpus_of_before(tmp_path: Path) -> None:
    tasks = make_tasks(1)
    run = write_run(tmp_path / "run", tasks, [attempt(tasks[0], 0)])
    filter_run(run)
    before = read_corpus(run)

    async def stop(opened: OpenRun) -> None:
        opened.engine.drain()
        assert (await filter_corpus(opened)).interrupted

    assert any("stopped" in notice for notice in drive(make_config(run, preset="strict"), stop))
    assert read_corpus(run) == before and not list(run.glob("*.tmp-*"))


def test_an_empty_run_gives_an_empty_corpus_and_no_run_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [], [])
    filter_run(run)
    assert read_rows(run) == {}
    with pytest.raises(UsageError, match="holds no run yet"):
        filter_run(tmp_path / "absent")
