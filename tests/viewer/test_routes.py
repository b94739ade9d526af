"""Every route over a small run whose numbers can be recounted from its files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.demo_run import read_lines
from tests.viewer.conftest import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")
RUN = "api/runs/sample"


@pytest.fixture(scope="module")
def rows(sample_run: Path) -> list[dict[str, Any]]:
    """Trajectories, each with its task under `task`."""
    tasks = {task["id"]: task for task in read_lines(sample_run, "tasks/tasks-*.jsonl")}
    lines = read_lines(sample_run, "trajectories/trajectories-*.jsonl")
    return [{**row, "task": tasks[row["task_id"]]} for row in lines]


async def test_runs(client: Client, sample_run: Path) -> None:
    (run,) = (await client.get("api/runs"))["runs"]
    assert run["path"] == str(sample_run)
    assert run["index"]["state"] == "ready" and run["index"]["done_bytes"] == run["index"]["total_bytes"] > 0
    counts = {"tasks": 16, "rejected": 0, "owed": 0, "trajectories": 32, "failed": 0, "kept": 31, "dropped": 1}
    assert {name: run["counts"][name] for name in counts} == counts
    assert run["damage"] == {"lines": 0, "first": []} and run["filtered"] and not run["writing"]
    described = await client.get(RUN)
    assert "name: sample" in described["config"]["text"] and described["models"] == ["local/actor"]


async def test_funnel_and_comparison(client: Client, rows: list[dict[str, Any]]) -> None:
    funnel = await client.get(f"{RUN}/funnel")
    passed = sum(row["verdict"]["passed"] for row in rows)
    zero = sum(row["verdict"]["reward"] == 0 for row in rows)
    rolled = funnel["rollout"]
    assert (rolled["attempts"], rolled["passed"], rolled["zero"]) == (32, passed, zero)
    assert rolled["partial"] == 32 - passed - zero
    assert rolled["stop_reasons"] == {"completed": 32}
    assert funnel["filter"]["drop_reasons"] == {"benchmark_ngram": 1}
    assert funnel["filter"]["kept"] == 31
    by_domain = Counter(row["domain"] for row in rows)
    assert {group["name"]: group["trajectories"] for group in funnel["domains"]} == by_domain
    (security,) = (group for group in funnel["domains"] if group["name"] == "security")
    rewards = [row["verdict"]["reward"] for row in rows if row["domain"] == "security"]
    assert security["mean_reward"] == pytest.approx(sum(rewards) / len(rewards), abs=1e-5)
    assert (await client.get("api/compare?run=sample&run=sample"))["runs"] == [funnel, funnel]


@pytest.mark.parametrize(
    "values", [{"domain": "security"}, {"difficulty": "hard"}, {"mode": "seed"}, {"skill": "merge tables"}]
)
async def test_a_facet_chooses_and_counts(client: Client, rows: list[dict[str, Any]], values: dict[str, str]) -> None:
    ((name, value),) = values.items()

    def read_values(row: dict[str, Any]) -> list[str]:
        task = row["task"]
        own = {"domain": task["domain"], "difficulty": task["difficulty"], "mode": task["lineage"]["mode"]}
        return task["skills"] if name == "skill" else [own[name]]

    found = await client.get(f"{RUN}/trajectories?limit=500", params=values)
    wanted = [row["id"] for row in rows if value in read_values(row)]
    assert [row["id"] for row in found["rows"]] == wanted and found["total"] == len(wanted)
    counts = {entry["value"]: entry["count"] for entry in found["facets"][name]}
    assert counts == Counter(v for row in rows for v in read_values(row)), "a facet is not narrowed by its own choice"
    others = {entry["value"]: entry["count"] for entry in found["facets"]["passed"]}
    assert sum(others.values()) == len(wanted), "the others are"


async def test_facets_search_sorting_and_paging_at_once(client: Client, rows: list[dict[str, Any]]) -> None:
    path = f"{RUN}/trajectories?domain=security&difficulty=easy&difficulty=hard&q=sum+numbers&sort=-reward&limit=3"
    wanted = [row for row in rows if row["domain"] == "security" and row["task"]["difficulty"] != "medium"]
    seen: list[dict[str, Any]] = []
    while len(seen) < len(wanted):
        page = await client.get(f"{path}&offset={len(seen)}")
        assert page["total"] == len(wanted) and page["rows"]
        seen += page["rows"]
    assert {row["id"] for row in seen} == {row["id"] for row in wanted}
    rewards = [row["reward"] for row in seen]
    assert rewards == sorted(rewards, reverse=True)
    assert (await client.get(f"{path}&offset=1000"))["rows"] == []


@pytest.mark.parametrize("key", ["reward", "turns", "tokens", "seconds", "attempt", "id", "task", "domain"])
async def test_sorting(client: Client, key: str) -> None:
    up = (await client.get(f"{RUN}/trajectories?limit=500&facets=0&sort={key}"))["rows"]
    down = (await client.get(f"{RUN}/trajectories?limit=500&facets=0&sort=-{key}"))["rows"]
    values = [row["task_id" if key == "task" else key] for row in up]
    assert values == sorted(values) and down == up[::-1]


@pytest.mark.parametrize(
    ("q", "total"),
    [
        ("numbers", 32),
        ("NUMBERS three", 32),
        ("numb*", 32),
        ("numb", 0),
        ("total note", 32),
        ('"Let me look"', 32),
        ('"look me let"', 0),
        ("numbers -three", 0),
        ("-absent", 32),
        ('"sum of 1, 2 and 3"', 32),
    ],
)
async def test_search(client: Client, q: str, total: int) -> None:
    """Words of the instruction, of replies and of commands; of screens they are not."""
    found = await client.get(f"{RUN}/trajectories", params={"q": q})
    assert found["total"] == total
    assert found["search"]["unchecked"] == 0


async def test_search_finds_ids(client: Client, rows: list[dict[str, Any]]) -> None:
    found = await client.get(f"{RUN}/trajectories", params={"q": rows[5]["id"]})
    assert [row["id"] for row in found["rows"]] == [rows[5]["id"]]
    found = await client.get(f"{RUN}/trajectories", params={"q": rows[5]["task_id"]})
    assert [row["id"] for row in found["rows"]] == [row["id"] for row in rows if row["task_id"] == rows[5]["task_id"]]


async def test_task_list(client: Client, rows: list[dict[str, Any]]) -> None:
    found = await client.get(f"{RUN}/tasks?limit=500&sort=-solve_rate")
    assert found["total"] == 16
    passed = {row["task_id"] for row in rows if row["verdict"]["passed"]}
    assert {row["id"] for row in found["rows"] if row["passed"] == 2} == passed
    counts = {entry["value"]: entry["count"] for entry in found["facets"]["solve"]}
    assert counts == {"unsolved": 16 - len(passed), "always": len(passed)}
    assert {row["id"] for row in (await client.get(f"{RUN}/tasks?solve=always"))["rows"]} == passed


async def test_task_page(client: Client, rows: list[dict[str, Any]]) -> None:
    task = rows[2]["task"]
    shown = await client.get(f"{RUN}/tasks/{task['id']}")
    assert shown["instruction"] == {"text": task["instruction"], "more_bytes": 0}
    assert shown["weights"] == task["weights"] and shown["tests"]["text"] == task["tests"]
    assert [(file["path"], file["content"]["text"]) for file in shown["files"]] == [
        (file["path"], file["content"]) for file in task["files"]
    ]
    assert [row["id"] for row in shown["attempts"]] == [row["id"] for row in rows if row["task_id"] == task["id"]]
    assert shown["lineage"]["author_model"] == "local/author" and shown["solution"]["text"] == task["solution"]
    assert (await client.get(f"{RUN}/tasks/{shown['request_id']}"))["id"] == task["id"]


async def test_trajectory_page(client: Client, rows: list[dict[str, Any]]) -> None:
    row = rows[0]
    shown = await client.get(f"{RUN}/trajectories/{row['id']}")
    first, last = shown["turns"]
    assert first["reasoning"]["text"] == "Let me look."
    assert (first["analysis"]["text"], first["plan"]["text"]) == ("Three numbers.", "Add.")
    assert first["commands"] == [{"keystrokes": {"text": "ls\n", "more_bytes": 0}, "duration_sec": 0.1}]
    assert first["screen"]["text"] == row["steps"][0]["observation"]
    assert last["task_complete"] and last["start_sec"] is None and shown["recording"] is None
    assert shown["verdict"]["tests"][0]["name"] == "test_total"
    assert shown["filter"]["drop"] == "benchmark_ngram"
    assert shown["filter"]["findings"][0]["match"]["text"] == "m"
    assert shown["neighbours"]["attempts"] == [rows[1]["id"]]
    (only,) = (await client.get(f"{RUN}/trajectories/{row['id']}?turn=2"))["turns"]
    assert only == last


async def test_diff_of_two_attempts(client: Client, rows: list[dict[str, Any]]) -> None:
    same = await client.get(f"{RUN}/diff?left={rows[0]['id']}&right={rows[1]['id']}")
    assert [turn["op"] for turn in same["turns"]] == ["equal", "equal"] and not same["truncated"]
    other = await client.get(f"{RUN}/diff?left={rows[0]['id']}&right={rows[4]['id']}&right_run=sample")
    assert {test["name"] for test in other["tests"]} == {"test_total", "test_note"}


@pytest.mark.parametrize(
    "path",
    [
        *(
            "api/runs/nobody",
            "api/runs/nobody/funnel",
            f"{RUN}/trajectories/traj-0",
            f"{RUN}/tasks/task-0",
            "api/nothing",
        ),
        *(f"{RUN}/trajectories/traj-0/recording", f"{RUN}/notes/traj-0", f"{RUN}/diff?left=a&right=b"),
        *("api/compare?run=nobody", "page/nothing.js", f"{RUN}/trajectories?task=nothing"),
    ],
)
async def test_what_is_not_there_is_404_in_json(client: Client, path: str) -> None:
    answer = await client.ask(path)
    assert (answer.status, answer.data["error"]["code"]) == (404, "not_found")
    assert "\n" not in answer.data["error"]["message"]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        *(("sort=height", "sort"), ("limit=-1", "limit"), ("limit=501", "limit"), ("offset=x", "offset")),
        *(
            ("q=%22%22", "q"),
            ("colour=red", "colour"),
            ("facet_q=colour:x", "facet_q"),
            ("limit=9999999999999999", "limit"),
        ),
    ],
)
async def test_a_bad_parameter_is_400_and_named(client: Client, query: str, named: str) -> None:
    answer = await client.ask(f"{RUN}/trajectories?{query}")
    assert (answer.status, answer.data["error"]["code"]) == (400, "bad_request")
    assert answer.data["error"]["message"].startswith(f"{named}:")


async def test_a_method_that_is_not_there(client: Client) -> None:
    answer = await client.ask(f"{RUN}/trajectories", method="DELETE")
    assert (answer.status, answer.data["error"]["code"]) == (405, "method_not_allowed")


async def test_the_page_is_served(client: Client) -> None:
    answer = await client.ask("")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/html")
    assert (await client.ask("page/index.html")).data == answer.data
