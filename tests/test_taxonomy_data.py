"""The shipped taxonomy: enough primitives, concrete and unlike one another, and an image for each domain."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from terminal_task_gen.images import list_images
from terminal_task_gen.resources import data_dir
from terminal_task_gen.taxonomy import Domain, load_domains

DOMAINS = load_domains([data_dir("taxonomy")])
MIN_SKILLS = 30
MAX_LIKENESS = 0.4
TOOL = re.compile(r"[A-Za-z0-9_][\w.+-]*|python3:[A-Za-z_][\w.]*")


def list_words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z]{4,}", text.lower()))


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_a_domain_is_complete(domain: Domain) -> None:
    assert len(domain.focus) == 5
    assert re.fullmatch(r"[^.]+\.", domain.role.strip()), "the role is one sentence"
    assert domain.image in list_images([data_dir("images")])
    assert len(domain.list_skills()) >= MIN_SKILLS
    assert all(len(texts) >= 3 for texts in domain.skills.values()), "a skill type with so little is no type"


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_tools_can_be_probed(domain: Domain) -> None:
    assert domain.tools
    assert len(set(domain.tools)) == len(domain.tools)
    assert [tool for tool in domain.tools if not TOOL.fullmatch(tool)] == []


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_primitives_are_concrete_phrases(domain: Domain) -> None:
    for skill in domain.list_skills():
        assert re.fullmatch(r"[a-z].*[^.\s]", skill.text), f"a lower-case phrase without a full stop: {skill.text!r}"
        assert 7 <= len(skill.text.split()) <= 25, f"neither vague nor a recipe: {skill.text!r}"


def test_no_two_primitives_are_alike() -> None:
    texts = [skill.text for domain in DOMAINS.values() for skill in domain.list_skills()]
    words = {text: list_words(text) for text in texts}
    assert len(words) == len(texts), "a primitive stands twice"
    alike = [
        (first, second)
        for first, second in combinations(texts, 2)
        if len(words[first] & words[second]) / len(words[first] | words[second]) > MAX_LIKENESS
    ]
    assert alike == []
