"""Counting: what rows of shards come to, whatever the order of the lines, damage and repeats included."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest

from terminal_task_gen.chunks import Chunk
from terminal_task_gen.stats.count import RunCount, read_attempts, read_refused, read_tasks, spread
from terminal_task_gen.stats.page import render_page
from terminal_task_gen.stats.pictures import draw_all
from terminal_task_gen.stats.published import PUBLISHED
from terminal_task_gen.stats.survey import Survey
from terminal_task_gen.stats.tables import list_tables

USAGE = {"calls": 1, "prompt_tokens": 10, "completion_tokens": 5, "cost_usd": 0.25}


def make_task(
    number: int, *, domain: str = "security", mode: str = "skill", skills: tuple[str, ...] = ()
) -> dict[str, Any]:
    return {
        "id": f"{domain}-{number}",
        "domain": domain,
        "difficulty": "easy" if number % 2 else "hard",
        "lineage": {"request_id": f"req-{number}", "mode": mode},
        "skills": skills,
        "usage": USAGE,
    }


def make_attempt(task: dict[str, Any], attempt: int, *, passed: bool, turns: int = 7) -> dict[str, Any]:
    return {
        "id": f"traj-{task['id']}-{attempt}",
        "task_id": task["id"],
        "model": "m",
        "stop_reason": "completed" if passed else "max_turns",
        "steps": [{}] * turns,
        "messages": [{"role": "user", "content": "x" * 35}, {"role": "assistant", "content": "y", "reasoning": None}],
        "verdict": {"judged": True, "passed": passed, "reward": 1.0 if passed else 0.5},
        "usage": USAGE,
        "wasted_usage": USAGE,
    }


def make_refusal(id: str, reason: str, cause: str = "merit") -> dict[str, Any]:
    return {"id": id, "reason": reason, "cause": cause, "usage": USAGE}


def as_chunk(path: Path, rows: list[dict[str, Any]], *, damage: bytes = b"") -> Chunk:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows) + damage)
    return Chunk(path, 0, path.stat().st_size)


@pytest.fixture
def survey(tmp_path: Path) -> Survey:
    tasks = [
        make_task(1, skills=("a", "b")),
        make_task(2, skills=("a", "odd")),
        make_task(3, domain="d&<x>", mode="adapt"),
    ]
    attempts = [make_attempt(tasks[0], n, passed=n == 0) for n in range(3)] + [
        make_attempt(tasks[2], 0, passed=True, turns=99)
    ]
    refused = [
        make_refusal("req-9", "oracle"),
        make_refusal("req-1", "timeout", "teacher_unavailable"),
        make_refusal("req-9", "leak"),
    ]
    failed = [make_refusal("traj-x", "sandbox_died", "sandbox_failed"), make_refusal(attempts[0]["id"], "sandbox_died")]
    count = RunCount()
    count.add_tasks(read_tasks(as_chunk(tmp_path / "tasks.jsonl", tasks, damage=b'{"id":1}\nnot JSON\n')))
    count.add_rejected(read_refused(as_chunk(tmp_path / "rejected.jsonl", refused)))
    count.add_attempts(read_attempts(as_chunk(tmp_path / "trajectories.jsonl", attempts)))
    count.add_failed(read_refused(as_chunk(tmp_path / "failed.jsonl", failed)))
    report = {
        "filtered": {
            "kept": 3,
            "dropped": 1,
            "rules": [{"rule": "identity", "first": 1}, {"rule": "empty", "first": 0}],
        }
    }
    return count.build("a <run>", taxonomy={"security": {"T": ("a", "b", "c")}}, report=report)


def test_the_funnel_counts_each_item_once(survey: Survey) -> None:
    funnel = survey.funnel
    assert (funnel.tasks, funnel.rejected, funnel.trajectories, funnel.failed) == (3, 1, 4, 1)
    assert (funnel.passed, funnel.kept, funnel.dropped) == (2, 3, 1)
    assert funnel.rejected_reasons == {"leak": 1}
    assert funnel.failed_reasons == {"sandbox_died (owed)": 1}
    assert funnel.drop_reasons == {"identity": 1}
    assert survey.damaged_lines == 2


def test_streams_follow_the_mode(survey: Survey) -> None:
    everything, synthetic, adapters = (survey.get_stream(name) for name in ("all", "synthetic", "adapters"))
    assert everything and synthetic and adapters
    assert (everything.trajectories, synthetic.trajectories, adapters.trajectories) == (4, 3, 1)
    assert synthetic.turns.mean == 7 and synthetic.turns.bins == {0: 0, 5: 3}
    assert adapters.turns.peak == 50, "the last bin takes the rest"
    assert (synthetic.completed, synthetic.passed) == (1, 1)


def test_solve_rates_and_skills(survey: Survey) -> None:
    easy = next(cell for cell in survey.cells if (cell.domain, cell.difficulty) == ("security", "easy"))
    assert (easy.attempts, easy.passed, easy.solved, easy.reward) == (3, 1, 1, round(2 / 3, 4))
    uses = {(skill.type, skill.text): (skill.tasks, skill.attempts) for skill in survey.skills}
    assert uses == {("T", "a"): (2, 3), ("T", "b"): (1, 3), ("T", "c"): (0, 0), ("", "odd"): (1, 0)}


def test_what_was_wasted_is_paid_for(survey: Survey) -> None:
    assert survey.generated.calls == 3 + 3
    assert survey.rolled_out.calls == 2 * 4 + 2
    assert survey.usage.cost_usd == 0.25 * 16


@pytest.mark.parametrize(
    ("values", "median", "p90"), [([1], 1, 1), ([1, 2], 1.5, 2), ([3, 1, 2], 2, 3), (list(range(1, 11)), 5.5, 9)]
)
def test_the_middle_of_values(values: list[int], median: float, p90: int) -> None:
    found = spread(Counter(values), 5, 50)
    assert (found.median, found.p90, found.largest) == (median, p90, max(values))
    assert sum(found.bins.values()) == len(values)


def test_pictures_and_page_hold_up_with_names_that_are_markup(survey: Survey) -> None:
    for surveys in ([survey], [survey, survey]):
        pictures = draw_all(surveys)
        for svg in pictures.values():
            ElementTree.fromstring(svg)
        page = render_page(surveys, list_tables(surveys), pictures)
        assert "<run>" not in page and "<x>" not in page and "d&amp;&lt;x&gt;" in page
        assert "<script" not in page and "src=" not in page and "url(" not in page and "@import" not in page


def test_an_empty_run_has_tables_and_pictures() -> None:
    empty = RunCount().build("empty", taxonomy={}, report=None)
    assert [table.title for table in list_tables([empty])] == ["Funnel", "Cost"]
    assert all(ElementTree.fromstring(svg) is not None for svg in draw_all([empty]).values())


def test_the_papers_rates_are_those_of_its_counts() -> None:
    synthetic, adapters = PUBLISHED
    assert f"{synthetic.passed:.3f} {synthetic.completed:.3f} {adapters.completed:.3f}" == "0.316 0.396 0.870"
