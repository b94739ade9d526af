"""Writes a synthetic run of any size, the same bytes each time: tasks and trajectories as the pipeline writes them.

    python benchmarks/filter/make_run.py /tmp/run --rows 200000

A trajectory holds some 9.7 kB of conversation after its prompt (words of a Zipf vocabulary in JSON replies and screens,
one message in five with typographic or box-drawing characters). In it, known by their attempt's number in truth.json:
near-duplicates of an earlier row (2 to 4% of words replaced), replies with 20 words in a row of a benchmark prompt, a
tenth of these short of the n-gram, and identity leaks. The benchmark of 200 made-up prompts is written beside the run.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import orjson

VOCABULARY = 60_000
DRAWN_AT_ONCE = 1 << 18
PROMPTS = 200
ATTEMPTS = 4
DUPLICATE_SHARE, CONTAMINATED_SHARE, LEAK_SHARE = 0.05, 0.01, 0.002
WINDOW = 2_000
"""A near-duplicate's original is at most so many rows back."""
ZERO = {"calls": 1, "prompt_tokens": 900, "completion_tokens": 90, "cached_tokens": 0, "reasoning_tokens": 0}
BOXES = ("├── ", "│   ", "└── ", "“", "”", " — ", "… ", "é", "→ ")
LEAKS = (
    "As DeepSeek, I list the files first.",
    "I am Qwen, made by Alibaba.",
    "作为一个人工智能语言模型，我会先看文件。",
)


class Writer:
    """The words, dealt from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        letters = "abcdefghijklmnopqrstuvwxyz"
        self.words = ["".join(self.random.choices(letters, k=self.random.randint(2, 11))) for _ in range(VOCABULARY)]
        self._shares = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
        self._shares /= self._shares[-1]
        self._draws = np.random.Generator(np.random.PCG64(seed))
        self._drawn: list[int] = []
        self._at = 0

    def write(self, count: int) -> list[str]:
        if self._at + count > len(self._drawn):
            self._drawn = np.searchsorted(self._shares, self._draws.random(DRAWN_AT_ONCE)).tolist()
            self._at = 0
        chosen = self._drawn[self._at : self._at + count]
        self._at += count
        return [self.words[rank] for rank in chosen]

    def write_text(self, count: int) -> str:
        words = self.write(count)
        if self.random.random() < 0.2:
            for _ in range(1 + count // 20):
                place = self.random.randrange(count)
                words[place] = self.random.choice(BOXES) + words[place]
        return " ".join(words)


def make_turns(writer: Writer, planted: str) -> list[tuple[str, str, str]]:
    """Analysis, keystrokes and screen of each turn."""
    turns = []
    count = writer.random.randint(5, 8)
    for turn in range(count):
        analysis = writer.write_text(1_130 // count * 7 // 16)
        if planted and turn == count // 2:
            analysis = f"{analysis} {planted}"
        turns.append((analysis, writer.write_text(12), writer.write_text(1_130 // count * 8 // 16)))
    return turns


def edit_turns(writer: Writer, turns: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    share = writer.random.uniform(0.02, 0.04)

    def edit(text: str) -> str:
        return " ".join(
            writer.random.choice(writer.words) if writer.random.random() < share else w for w in text.split(" ")
        )

    return [(edit(analysis), edit(keys), edit(screen)) for analysis, keys, screen in turns]


Turns = list[tuple[str, str, str]]


def make_trajectory(number: int, task: dict[str, Any], head: str, turns: Turns, *, passed: bool) -> dict[str, Any]:
    messages = [{"role": "user", "content": head, "reasoning": None}]
    steps: list[dict[str, Any]] = []
    for turn, (analysis, keys, screen) in enumerate(turns, start=1):
        commands = [{"keystrokes": f"{keys}\n", "duration": 1.0}]
        reply = json.dumps({"analysis": analysis, "plan": "Go on.", "commands": commands}, ensure_ascii=False)
        messages.append({"role": "assistant", "content": reply, "reasoning": None})
        messages.append({"role": "user", "content": screen, "reasoning": None})
        typed = [{"keystrokes": f"{keys}\n", "duration_sec": 1.0}]
        step = {"turn": turn, "commands": typed, "task_complete": False, "error": None, "warnings": []}
        steps.append({**step, "observation": screen, "usage": {**ZERO, "cost_usd": 0.0}})
    status = "passed" if passed else "failed"
    tests = [{"name": name, "status": status, "weight": 0.5, "message": ""} for name in ("test_a", "test_b")]
    verdict = {"reward": float(passed), "passed": passed, "tests": tests, "tampered": False, "system_changes": []}
    return {
        "id": f"traj-{number * 0x9E3779B97F4A7C15 % 2**64:016x}",
        "task_id": task["id"],
        "domain": task["domain"],
        "attempt": number % ATTEMPTS,
        "agent": "terminus-2",
        "model": "local/actor-1",
        "messages": messages,
        "steps": steps,
        "stop_reason": "completed" if number % 9 else "max_turns",
        "verdict": {**verdict, "log": ""},
        "usage": {**ZERO, "cost_usd": 0.0},
        "wasted_usage": {**ZERO, "calls": 0, "cost_usd": 0.0},
        "sandbox": "docker",
        "timings": {"started_at": "2026-01-01T00:00:00Z", "total_sec": 14.0},
    }


def make_task(number: int, instruction: str) -> dict[str, Any]:
    domain = ("security", "data_processing", "software_engineering")[number % 3]
    made = {"request_id": f"req-{number}", "mode": "skill", "index": number}
    return {
        "id": f"{domain}-{number:016x}",
        "domain": domain,
        "image": domain,
        "difficulty": ("easy", "medium", "hard")[number % 3],
        "title": f"Task {number}",
        "instruction": instruction,
        "files": [],
        "tests": "def test_a(): ...\ndef test_b(): ...\n",
        "weights": {"test_a": 0.5, "test_b": 0.5},
        "skills": ["read logs"],
        "tags": [],
        "lineage": {**made, "author_model": "local/author", "prompt_version": "1"},
    }


def write_run(folder: Path, rows: int, head: str) -> None:
    """The run's files, its benchmark and truth.json."""
    writer = Writer(20260101)
    prompts = [" ".join(writer.write(writer.random.randint(70, 140))) for _ in range(PROMPTS)]
    (folder / "tasks").mkdir(parents=True)
    (folder / "trajectories").mkdir()
    lines = [orjson.dumps({"task": f"bench-{n}", "instruction": prompt}) for n, prompt in enumerate(prompts)]
    (folder / "benchmark.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    truth: dict[str, list[str]] = {"duplicates": [], "contaminated": [], "short_of_ngram": [], "leaks": []}
    recent: list[list[tuple[str, str, str]]] = []
    with (folder / "tasks/tasks-00000.jsonl").open("wb") as tasks, Shards(folder / "trajectories") as shards:
        task: dict[str, Any] = {}
        for number in range(rows):
            if number % ATTEMPTS == 0:
                task = make_task(number // ATTEMPTS, " ".join(writer.write(90)) + ".")
                tasks.write(orjson.dumps(task) + b"\n")
            draw, planted, kind = writer.random.random(), "", ""
            if draw < DUPLICATE_SHARE and recent:
                turns, kind = edit_turns(writer, writer.random.choice(recent)), "duplicates"
            else:
                if draw > 1 - CONTAMINATED_SHARE:
                    words = writer.random.choice(prompts).split()
                    start = writer.random.randrange(len(words) - 20)
                    short = writer.random.random() < 0.1
                    planted, kind = (
                        " ".join(words[start : start + (13 if short else 20)]),
                        "short_of_ngram" if short else "contaminated",
                    )
                elif draw > 1 - CONTAMINATED_SHARE - LEAK_SHARE:
                    planted, kind = writer.random.choice(LEAKS), "leaks"
                turns = make_turns(writer, planted)
                recent = [*recent[-WINDOW + 1 :], turns] if len(recent) < WINDOW else recent
                recent[number % len(recent)] = turns
            row = make_trajectory(number, task, head.replace("{}", task["instruction"]), turns, passed=number % 5 != 0)
            shards.write(orjson.dumps(row) + b"\n")
            if kind:
                truth[kind].append(row["id"])
    (folder / "truth.json").write_bytes(orjson.dumps(truth))


class Shards:
    """Trajectories in shards of 256 MB, as the pipeline seals them."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number, self._stream = folder, 0, (folder / "trajectories-00000.jsonl").open("wb")

    def __enter__(self) -> Shards:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stream.close()

    def write(self, line: bytes) -> None:
        if self._stream.tell() > 256_000_000:
            self._stream.close()
            self._number += 1
            self._stream = (self._folder / f"trajectories-{self._number:05d}.jsonl").open("wb")
        self._stream.write(line)


def write_identity(folder: Path) -> None:
    """run.json and config.yaml, so that `ttg filter` takes the folder for a run."""
    from terminal_task_gen.config import Config, dump_config
    from terminal_task_gen.identity import Identity

    config = Config(name=folder.name, output_dir=folder.parent, date="2026-01-01")
    (folder / "config.yaml").write_text(dump_config(config))
    identity = Identity(
        run_id="00000000-0000-5000-8000-000000000000", created="2026-01-01", ttg_version="0", driver="docker",
        fingerprints={}, fields={}, image_digests={},
    )  # fmt: skip
    (folder / "run.json").write_text(identity.model_dump_json())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=200_000)
    arguments = parser.parse_args()
    from terminal_task_gen.rollout.json_dialect import JsonDialect

    head = JsonDialect().render_first_message(instruction="{}", terminal_state="root@sandbox:/app# ")
    write_run(arguments.folder, arguments.rows, head)
    write_identity(arguments.folder)


if __name__ == "__main__":
    main()
