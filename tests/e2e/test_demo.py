"""The demo, as a user runs it: every path of the pipeline once, every printed number recounted from the files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.conftest import FinishedDemo
from tests.e2e.demo_run import Lines, count_in, read_run, run_demo, summarise_verdicts

pytestmark = pytest.mark.bubblewrap


def test_it_ends_well_and_shows_every_path(demo: FinishedDemo) -> None:
    assert demo.result.returncode == 0, demo.result.stdout + demo.result.stderr
    lines = read_run(demo.run)
    assert len(lines.tasks) >= 12
    assert len({task["domain"] for task in lines.tasks}) == 3
    assert {task["lineage"]["mode"] for task in lines.tasks} == {"skill", "seed"}
    assert any(task["lineage"]["repair_rounds"] for task in lines.tasks)
    reasons = {row["reason"] for row in lines.rejected}
    assert {"weights_sum", "leak_literal", "fail_first", "oracle", "no_task_block", "trivial_assertion"} <= reasons
    rewards = [row["verdict"]["reward"] for row in lines.trajectories]
    assert 1.0 in rewards and 0.0 in rewards and any(0.0 < reward < 1.0 for reward in rewards)
    assert "max_turns" in {row["stop_reason"] for row in lines.trajectories}
    dropped = {finding["rule"] for row in lines.dropped for finding in row["findings"]}
    assert dropped == {"contamination", "identity", "foreign_script"}


def list_recovered(lines: Lines) -> list[dict[str, Any]]:
    """Rollouts with a reply that could not be read and, later, one that could."""
    return [
        row
        for row in lines.trajectories
        for errors in [[bool(step["error"]) for step in row["steps"]]]
        if any(errors) and not all(errors[errors.index(True) :])
    ]


def test_one_rollout_recovers_from_malformed_json(demo: FinishedDemo) -> None:
    assert any(row["verdict"]["passed"] for row in list_recovered(read_run(demo.run)))


def test_every_printed_number_can_be_recounted(demo: FinishedDemo) -> None:
    lines, text = read_run(demo.run), demo.result.stdout
    assert count_in(text, "requests") == len(lines.tasks) + len(lines.rejected)
    assert count_in(text, "tasks") == len(lines.tasks)
    assert count_in(text, "attempts") == len(lines.trajectories) + len(lines.failed)
    assert count_in(text, "kept") == len(lines.kept)
    for reason, count in Counter(row["reason"] for row in lines.rejected).items():
        assert count_in(text, f"rejected: {reason}") == count
    for reason, count in Counter(row["stop_reason"] for row in lines.trajectories).items():
        assert count_in(text, f"stopped: {reason}") == count
    assert count_in(text, "passed") == sum(row["verdict"]["passed"] for row in lines.trajectories)
    tests = Counter(test["status"] for row in lines.trajectories for test in row["verdict"]["tests"])
    for status, count in tests.items():
        assert count_in(text, f"test {status}") == count
    assert count_in(text, "recovered from an unreadable reply") == len(list_recovered(lines))
    for rule in ("contamination", "identity", "foreign_script"):
        assert count_in(text, f"dropped: {rule}") == sum(row["findings"][0]["rule"] == rule for row in lines.dropped)
    assert len(lines.kept) + len(lines.dropped) == len(lines.trajectories)


def test_every_rollout_has_its_recording(demo: FinishedDemo) -> None:
    recorded = {path.stem for path in (demo.run / "recordings").glob("*.cast")}
    assert recorded == {row["id"] for row in read_run(demo.run).trajectories}


def test_no_solution_reaches_the_actor(demo: FinishedDemo) -> None:
    solutions = {task["id"]: task["solution"] for task in read_run(demo.run).tasks}
    for row in read_run(demo.run).trajectories:
        first = row["messages"][0]["content"]
        secret = [line for line in solutions[row["task_id"]].splitlines() if len(line) > 30]
        assert secret and not any(line in first for line in secret)


def test_a_second_run_does_nothing_again_and_says_so(demo: FinishedDemo) -> None:
    before = {path: path.read_bytes() for path in demo.run.rglob("*.jsonl") if "logs" not in path.parts}
    again = run_demo(demo.runs)
    assert again.returncode == 0, again.stderr
    assert "generate: nothing to do" in again.stderr
    assert "rollout: nothing to do" in again.stderr
    assert {path: path.read_bytes() for path in before} == before


def test_the_same_configuration_gives_the_same_ids_and_corpus_bytes(demo: FinishedDemo, tmp_path: Path) -> None:
    """Another place, another concurrency, another order of events."""
    other = run_demo(tmp_path, "--set", "rollout.parallel=1", "--set", "generate.parallel=1")
    assert other.returncode == 0, other.stderr
    first, second = read_run(demo.run), read_run(tmp_path / "demo")
    assert summarise_verdicts(first) == summarise_verdicts(second)
    assert sorted(map(str, first.tasks)) == sorted(map(str, second.tasks))
    assert sorted(map(str, first.rejected)) == sorted(map(str, second.rejected))
    assert read_corpus(demo.run) == read_corpus(tmp_path / "demo")


def read_corpus(run: Path) -> dict[str, bytes]:
    """Every file of the corpus: rows, manifest, report, plots, card."""
    corpus = run / "corpus"
    return {str(path.relative_to(corpus)): path.read_bytes() for path in corpus.rglob("*") if path.is_file()}


@pytest.mark.docker
def test_docker_gives_the_same_ids_and_verdicts(demo: FinishedDemo, tmp_path: Path) -> None:
    docker = run_demo(tmp_path, "--sandbox", "docker", "--name", "demo")
    assert docker.returncode == 0, docker.stdout + docker.stderr
    ours, theirs = read_run(demo.run), read_run(tmp_path / "demo")
    assert summarise_verdicts(ours) == summarise_verdicts(theirs)
    assert {t["id"] for t in ours.tasks} == {t["id"] for t in theirs.tasks}
    assert Counter(r["reason"] for r in ours.rejected) == Counter(r["reason"] for r in theirs.rejected)
    assert all(row["sandbox"] == "docker" for row in theirs.trajectories)
    assert all(task["lineage"]["image_digest"].startswith("sha256:") for task in theirs.tasks)
    assert not any(row["verdict"]["tampered"] for row in theirs.trajectories)
    held = {path.stem: orjson.loads(path.read_bytes()) for path in (tmp_path / "demo" / "images").glob("*.json")}
    assert {task["lineage"]["image_manifest"] for task in theirs.tasks} == set(held)
    assert {held[t["lineage"]["image_manifest"]]["image_digest"] for t in theirs.tasks} == {
        task["lineage"]["image_digest"] for task in theirs.tasks
    }
