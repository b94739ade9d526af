"""What the model sees under Harbor's terminus-2 and under ours, step by step, for the same replies.

Both play the conversations of `cases.py` against a scripted teacher. Compared is every message that the model is
answered with, after taking out what must differ: the host's name, and blank rows at the end. Unequal steps are printed
side by side and counted by case; docs/parity.md explains each.

    python -m benchmarks.rollout.parity --harbor /path/to/harbor [--write differences.txt]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.faults.campaign import serve
from benchmarks.rollout.cases import CASES
from benchmarks.rollout.engine import open_engine
from benchmarks.rollout.measure import NO_GRACE, make_command
from benchmarks.rollout.workload import IMAGE, make_task, reply, write_harbor_task, write_run, write_script

PARALLEL = 4
MAX_SHOWN_CHARS = 1_500
_HOST = re.compile(r"(root|\(reverse-i-search\))@[\w.-]+:")
Seen = dict[str, list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares what Harbor's agent and ours show the model.")
    parser.add_argument("--harbor", type=Path, required=True)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--write", type=Path, help="where the unequal steps go, whole; default: printed, shortened")
    given = parser.parse_args()
    names = given.cases.split(",")
    scratch = Path(tempfile.mkdtemp(prefix="ttg-parity-"))
    for name in names:
        replies = [*CASES[name], reply((), done=True), reply((), done=True)]
        write_script(scratch / "repertoire", name, replies, f"Parity case {name}\\.")
        write_harbor_task(scratch / "tasks" / name, name, f"Parity case {name}.")
    (scratch / "no-grace.yaml").write_text(NO_GRACE)
    with serve(scratch, "", 0.0) as server, open_engine(f"{IMAGE}:latest") as engine:
        tasks = [make_task(name, f"Parity case {name}.") for name in names]
        write_run(scratch / "ours", tasks, server.base_url, parallel=PARALLEL)
        ttg = [str(Path(sys.executable).with_name("ttg")), "rollout", str(scratch / "ours")]
        harbor = make_command("harbor-fast", scratch / "theirs", server.base_url, 1, PARALLEL, given.harbor)
        quiet = {"HARBOR_TELEMETRY": "0", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "OPENAI_API_KEY": "none"}
        for command in (ttg, harbor):
            with (scratch / "output.log").open("ab") as log:
                subprocess.run(
                    command, cwd=scratch, env={**engine.environ, **quiet}, stdout=log, stderr=log, check=True
                )
    compare(names, read_ours(scratch / "ours"), read_theirs(scratch / "theirs"), given.write)


def read_ours(run: Path) -> Seen:
    seen: Seen = {}
    for path in run.glob("trajectories/trajectories-*"):
        for row in map(json.loads, path.read_text().splitlines()):
            seen[row["task_id"].partition("-")[2]] = [step["observation"] for step in row["steps"][:-1]]
    return seen


def read_theirs(jobs: Path) -> Seen:
    seen: Seen = {}
    for path in jobs.glob("*/*/agent/trajectory.json"):
        steps = [step for step in json.loads(path.read_text())["steps"] if step["source"] == "agent"]
        name = path.parents[1].name.rpartition("__")[0]
        seen[name] = ["".join(r["content"] for r in step["observation"]["results"]) for step in steps[:-1]]
    return seen


def normalise(text: str) -> str:
    text = _HOST.sub(r"\1@host:", text)
    return re.sub(r"\n{2,}(?=\n\nAre you sure|$)", "\n", text).rstrip("\n")


def compare(names: list[str], ours: Seen, theirs: Seen, write: Path | None) -> None:
    steps = equal = 0
    shown: list[str] = []
    for name in names:
        mine, their = ours.get(name, []), theirs.get(name, [])
        same = [normalise(a) == normalise(b) for a, b in zip(mine, their, strict=False)]
        steps, equal = steps + max(len(mine), len(their)), equal + sum(same)
        print(f"{name:<16} {sum(same)} of {max(len(mine), len(their))} steps equal")
        for number, is_same in enumerate(same, start=1):
            if not is_same:
                texts = (f"----- {side}\n{normalise(seen[number - 1])}\n" for side, seen in
                         (("harbor", their), ("ours", mine)))  # fmt: skip
                shown.append(f"===== {name}, step {number}\n{''.join(texts)}")
    print(f"{equal} of {steps} steps equal")
    if write is not None:
        write.write_text("\n".join(shown))
    else:
        print("\n".join(text[:MAX_SHOWN_CHARS] for text in shown))
    if not steps or set(names) - set(ours) or set(names) - set(theirs):
        sys.exit(f"no conversation of {sorted((set(names) - set(ours)) | (set(names) - set(theirs)))}{os.linesep}")


if __name__ == "__main__":
    main()
