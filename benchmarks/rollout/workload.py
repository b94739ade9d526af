"""One task in both forms, and the replies that solve it: four turns and the confirmation, eight commands of 0.1 s.

Harbor's form is a task directory over a prebuilt image; ours is a line of `tasks/` in a run directory. Image,
instruction and tests are the same, and the same scripted teacher answers both.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from terminal_task_gen.task import Limits, Lineage, Task

IMAGE = "ttgbench-rollout"
"""`docker build -t ttgbench-rollout benchmarks/rollout/image`: our base image with the asciinema that Harbor wants."""
DOMAIN = "data_processing"
MODEL = "scripted"
INSTRUCTION = "Benchmark: write the sum of /app/numbers.txt, which you make from 1 to 100, to /app/sum.txt."
TESTS = """\
from pathlib import Path


def test_sum():
    assert Path("/app/sum.txt").read_text().strip() == "5050"


def test_numbers():
    assert len(Path("/app/numbers.txt").read_text().split()) == 100
"""
TURNS = (
    ("pwd\n", "ls -la\n"),
    ("seq 1 100 > numbers.txt\n", "wc -l numbers.txt\n"),
    ("awk '{ n += $1 } END { print n }' numbers.txt > sum.txt\n", "cat sum.txt\n"),
    ("head -3 numbers.txt\n", "tail -3 numbers.txt\n"),
)
_TEST_SH = """\
#!/bin/bash
cd /app
python3 -m pytest -q -p no:cacheprovider /tests/test_outputs.py
[ $? = 0 ] && echo 1 > /logs/verifier/reward.txt || echo 0 > /logs/verifier/reward.txt
"""
_TASK_TOML = """\
schema_version = "1.4"
[task]
name = "bench/{name}"
[environment]
docker_image = "{image}"
workdir = "/app"
[agent]
timeout_sec = 600
[verifier]
timeout_sec = 120
"""


def reply(keys: Sequence[str], *, done: bool = False, duration_sec: float = 0.1) -> str:
    commands = [{"keystrokes": typed, "duration": duration_sec} for typed in keys]
    return json.dumps({"analysis": "As seen.", "plan": "Go on.", "commands": commands, "task_complete": done})


def list_replies() -> list[str]:
    *first, last = TURNS
    return [*(reply(keys) for keys in first), reply(last, done=True), reply((), done=True)]


def write_script(repertoire: Path, name: str, replies: Sequence[str], match: str) -> None:
    """Replies for the scripted teacher, found by a regex of the conversation."""
    folder = repertoire / DOMAIN / name
    folder.mkdir(parents=True)
    (folder / "script.yaml").write_text(yaml.safe_dump({"actor": {"match": [match]}}))
    for number, text in enumerate(replies, start=1):
        (folder / f"actor-{number}.md").write_text(text)


def write_harbor_task(folder: Path, name: str, instruction: str, tests: str = TESTS) -> None:
    for part in ("environment", "tests"):
        (folder / part).mkdir(parents=True)
    (folder / "task.toml").write_text(_TASK_TOML.format(name=name, image=f"{IMAGE}:latest"))
    (folder / "instruction.md").write_text(instruction)
    # With a Dockerfile there nothing is copied into the working directory; the image is used as it is.
    (folder / "environment" / "Dockerfile").write_text(f"FROM {IMAGE}:latest\n")
    (folder / "tests" / "test_outputs.py").write_text(tests)
    script = folder / "tests" / "test.sh"
    script.write_text(_TEST_SH)
    script.chmod(0o755)


def make_task(name: str, instruction: str, tests: str = TESTS) -> Task:
    return Task(
        id=f"{DOMAIN}-{name}",
        domain=DOMAIN,
        image=IMAGE.removeprefix("ttgbench-"),
        difficulty="easy",
        title=name,
        instruction=instruction,
        files=(),
        tests=tests,
        weights={"test_sum": 0.5, "test_numbers": 0.5},
        limits=Limits(agent_timeout_sec=600.0, verifier_timeout_sec=120.0, memory_mb=1024),
        lineage=Lineage(request_id=name, mode="skill", index=0, author_model=MODEL, prompt_version="bench"),
    )


def write_run(run: Path, tasks: Sequence[Task], base_url: str, **rollout: object) -> None:
    """A run directory whose tasks are there, so that `ttg rollout` is next."""
    (run / "tasks").mkdir(parents=True)
    author = {"base_url": base_url, "model": MODEL, "api_key_env": "", "parallel": 64}
    config = {
        "name": run.name,
        "output_dir": str(run.parent),
        # Every reply is asked for: Harbor keeps none either.
        "teacher": {"author": author, "cache": False},
        "sandbox": {"driver": "docker", "image_prefix": "ttgbench"},
        "rollout": rollout,
    }
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    lines = "".join(task.model_dump_json() + "\n" for task in tasks)
    (run / "tasks" / "tasks-00000.jsonl").write_text(lines)
