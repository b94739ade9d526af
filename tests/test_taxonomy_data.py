"""The shipped taxonomy: enough primitives and axes, concrete and unlike one another, and an image for each domain.

What enough and unlike mean is `taxonomy_lint.py`'s to say; `ttg taxonomy check` shows the same to users.
"""

from __future__ import annotations

import re

import pytest

from terminal_task_gen.images import list_images
from terminal_task_gen.resources import data_dir
from terminal_task_gen.taxonomy import Domain, load_domains
from terminal_task_gen.taxonomy_lint import MIN_SKILLS, list_alike, list_remarks

DOMAINS = load_domains([data_dir("taxonomy")])
NINE = {
    "data_processing",
    "data_querying",
    "data_science",
    "debugging",
    "dependency_management",
    "file_operations",
    "scientific_computing",
    "security",
    "software_engineering",
}
FURTHER = {"model_training", "system_administration"}
TOOL = re.compile(r"[A-Za-z0-9_][\w.+-]*|python3:[A-Za-z_][\w.]*")
MAX_PHRASE_WORDS = 20


def test_the_domains_of_the_paper_are_there() -> None:
    assert set(DOMAINS) >= NINE | FURTHER


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_a_domain_is_complete(domain: Domain) -> None:
    assert list_remarks(domain) == []
    assert len(domain.focus) == 5
    assert re.fullmatch(r"[^.]+\.", domain.role.strip()), "the role is one sentence"
    assert domain.image in list_images([data_dir("images")])


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_tools_can_be_probed(domain: Domain) -> None:
    assert domain.tools
    assert len(set(domain.tools)) == len(domain.tools)
    assert [tool for tool in domain.tools if not TOOL.fullmatch(tool)] == []


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_axes_and_traps_are_phrases_that_stand_in_a_list(domain: Domain) -> None:
    traps = [text for pair in domain.verification for text in (pair.hard, pair.easy)]
    for phrase in (*domain.scenarios, *domain.artifacts, *domain.constraints, *domain.checks, *traps):
        assert re.fullmatch(r"\S.*[^.\s]", phrase), f"one line without a full stop: {phrase!r}"
        assert len(phrase.split()) <= MAX_PHRASE_WORDS, f"too long for an axis: {phrase!r}"


def test_no_two_primitives_are_alike() -> None:
    assert list_alike(DOMAINS.values()) == []
    texts = [skill.text for domain in DOMAINS.values() for skill in domain.list_skills()]
    assert len(set(texts)) == len(texts) >= MIN_SKILLS * len(DOMAINS)
