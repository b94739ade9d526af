"""The shipped scripts as data: what a request shows and what a script answers must fit together."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from terminal_task_gen.generate.draft import Draft, parse_draft
from terminal_task_gen.generate.ladder import NO_SCREENS, Climb, run_reading_gates
from terminal_task_gen.generate.static_gates import list_promised_modules
from terminal_task_gen.resources import data_dir
from terminal_task_gen.rollout.json_dialect import JsonDialect
from terminal_task_gen.taxonomy import Domain, load_domains
from terminal_task_gen.teacher.scripts import find_shipped_repertoire

DOMAINS = (
    "data_querying",
    "data_science",
    "debugging",
    "dependency_management",
    "file_operations",
    "model_training",
    "software_engineering",
    "system_administration",
)
"""Their scripts need the domains' own images, so no demo on the host runs them, and all are meant to be accepted."""
SCRIPTS = sorted(path for domain in DOMAINS for path in (find_shipped_repertoire() / domain).iterdir())
NEVER_DONE = ("observatory-gatekeeper", "parcel-locker-hangs")
"""Two actors are there to be stopped by the limit of turns."""
MAX_TURNS = 10
"""As in configs/demo.yaml: a longer run would never come to its end there."""


@cache
def load_shipped_domains() -> dict[str, Domain]:
    return dict(load_domains([data_dir("taxonomy")]))


def list_replies(folder: Path, role: str) -> list[Path]:
    return sorted((p for p in folder.glob(f"{role}-*.md") if "reasoning" not in p.name), key=lambda p: int(p.stem[-1]))


def read_last_draft(folder: Path) -> Draft:
    return parse_draft(list_replies(folder, "author")[-1].read_text(encoding="utf-8"))


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_first_three_commissions_are_answered(domain: str) -> None:
    numbers = [
        re.search(r"\d+", line)
        for folder in SCRIPTS
        if folder.parent.name == domain
        for line in yaml.safe_load((folder / "script.yaml").read_text())["author"]["match"]
        if "Commission" in line
    ]
    assert sorted(int(found[0]) for found in numbers if found) == [1, 2, 3]


@pytest.mark.parametrize("folder", SCRIPTS, ids=lambda path: path.name)
def test_a_task_fits_its_domain(folder: Path) -> None:
    domain, draft = load_shipped_domains()[folder.parent.name], read_last_draft(folder)
    run_reading_gates(draft, Climb(), modules=list_promised_modules(domain), screens=NO_SCREENS)
    known = {skill.text for skill in domain.list_skills()}
    assert len(draft.skills) >= 2
    assert set(draft.skills) <= known, "a skill that no request shows is dropped"


@pytest.mark.parametrize("folder", SCRIPTS, ids=lambda path: path.name)
def test_an_actor_is_known_by_the_instruction(folder: Path) -> None:
    instruction = read_last_draft(folder).instruction
    for regex in yaml.safe_load((folder / "script.yaml").read_text())["actor"]["match"]:
        assert re.search(regex, instruction, re.MULTILINE)


@pytest.mark.parametrize("folder", SCRIPTS, ids=lambda path: path.name)
def test_an_actor_can_be_read_and_comes_to_an_end(folder: Path) -> None:
    turns = [JsonDialect().parse(path.read_text(encoding="utf-8")) for path in list_replies(folder, "actor")]
    assert len(turns) <= MAX_TURNS
    assert all(turn.error is None for turn in turns)
    assert ([turn.task_complete for turn in turns[-2:]] == [True, True]) == (folder.name not in NEVER_DONE)
