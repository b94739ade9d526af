"""The corpus folder: complete, the same bytes in any order, loaded by `datasets`, and never half-written."""

from __future__ import annotations

import hashlib
import importlib
import pickle
import resource
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest
import yaml

from terminal_task_gen.errors import Cause, UsageError
from terminal_task_gen.export.card import CardFacts
from terminal_task_gen.export.corpus import RunRecords, export_corpus, open_corpus
from terminal_task_gen.export.manifest import read_manifest
from terminal_task_gen.export.plots import draw_statistics
from terminal_task_gen.export.report import Report, list_funnel
from terminal_task_gen.export.rows import CorpusRow, DroppedRow, RunStamp, build_row
from terminal_task_gen.export.shard_jobs import copy_shard
from terminal_task_gen.export.statistics import Statistics
from terminal_task_gen.finding import Action, BenchmarkFacts, FilterFacts, Finding, Judged, Reason, RuleName, Ruling
from terminal_task_gen.records import Usage, content_id
from terminal_task_gen.task import Lineage, Rejection, Task
from terminal_task_gen.trajectory import Message, Step, TestOutcome, Timings, Trajectory, Verdict

DROPPING = (RuleName.EMPTY, RuleName.CONTAMINATION, RuleName.IDENTITY, RuleName.FOREIGN_SCRIPT)
FACTS = FilterFacts(
    preset="paper",
    actions={rule: Action.DROP if rule in DROPPING else Action.FLAG for rule in RuleName},
    settings={"few_turns.at_least": "2"},
    benchmarks={
        name: BenchmarkFacts(prompts=prompts, ngram=14, mask_numbers=False)
        for name, prompts in (("bench", 89), ("other", 3))
    },
)
USAGE = Usage(calls=1, prompt_tokens=10, completion_tokens=4, cost_usd=0.1)


def make_task(number: int) -> Task:
    mode = "skill" if number % 2 == 0 else "seed"
    lineage = Lineage(
        request_id=f"req-{number}",
        mode=mode,
        index=number,
        author_model="local/author",
        prompt_version="1",
        repair_rounds=number % 2,
    )
    return Task(
        id=f"security-{number:016x}",
        domain="security" if number < 2 else "data_processing",
        image="security",
        difficulty="easy",
        title=f"Task | {number}\nwith a line break",
        instruction="Do it.",
        files=(),
        tests="",
        weights={"test_a": 0.5, "test_b": 0.5},
        lineage=lineage,
        usage=USAGE,
    )


def make_judged(number: int, *rules: RuleName, flags: tuple[RuleName, ...] = ()) -> Judged:
    """Passes two, one or none of its tests by turns; `number` 1 recovers from an unreadable reply."""
    task = make_task(number % 4)
    tests = tuple(
        TestOutcome(name=name, status="passed" if number % 3 > place else "crashed", weight=0.5)
        for place, name in enumerate(("test_a", "test_b"))
    )
    trajectory = Trajectory(
        id=content_id("traj", number),
        task_id=task.id,
        domain=task.domain,
        attempt=0,
        agent="terminus-2",
        model="local/actor",
        messages=(Message(role="user", content="Go.\u2028"), Message(role="assistant", content=f"{{}} {number} é好")),
        steps=(Step(turn=1, error="no JSON" if number == 1 else None), Step(turn=2)),
        stop_reason=Cause.COMPLETED if number % 2 else Cause.MAX_TURNS,
        verdict=Verdict(reward=0.5 * (number % 3), passed=number % 3 == 2, tests=tests),
        usage=USAGE,
        wasted_usage=USAGE if number == 1 else Usage(),
        sandbox="bubblewrap",
        timings=Timings(started_at="2025-01-01T00:00:00Z"),
    )
    ruling = Ruling(
        trajectory_id=trajectory.id,
        findings=tuple(make_finding(rule) for rule in rules),
        flags=tuple(make_finding(rule) for rule in flags),
    )
    return Judged(task, trajectory, ruling)


def make_finding(rule: RuleName) -> Finding:
    benchmark = "bench" if rule is RuleName.CONTAMINATION else ""
    return Finding(rule=rule, reason=Reason.FOREIGN_CHARACTERS, where="x", match="m", evidence="e", benchmark=benchmark)


def reject(item_id: str, cause: Cause, reason: str) -> Rejection:
    return Rejection(
        id=item_id,
        stage="generate",
        cause=cause,
        reason=reason,
        evidence="",
        domain="security",
        mode="skill",
        difficulty="hard",
        usage=USAGE,
    )


JUDGED = (
    make_judged(0),
    make_judged(1),
    make_judged(2, flags=(RuleName.SOLVED,)),
    make_judged(3, RuleName.IDENTITY),
    make_judged(4, RuleName.IDENTITY, RuleName.FOREIGN_SCRIPT),
    make_judged(5, RuleName.CONTAMINATION),
    make_judged(6),
)


def export(folder: Path, judged: Iterable[Judged] = JUDGED, *, max_shard_bytes: int = 1_000_000) -> Report:
    records = RunRecords(
        tasks=[make_task(number) for number in range(4)],
        rejections=[
            reject("req-7", Cause.MERIT, "fail_first"),
            reject("req-8", Cause.MERIT, "fail_first"),
            reject("req-9", Cause.TEACHER_UNAVAILABLE, "connection"),
        ],
        failures=[reject("traj-x", Cause.SANDBOX_FAILED, "sandbox_died")],
        judged=judged,
    )
    return export_corpus(
        folder,
        records,
        stamp=RunStamp(run_id="run-1", date="2025-12-31"),
        filters=FACTS,
        card=CardFacts(name="first: light", licence="cc-by-4.0", contents={"seeds": "ab12"}),
        max_shard_bytes=max_shard_bytes,
    )


def read_lines(folder: Path, pattern: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for path in sorted(folder.glob(pattern)) for line in path.read_bytes().splitlines()]


def read_folder(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def read_header(folder: Path) -> dict[str, Any]:
    header: dict[str, Any] = yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    return header


def load(folder: Path, config: str, cache: Path) -> Any:
    datasets = importlib.import_module("datasets")
    datasets.disable_progress_bars()
    return datasets.load_dataset(str(folder), config, split="train", cache_dir=str(cache))


@contextmanager
def limit_file_size(limit_bytes: int) -> Iterator[None]:
    """The kernel refuses to let any file of this process grow past the limit, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_every_judged_row_is_in_it_once_sorted_and_complete(tmp_path: Path) -> None:
    export(tmp_path / "corpus")
    assert sorted(read_folder(tmp_path / "corpus")) == [
        "README.md",
        "dropped-00000-of-00001.jsonl",
        "manifest.json",
        "plots/domains.svg",
        "plots/funnel.svg",
        "plots/reward.svg",
        "plots/tokens.svg",
        "plots/turns.svg",
        "report.json",
        "seed_based/train-00000-of-00001.jsonl",
        "skill_based/easy/data_processing/train-00000-of-00001.jsonl",
        "skill_based/easy/security/train-00000-of-00001.jsonl",
    ]
    kept = read_lines(tmp_path / "corpus", "**/train-*.jsonl")
    dropped = read_lines(tmp_path / "corpus", "dropped-*.jsonl")
    assert sorted(row["id"] for row in kept) == sorted(j.trajectory.id for j in JUDGED if j.ruling.kept)
    assert [row["id"] for row in dropped] == sorted(j.trajectory.id for j in JUDGED if not j.ruling.kept)
    assert {tuple(row) for row in kept} == {tuple(CorpusRow.model_fields)}
    assert {tuple(row) for row in dropped} == {tuple(DroppedRow.model_fields)}
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_the_order_of_arrival_leaves_no_trace(tmp_path: Path) -> None:
    export(tmp_path / "one", JUDGED)
    export(tmp_path / "two", JUDGED[::-1])
    assert read_folder(tmp_path / "one") == read_folder(tmp_path / "two")


def test_shards_are_cut_at_the_size_and_numbered_out_of_all(tmp_path: Path) -> None:
    many = [make_judged(4 * number) for number in range(1, 5)]  # all of one task
    export(tmp_path / "corpus", many, max_shard_bytes=2_500)
    part = tmp_path / "corpus" / "skill_based" / "easy" / "security"
    names = sorted(path.name for path in part.iterdir())
    assert names == [f"train-{number:05d}-of-{len(names):05d}.jsonl" for number in range(len(names))]
    assert len(names) > 1
    assert max(path.stat().st_size for path in part.iterdir()) <= 2_500
    export(tmp_path / "tiny", many, max_shard_bytes=1)
    assert len(list((tmp_path / "tiny").glob("**/train-*"))) == 4
    assert read_lines(tmp_path / "tiny", "**/train-*") == read_lines(tmp_path / "corpus", "**/train-*")


def test_workers_with_spools_of_their_own_write_the_same_bytes(tmp_path: Path) -> None:
    stamp, card = RunStamp(run_id="run-1", date="2025-12-31"), CardFacts(name="first: light", licence="cc-by-4.0")
    report = export(tmp_path / "alone")

    def write(folder: Path, workers: int) -> dict[str, bytes]:
        with open_corpus(folder) as draft:
            indexes = []
            for number in range(workers):
                with draft.open_spool(number) as spool:
                    for judged in JUDGED[number::workers]:
                        spool.add(build_row(judged, stamp))
                indexes.append(pickle.loads(pickle.dumps(spool.index)))
            files = [copy_shard(job) for job in draft.plan_shards(indexes, max_shard_bytes=2_500)]
            draft.finish(indexes, files, report, stamp=stamp, card=card)
        return read_folder(folder)

    assert write(tmp_path / "one", 1) == write(tmp_path / "three", 3)


def test_the_manifest_lists_every_data_file_with_its_rows_and_hash(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    export(folder, max_shard_bytes=2_500)
    manifest = read_manifest(folder)
    listed = {file.path: file for config in manifest.configs for file in config.splits["train"]}
    assert set(listed) == {str(path.relative_to(folder)) for path in folder.rglob("*.jsonl")}
    for path, file in listed.items():
        content = (folder / path).read_bytes()
        assert (file.size_bytes, file.rows) == (len(content), content.count(b"\n"))
        assert file.sha256 == hashlib.sha256(content).hexdigest()
    rows = {config.name: config.rows for config in manifest.configs}
    assert rows == {
        "default": 4, "seed_based": 1, "skill_based": 3, "skill_based_easy": 3, "dropped": 3,
    }  # fmt: skip
    assert (manifest.kind, manifest.rows, sum(manifest.statistics["turns"].values())) == ("corpus", 4, 4)


def test_the_plots_are_well_formed_and_escape_what_they_show(tmp_path: Path) -> None:
    statistics = Statistics()
    for number in range(300):
        row = {"turns": number, "reward": number / 299, "domain": "<a & b>", "difficulty": "easy", "source": "s"}
        statistics.count(row, tokens=number * 700)
    for name, svg in draw_statistics(statistics).items():
        root = ElementTree.fromstring(svg)
        texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        assert len(texts) > 2, name
    export(tmp_path / "corpus")
    for path in (tmp_path / "corpus" / "plots").iterdir():
        ElementTree.parse(path)
        assert f"(plots/{path.name})" in (tmp_path / "corpus" / "README.md").read_text(encoding="utf-8")


def test_every_number_of_the_report_can_be_recounted(tmp_path: Path) -> None:
    report = export(tmp_path / "corpus")
    assert Report.model_validate_json((tmp_path / "corpus" / "report.json").read_bytes()) == report
    made, rolled, sieved = report.generated, report.rolled_out, report.filtered
    assert (made.requests, made.tasks, made.rejected, made.owed, made.repaired) == (7, 4, 2, 1, 2)
    assert made.reasons == {"connection": 1, "fail_first": 2}
    assert (rolled.attempts, rolled.trajectories, rolled.failed, rolled.owed) == (8, 7, 0, 1)
    assert (rolled.passed, rolled.partial, rolled.zero, rolled.recovered, rolled.crashed_tests) == (2, 2, 3, 1, 5)
    assert rolled.stop_reasons == {"completed": 3, "max_turns": 4}
    assert (sieved.kept, sieved.dropped) == (4, 3)
    counts = {rule.rule: (rule.action, rule.hits, rule.alone, rule.first) for rule in sieved.rules}
    assert counts[RuleName.IDENTITY] == ("drop", 2, 1, 2)
    assert counts[RuleName.FOREIGN_SCRIPT] == ("drop", 1, 0, 0)
    assert counts[RuleName.CONTAMINATION] == ("drop", 1, 1, 1)
    assert counts[RuleName.SOLVED] == ("flag", 1, 0, 0)
    assert sum(rule.first for rule in sieved.rules) == sieved.dropped
    assert sieved.overlaps == {"contamination": 1, "foreign_script+identity": 1, "identity": 1}
    assert [(b.benchmark, b.prompts, b.rows) for b in sieved.benchmarks] == [("bench", 89, 1), ("other", 3, 0)]
    assert report.usage == Usage(calls=16, prompt_tokens=160, completion_tokens=64, cost_usd=1.6)
    groups = {group.name: group for group in report.domains}
    assert (groups["security"].tasks, groups["security"].rejected, groups["data_processing"].trajectories) == (2, 2, 3)
    for some in (report.domains, report.modes, report.difficulties):
        assert sum(g.kept for g in some) == 4 and sum(g.trajectories for g in some) == 7
    assert (report.rewards.mean, report.rewards.median, report.rewards.p90, report.turns.total) == (
        0.375,
        0.25,
        1.0,
        4.0,
    )


def test_the_parts_of_the_funnel_sum_up(tmp_path: Path) -> None:
    lines = list_funnel(export(tmp_path / "corpus"))
    parts = {line.label: sum(p.count for p in lines if p.part_of == line.label) for line in lines if not line.part_of}
    counts = {line.label: line.count for line in lines if not line.part_of}
    assert counts == {
        "requests": 7, "tasks": 4, "attempts": 8, "trajectories": 7, "recovered from an unreadable reply": 1,
        "verdicts": 7, "tests": 14, "judged": 7, "kept": 4,
    }  # fmt: skip
    assert parts["tests"] == 14
    assert (parts["requests"], parts["trajectories"], parts["verdicts"], parts["judged"]) == (3, 7, 7, 3)


@pytest.mark.parametrize(
    ("config", "pattern"),
    [
        ("default", "*_based/**/train-*.jsonl"),
        ("seed_based", "seed_based/train-*.jsonl"),
        ("skill_based", "skill_based/**/train-*.jsonl"),
        ("skill_based_easy", "skill_based/easy/**/train-*.jsonl"),
        ("dropped", "dropped-*.jsonl"),
    ],
)
def test_datasets_loads_every_config_with_every_value_unchanged(tmp_path: Path, config: str, pattern: str) -> None:
    folder = tmp_path / "corpus"
    export(folder, max_shard_bytes=2_500)
    assert list(load(folder, config, tmp_path / "cache")) == read_lines(folder, pattern)


def test_datasets_sees_that_a_corpus_was_filtered_anew(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    export(folder)
    before = len(load(folder, "default", tmp_path / "cache"))
    export(folder, JUDGED[1:])
    assert (before, len(load(folder, "default", tmp_path / "cache"))) == (4, 3)


def test_with_nothing_dropped_there_is_no_second_config(tmp_path: Path) -> None:
    export(tmp_path / "corpus", JUDGED[:3])
    names = [config["config_name"] for config in read_header(tmp_path / "corpus")["configs"]]
    assert (names[0], "dropped" in names) == ("default", False)
    assert not list((tmp_path / "corpus").glob("dropped-*"))


def test_with_nothing_kept_the_card_says_so_and_loading_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    report = export(folder, JUDGED[3:6])
    assert (report.filtered.kept, report.turns.mean) == (0, 0.0)
    assert "This corpus is empty" in (folder / "README.md").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="corresponds to no data"):
        load(folder, "default", tmp_path / "cache")
    assert len(load(folder, "dropped", tmp_path / "cache")) == 3


def test_the_card_tells_the_funnel_the_filters_and_the_lineage(tmp_path: Path) -> None:
    export(tmp_path / "corpus")
    header = read_header(tmp_path / "corpus")
    assert (header["license"], header["pretty_name"], header["size_categories"]) == (
        "cc-by-4.0",
        "first: light",
        ["n<1K"],
    )
    card = (tmp_path / "corpus" / "README.md").read_text(encoding="utf-8")
    for line in (
        "| generate | **requests** | 7 |",
        "| generate | – rejected: fail_first | 2 |",
        "| filter | – dropped: identity | 2 |",
        "| identity | drop | 2 | 1 | 2 |",
        "| completed | flag | 0 | 0 | 0 |",
        "| bench | 89 | 14 | 1 |",
        "| tasks written by | local/author |",
        "| seeds | `ab12` |",
        "| domain security | 2 | 4 | 1 | 2 | 2 |",
    ):
        assert line in card.splitlines(), line
    assert "has not been decontaminated" not in card


def test_without_a_benchmark_the_card_does_not_claim_cleanliness(tmp_path: Path) -> None:
    export_corpus(
        tmp_path / "corpus",
        RunRecords(tasks=[], rejections=[], failures=[], judged=[]),
        stamp=RunStamp(run_id="r", date="2025-12-31"),
        filters=FilterFacts(preset="paper", actions={}, settings={}, benchmarks={}),
        card=CardFacts(name="empty", licence="mit"),
    )
    assert "has not been decontaminated" in (tmp_path / "corpus" / "README.md").read_text(encoding="utf-8")


def test_a_disk_that_refuses_leaves_the_old_corpus_and_nothing_else(tmp_path: Path) -> None:
    export(tmp_path / "corpus", JUDGED[:2])
    before = read_folder(tmp_path / "corpus")
    with limit_file_size(3_000), pytest.raises(UsageError) as refusal:
        export(tmp_path / "corpus")
    assert "\n" not in str(refusal.value) and str(tmp_path / "corpus") in str(refusal.value)
    assert read_folder(tmp_path / "corpus") == before
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_reader_that_breaks_down_leaves_the_old_corpus_and_nothing_else(tmp_path: Path) -> None:
    export(tmp_path / "corpus", JUDGED[:2])
    before = read_folder(tmp_path / "corpus")

    def read_badly() -> Iterator[Judged]:
        yield JUDGED[3]
        raise UsageError("shard 7 is damaged")

    with pytest.raises(UsageError, match="shard 7"):
        export(tmp_path / "corpus", read_badly())
    assert read_folder(tmp_path / "corpus") == before
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_what_a_killed_process_left_is_cleared_or_brought_back(tmp_path: Path) -> None:
    export(tmp_path / "corpus", JUDGED[:2])
    before = read_folder(tmp_path / "corpus")
    (tmp_path / "corpus").rename(tmp_path / "corpus.old-77")  # killed between the two renames
    (tmp_path / "corpus.tmp-77" / "data").mkdir(parents=True)
    with limit_file_size(100), pytest.raises(UsageError):
        export(tmp_path / "corpus")
    assert read_folder(tmp_path / "corpus") == before
    (tmp_path / "corpus.old-78").mkdir()
    assert export(tmp_path / "corpus").filtered.kept == 4
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]
