"""What the author is told: the fixed lines, what each option changes, and the version that stands for the wording."""

from __future__ import annotations

from typing import Any

import pytest

from terminal_task_gen.config import GenerateConfig
from terminal_task_gen.generate.complaint import Complaint
from terminal_task_gen.generate.prompts import (
    MAX_PITFALLS,
    PROMPT_VERSION,
    build_author_messages,
    build_repair_message,
    digest_templates,
)
from terminal_task_gen.seeds import Seed
from terminal_task_gen.task import Axes, Difficulty, Request
from terminal_task_gen.taxonomy import Domain, Verification

VERSIONS = {
    "author-1": "c5ddbddf5895d246",
    "author-2": "3e311f6819501f03",
    "author-3": "5c60335577076e98",
    "author-4": "16ed6349146bb263",
    "author-5": "bc429c3eee12b1c0",
}
"""Version → first 16 digits of the templates' digest. Changed a template: make a new version."""

DOMAIN = Domain(
    name="security",
    title="Security",
    image="security",
    role="You are a guard.",
    focus=("Locks", "Keys"),
    verification=tuple(Verification(hard=f"trap {n}", easy=f"way out {n}") for n in range(9)),
    skills={"k": ("s",)},
)
PLAIN = DOMAIN.model_copy(update={"verification": ()})
AXES = Axes(scenario="a lighthouse", artifact="a logbook", constraint="awk only", check="a property of the output")
SKILLS = ("pick a lock & <tag>", "forge a key")
SEED = Seed(id="s", problem="How fast\nis a swallow?", label="biology", domain="security", solution="print(11)")


def build(
    *,
    difficulty: Difficulty = "easy",
    ordinal: int = 1,
    seed: Seed | None = None,
    axes: Axes = AXES,
    domain: Domain = DOMAIN,
    **config: Any,
) -> tuple[str, str]:
    request = Request(
        id="r",
        mode="seed" if seed else "skill",
        domain="security",
        difficulty=difficulty,
        index=0,
        ordinal=ordinal,
        skills=() if seed else SKILLS,
        axes=axes,
        seed_id=seed.id if seed else None,
    )
    system, user = build_author_messages(
        request,
        domain=domain,
        seed=seed,
        image_text="FROM debian\nRUN apt-get install age\n",
        config=GenerateConfig(**config),
    )
    assert (system.role, user.role) == ("system", "user")
    return system.content, user.content


def test_the_wording_has_its_version() -> None:
    assert VERSIONS[PROMPT_VERSION] == digest_templates()[:16], "templates changed: give PROMPT_VERSION a new value"


def test_lines_that_recorded_replies_are_matched_by() -> None:
    system, user = build(difficulty="hard", ordinal=3)
    assert "You write terminal tasks." in system.splitlines()
    assert user.splitlines()[:4] == [
        "Task category: security",
        "Mode: skill",
        "Difficulty: hard",
        "Commission number: 3",
    ]


def test_skill_mode_shows_domain_skills_and_machine() -> None:
    system, user = build()
    assert "You are a guard." in system
    assert "- Locks\n- Keys\n" in system
    assert "- pick a lock & <tag>\n- forge a key\n" in user
    assert "```dockerfile\nFROM debian\nRUN apt-get install age\n```" in user
    assert '"difficulty": "easy"' in system


def test_seed_mode_shows_the_problem_and_its_ground_truth() -> None:
    _, user = build(seed=SEED)
    assert "\nMode: seed\n" in user
    assert SEED.problem in user
    assert "(biology)" in user
    assert "For your eyes only" in user
    assert "print(11)" in user
    assert "Skills" not in user


def test_axes_are_shown_as_given() -> None:
    _, user = build()
    given = user.split("# Given for this task\n")[1].split("# Difficulty")[0]
    assert given.strip().splitlines()[:4] == [
        "- Scenario: a lighthouse",
        "- Works on or produces: a logbook",
        "- Constraint: awk only",
        "- Kind of check: a property of the output",
    ]
    assert "keep at least two" in given
    assert "Invent the setting" not in user


def test_only_the_axes_there_are_get_shown() -> None:
    _, user = build(axes=Axes(check="by running it"))
    assert "- Kind of check: by running it\n\nTake" in user
    assert "Scenario" not in user
    assert "Invent the setting" in user


def test_a_domain_without_axes_and_pitfalls_leaves_no_trace() -> None:
    system, user = build(axes=Axes(), domain=PLAIN)
    assert "Given for this task" not in user
    assert "weak here" not in system
    assert "\n\n\n" not in system + user


def test_pitfalls_of_the_domain_are_told_and_bounded() -> None:
    system, _ = build()
    assert "- Keys\n\nWhat makes tests weak here, and the way out:\n- trap 0 → way out 0\n" in system
    assert system.count("way out ") == MAX_PITFALLS


@pytest.mark.parametrize("level", ["easy", "medium", "hard"])
def test_difficulty_is_told_by_what_can_be_observed(level: Difficulty) -> None:
    text = build(difficulty=level)[1].split(f"# Difficulty: {level}")[1].split("# The machine")[0]
    assert [line.split(":")[0] for line in text.strip().splitlines()] == [
        "- Steps",
        "- Hidden state",
        "- To discover",
        "- Checks",
    ]


def test_a_menu_says_how_many_to_choose() -> None:
    assert "Choose 2 to 4 of these" in build(skill_choice="menu", skills_per_task=(2, 4))[1]


def test_without_a_solution_none_is_asked_for() -> None:
    with_solution, without = build()[0], build(reference_solution=False)[0]
    assert "<solution>" in with_solution
    assert "<solution>" not in without
    assert "do not write the solution" in without


@pytest.mark.parametrize("difficulty", ["easy", "medium", "hard"])
def test_prompts_stay_short(difficulty: Difficulty) -> None:
    system, user = build(difficulty=difficulty, ordinal=2)
    assert len(f"{system} {user}".split()) < 2_000


def test_difficulties_are_told_apart() -> None:
    texts = {
        build(difficulty=level)[1].split("# Difficulty:")[1].split("# The machine")[0]
        for level in ("easy", "medium", "hard")
    }
    assert len(texts) == 3


def test_repair_lists_every_complaint_and_bounds_each() -> None:
    message = build_repair_message(
        [Complaint("weights_sum", "they sum to 0.9"), Complaint("oracle", "x" * 9_000)], gate="static"
    )
    assert message.role == "user"
    assert "- weights_sum: they sum to 0.9\n" in message.content
    assert len(message.content) < 4_500
    assert "cut off" not in message.content
    assert "cut off" in build_repair_message([Complaint("truncated_reply", "at 100")], gate="reply").content


def test_a_command_is_to_be_composed_not_restated() -> None:
    seed = Seed(id="c", problem="Sums a column.", command="awk '{s+=$2} END {print s}' t", domain="security")
    _, user = build(seed=seed)
    assert "```bash\nawk '{s+=$2} END {print s}' t\n```\n\nSums a column.\n" in user
    assert "Compose it" in user
    assert "Turn the problem" not in user
    assert "\n\n\n" not in user
