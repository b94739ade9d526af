"""Harbor task directories and ATIF files: their shape, and the tasks graded in a container as Harbor grades them.

Harbor itself needs a newer Python than this package; its format is checked here field by field.
"""

from __future__ import annotations

import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from terminal_task_gen.finding import RuleName
from terminal_task_gen.task import Task
from tests.export.conftest import Ttg
from tests.export.samples import make_run, make_sample_task

SCORE = Path(__file__).resolve().parents[2] / "terminal_task_gen" / "export" / "harbor" / "score.py"


def export(ttg: Ttg, run: Path, form: str, *args: str) -> Path:
    result = ttg("export", str(run), "-f", form, "-o", str(run / form), *args)
    assert result.code == 0, result.err
    return run / form


def test_task_directories_have_all_that_harbor_asks_for(tmp_path: Path, ttg: Ttg) -> None:
    folder = export(ttg, make_run(tmp_path), "harbor")
    made = [make_sample_task(number) for number in range(16)]
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {task.id for task in made}
    for task in made:
        place = folder / task.id
        toml = tomllib.loads((place / "task.toml").read_text(encoding="utf-8"))
        assert (toml["schema_version"], toml["task"]["name"]) == ("1.4", f"ttg/{task.id}")
        assert toml["task"]["description"] == task.title
        environment = toml["environment"]
        assert (environment["workdir"], environment["cpus"], environment["memory_mb"]) == ("/app", 1, 2048)
        assert "network_mode" not in environment and toml["metadata"]["needs_network"] is False
        # A prebuilt image is named only where it is all the task needs.
        assert environment.get("docker_image") == (None if task.files else "ttg-base:latest")
        assert (place / "instruction.md").read_text(encoding="utf-8") == task.instruction + "\n"
        assert (place / "solution" / "solve.sh").is_file() == (task.solution is not None)
        assert orjson.loads((place / "tests" / "weights.json").read_bytes()) == task.weights
        for file in task.files:
            copied = place / "environment" / "files" / file.path
            assert copied.read_bytes() == file.to_bytes()
            assert bool(copied.stat().st_mode & stat.S_IXUSR) == file.executable
        dockerfile = (place / "environment" / "Dockerfile").read_text(encoding="utf-8")
        assert dockerfile == "FROM ttg-base:latest\n" + ("COPY files/ /app/\n" if task.files else "")


def test_dockerfiles_can_stand_alone(tmp_path: Path, ttg: Ttg) -> None:
    run = make_run(tmp_path, tasks=1)
    shard = next((run / "tasks").glob("tasks-*.jsonl"))
    task = Task.model_validate_json(shard.read_bytes()).model_copy(update={"image": "security"})
    shard.write_text(task.model_dump_json() + "\n", encoding="utf-8")
    folder = export(ttg, run, "harbor", "--base", "dockerfile", "--organisation", "me", "--enforce-network")
    environment = folder / task.id / "environment"
    lines = (environment / "Dockerfile").read_text(encoding="utf-8").splitlines()
    starts = [line for line in lines if line.startswith(("FROM", "ARG BASE"))]
    assert starts == ["ARG BASE=debian:trixie-slim", "FROM ${BASE} AS base", "FROM base AS security"]
    assert (environment / "ca" / "README.md").is_file()
    toml = tomllib.loads((folder / task.id / "task.toml").read_text(encoding="utf-8"))
    assert "docker_image" not in toml["environment"]
    assert (toml["task"]["name"], toml["environment"]["network_mode"]) == (f"me/{task.id}", "no-network")


def test_a_task_with_a_benchmarks_words_stays_out(tmp_path: Path, ttg: Ttg) -> None:
    run = make_run(tmp_path, tasks=4, dropped=RuleName.CONTAMINATION)
    folder = export(ttg, run, "harbor")
    report = orjson.loads((folder / "export.json").read_bytes())
    assert (report["tasks"], report["left_out"]) == (3, {"shares words with a benchmark": 1})
    assert not (folder / make_sample_task(0).id).exists()


def score(work: Path, weights: dict[str, float], events: list[Any]) -> tuple[int, dict[str, Any]]:
    (work / "weights.json").write_bytes(orjson.dumps(weights))
    (work / "results.jsonl").write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in events) + b'{"torn')
    ran = subprocess.run([sys.executable, "-I", str(SCORE), str(work), str(work)], check=False, timeout=60)
    reward = orjson.loads((work / "reward.json").read_bytes())["reward"]
    assert float((work / "reward.txt").read_text()) == reward
    ctrf: dict[str, Any] = orjson.loads((work / "ctrf.json").read_bytes())["results"]
    assert ctrf["summary"]["tests"] == len(weights) == len(ctrf["tests"])
    return ran.returncode, {"reward": reward, **{test["name"]: test["rawStatus"] for test in ctrf["tests"]}}


def test_the_score_is_the_weight_of_what_passed(tmp_path: Path) -> None:
    passed = [{"kind": "result", "name": n, "status": "passed", "message": ""} for n in ("test_a", "test_b", "test_b")]
    failed = {"kind": "result", "name": "test_c", "status": "failed", "message": "1 != 2"}
    collected = {"kind": "collected", "names": ["test_a", "test_b", "test_b", "test_b", "test_c"]}
    weights = {"test_a": 0.1, "test_b": 0.2, "test_c": 0.3, "test_d": 0.4}
    code, told = score(tmp_path, weights, [collected, *passed, failed])
    # A case of test_b gave no result, and nobody found test_d.
    assert code == 1
    assert told == {"reward": 0.1, "test_a": "passed", "test_b": "missing", "test_c": "failed", "test_d": "missing"}
    assert score(tmp_path, {"test_a": 0.3, "test_b": 0.7}, passed) == (
        0,
        {"reward": 1.0, "test_a": "passed", "test_b": "passed"},
    )
    assert score(tmp_path, {"test_a": 1.0}, [])[1] == {"reward": 0.0, "test_a": "missing"}


@pytest.mark.docker
class TestInAContainer:
    """Build, start, bring the solution or not, bring the tests, run them, read the reward: Harbor's own order."""

    @pytest.fixture(scope="class")
    @staticmethod
    def tag(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
        tag = f"ttg-export-test-{tmp_path_factory.getbasetemp().name}"
        yield tag
        docker("rmi", "--force", tag)

    @pytest.fixture
    def place(self, tmp_path: Path, ttg: Ttg) -> Path:
        return export(ttg, make_run(tmp_path, tasks=3), "harbor") / make_sample_task(1).id

    @pytest.mark.parametrize(
        ("solve", "reward"),
        [
            ("true", 0.0),
            ("bash /solution/solve.sh", 1.0),
            ("bin/show | awk '{n += $1} END {print n}' > total.txt", 0.75),
            ("exec 2>/dev/null; bash /solution/solve.sh; mkdir -p /tests; echo boom > /tests/conftest.py", 1.0),
        ],
        ids=["nop", "oracle", "partial", "mischief"],
    )
    def test_the_reward_is_right(self, place: Path, tag: str, solve: str, reward: float) -> None:
        docker("build", "--quiet", "--tag", tag, str(place / "environment"))
        container = docker("run", "--detach", "--network", "none", tag, "sh", "-c", "sleep infinity")
        try:
            docker("cp", f"{place}/solution/.", f"{container}:/solution")
            docker("exec", "--workdir", "/app", container, "bash", "-c", solve)
            docker("exec", container, "mkdir", "-p", "/tests", "/logs/verifier")
            docker("cp", f"{place}/tests/.", f"{container}:/tests")
            docker(
                "exec",
                "--workdir",
                "/app",
                container,
                "bash",
                "-c",
                "(/tests/test.sh) > /logs/verifier/out.txt 2>&1 || true",
            )
            assert float(docker("exec", container, "cat", "/logs/verifier/reward.txt")) == reward
            assert orjson.loads(docker("exec", container, "cat", "/logs/verifier/reward.json")) == {"reward": reward}
            assert docker("exec", container, "sh", "-c", "ls /logs/verifier | sort | xargs") == (
                "ctrf.json out.txt reward.json reward.txt"
            )
        finally:
            docker("rm", "--force", container)


def docker(*args: str) -> str:
    ran = subprocess.run(["docker", *args], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_trajectories_are_told_as_atif_wants_them(tmp_path: Path, ttg: Ttg) -> None:
    folder = export(ttg, make_run(tmp_path, tasks=4, dropped=RuleName.IDENTITY), "atif")
    files = sorted(folder.glob("*/*.json"))
    assert len(files) == 3
    for path in files:
        told = orjson.loads(path.read_bytes())
        assert (told["schema_version"], told["trajectory_id"]) == ("ATIF-v1.8", path.stem)
        assert path.parent.name == told["extra"]["domain"]
        assert [step["step_id"] for step in told["steps"]] == [1, 2, 3]
        assert [step["source"] for step in told["steps"]] == ["user", "agent", "agent"]
        first, last = told["steps"][1:]
        assert (first["message"], first["reasoning_content"]) == (
            "Analysis: Three numbers.\nPlan: Add.",
            "Let me look.",
        )
        (call,) = first["tool_calls"]
        assert call["arguments"] == {"keystrokes": "ls\n", "duration": 0.1}
        assert first["observation"]["results"][0]["source_call_id"] == call["tool_call_id"] == "call_0_1"
        assert last["tool_calls"][0]["function_name"] == "mark_task_complete" and "observation" not in last
        assert told["final_metrics"] == {
            "total_prompt_tokens": 100, "total_completion_tokens": 20, "total_cached_tokens": 0, "total_steps": 3,
        }  # fmt: skip
        assert b"null" not in path.read_bytes()
