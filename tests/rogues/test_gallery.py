"""The rogues' gallery: for every gate, rule and protocol error somebody who trips it, caught for the right reason."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
import yaml

from terminal_task_gen.config import load_config
from terminal_task_gen.finding import Reason
from terminal_task_gen.generate.requests import enumerate_requests
from terminal_task_gen.pipeline.generation import load_run_seeds, load_taxonomy
from terminal_task_gen.pipeline.scripted_teacher import ROGUES
from terminal_task_gen.rollout.json_dialect import JsonDialect
from terminal_task_gen.rollout.xml_dialect import XmlDialect
from tests.e2e.demo_run import ENVIRON, Lines, read_run, run_demo
from tests.rogues.reasons import list_gate_reasons, list_protocol_messages

CUT_BY_ENDPOINT = "cut the reply at its length limit"
"""Said by the loop of turns, not by a dialect."""
UNSEEN = {"bubblewrap": {"tampered"}}
"""Driver → rogues who can do no harm there: its system cannot be written to, so nothing of it can be changed."""


def list_rogues(kind: str) -> list[str]:
    return sorted(path.parent.name for path in (ROGUES / kind).glob("*/script.yaml"))


def read_expected(dialect: str) -> dict[int, dict[str, Any]]:
    expected: dict[int, dict[str, Any]] = yaml.safe_load((ROGUES / "protocol" / dialect / "expected.yaml").read_text())
    return expected


def test_every_gate_reason_has_its_rogue() -> None:
    assert set(list_rogues("gates")) == list_gate_reasons()


def test_every_rule_reason_has_its_rogue() -> None:
    assert set(list_rogues("rules")) | set(DOCTORED) == {str(reason) for reason in Reason}


def test_every_protocol_message_has_its_turn() -> None:
    texts = [path.read_text() for path in (ROGUES / "protocol" / "json").glob("actor-*.md")]
    turns = [JsonDialect().parse(text) for text in texts]
    said = [message for turn in turns for message in (turn.error or "", *turn.warnings)]
    patterns = list_protocol_messages("json")
    assert len(patterns) > 15
    assert [pattern for pattern in patterns if not any(re.search(pattern, message) for message in said)] == []
    assert len(texts) == len(read_expected("json"))


def test_every_message_of_the_xml_dialect_has_its_reply() -> None:
    replies: dict[str, str] = yaml.safe_load((Path(__file__).parent / "xml_replies.yaml").read_text(encoding="utf-8"))
    said: list[str] = []
    for beginning, reply in replies.items():
        turn = XmlDialect().parse(reply)
        here = [turn.error or "", *turn.warnings]
        assert any(message.startswith(beginning) for message in here), (beginning, here)
        said += here
    patterns = list_protocol_messages("xml")
    assert len(patterns) > 15
    assert [pattern for pattern in patterns if not any(re.search(pattern, message) for message in said)] == []


def test_every_rogue_is_asked_for_once() -> None:
    """A rogue without a seed would never be met, nor would a seed without a rogue."""
    seeds = [orjson.loads(line)["id"] for line in (ROGUES / "seeds" / "gallery.jsonl").read_bytes().splitlines()]
    actors = [f"actor-{name}" for kind in ("rules", "protocol") for name in list_rogues(kind)]
    assert sorted(seeds) == sorted([*list_rogues("gates"), *actors])


class Gallery(NamedTuple):
    driver: str
    run: Path
    lines: Lines
    rejected: dict[str, str]
    """Rogue → reason of its rejection."""
    objections: dict[str, set[str]]
    """Rogue → what rules object to its trajectory, dropping it or not."""
    trajectories: dict[str, dict[str, Any]]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
        pytest.param("docker", marks=pytest.mark.docker),
    ],
)
def gallery(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    runs = tmp_path_factory.mktemp("rogues")
    result = run_demo(runs, "--rogues", "--sandbox", request.param, "--name", "gallery")
    assert result.returncode == 0, result.stdout + result.stderr
    return hang(runs / "gallery", request.param)


def hang(run: Path, driver: str) -> Gallery:
    """The run's lines by rogue."""
    config = load_config(run / "config.yaml")
    domains = load_taxonomy(config)
    seeds = load_run_seeds(config, domains)
    requests = enumerate_requests(config.generate, run_seed=config.seed, mode="seed", domains=domains, seeds=seeds)
    rogues = {request.id: str(request.seed_id) for request in requests}
    lines = read_run(run)
    authors = {task["id"]: rogues[task["lineage"]["request_id"]] for task in lines.tasks}
    objections: dict[str, set[str]] = {name: set() for name in authors.values()}
    for row in [*lines.kept, *lines.dropped]:
        objections[authors[row["task_id"]]] |= {f["reason"] for f in row.get("findings", [])} | set(row["flags"])
    return Gallery(
        driver=driver,
        run=run,
        lines=lines,
        rejected={rogues[row["id"]]: row["reason"] for row in lines.rejected},
        objections=objections,
        trajectories={authors[row["task_id"]]: row for row in lines.trajectories},
    )


@pytest.mark.slow
def test_every_gate_catches_its_rogue_and_no_other(gallery: Gallery) -> None:
    assert gallery.rejected == {name: name for name in list_rogues("gates")}


@pytest.mark.slow
def test_every_rule_catches_its_rogue(gallery: Gallery) -> None:
    rogues = set(list_rogues("rules")) - UNSEEN.get(gallery.driver, set())
    caught = {name: gallery.objections.get(f"actor-{name}", set()) for name in rogues}
    assert [name for name, reasons in caught.items() if name not in reasons] == [], caught
    assert gallery.lines.failed == []


@pytest.mark.slow
def test_every_turn_against_the_protocol_is_told_so(gallery: Gallery) -> None:
    row = gallery.trajectories["actor-json"]
    expected = read_expected("json")
    assert (row["stop_reason"], row["verdict"]["passed"]) == ("completed", True), "it recovers from all of them"
    assert [step["turn"] for step in row["steps"]] == list(expected)
    for step in row["steps"]:
        wanted = expected[step["turn"]]
        assert (step["error"] or "").startswith(wanted.get("error", "")), step
        assert bool(step["error"]) == ("error" in wanted), step
        assert any(warning.startswith(wanted.get("warning", "")) for warning in [*step["warnings"], ""]), step
        assert not step["commands"] or "error" not in wanted, "nothing of an unreadable reply is typed"
        told = step["observation"]
        if wanted.get("error", CUT_BY_ENDPOINT).endswith(CUT_BY_ENDPOINT):
            assert "error" not in wanted or "NONE of the actions you just requested were performed" in told
        else:
            assert wanted["error"] in told
        if "duration_sec" in wanted:
            assert [command["duration_sec"] for command in step["commands"]] == [wanted["duration_sec"]]
    others = [row for name, row in gallery.trajectories.items() if name not in ("actor-json", "actor-invalid_turns")]
    assert not any(step["error"] for row in others for step in row["steps"])


def silence(trajectory: dict[str, Any]) -> None:
    trajectory["messages"] = [m for m in trajectory["messages"] if m["role"] != "assistant"]
    trajectory["steps"] = []


def mark_mistake(trajectory: dict[str, Any]) -> None:
    trajectory["steps"][0]["injected"] = "command"


DOCTORED = {"no_reply": silence, "injected_mistake": mark_mistake}
"""Reasons that no actor can earn by himself: a silent one ends in a failure instead, and mistakes are asked for by the
configuration, of everybody. The row is doctored."""


@pytest.mark.slow
@pytest.mark.parametrize("reason", DOCTORED)
def test_a_doctored_row_is_caught(gallery: Gallery, reason: str, tmp_path: Path) -> None:
    run = tmp_path / "gallery"
    shutil.copytree(gallery.run, run)
    (shard,) = (run / "trajectories").glob("trajectories-*.jsonl")
    rows = [orjson.loads(line) for line in shard.read_bytes().splitlines()]
    DOCTORED[reason](rows[0])
    shard.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    command = [sys.executable, "-m", "terminal_task_gen", "filter", str(run)]
    subprocess.run(command, capture_output=True, check=True, timeout=120, env=ENVIRON)
    lines = read_run(run)
    (row,) = (row for row in [*lines.kept, *lines.dropped] if row["id"] == rows[0]["id"])
    if reason == "no_reply":
        assert row["drop_reason"] == reason, "such a row is dropped, whatever else is said of it"
    else:
        assert reason in row["flags"]
