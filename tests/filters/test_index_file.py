"""Index files: the same finds as from the text, the same bytes, no text in them, and refusals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from terminal_task_gen.errors import UsageError
from terminal_task_gen.filters.benchmarks import BenchmarkPrompt
from terminal_task_gen.filters.contamination import BenchmarkScreen, build_index
from terminal_task_gen.filters.index_file import read_index, write_index
from terminal_task_gen.filters.indexes import list_shipped

TEXTS = [" ".join(f"p{prompt}w{word}" for word in range(40)) for prompt in range(5)] + ["list all open ports of it"]
PROMPTS = [BenchmarkPrompt(benchmark="bench", entry=f"task-{n}", text=text) for n, text in enumerate(TEXTS)]


def write(path: Path, *, mask_numbers: bool = False) -> Path:
    write_index(path, build_index(PROMPTS, ngram=14, mask_numbers=mask_numbers))
    return path


def test_an_index_read_back_finds_what_the_text_finds(tmp_path: Path) -> None:
    screen = BenchmarkScreen((read_index(write(tmp_path / "a.idx")),))
    plain = BenchmarkScreen((build_index(PROMPTS, ngram=14),))
    texts = [
        *TEXTS,
        "so " * 9 + " ".join(TEXTS[2].split()[20:34]),
        "now list all open ports of it",
        "nothing of it " * 20,
    ]
    assert screen.find_in_instructions(texts) == plain.find_in_instructions(texts)
    assert set(screen.find_in_instructions(texts)) == {0, 1, 2, 3, 4, 5, 6, 7}


def test_an_index_holds_hashes_and_names_only_and_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.idx").read_bytes(), write(tmp_path / "b.idx").read_bytes()
    assert first == second
    assert b"p0w0" not in first and b"open ports" not in first and b"task-3" in first


def test_shipped_indexes_can_be_read_and_hold_no_text() -> None:
    shipped = {read_index(path).benchmark: path for path in list_shipped()}
    assert set(shipped) == {"terminal-bench-2.0"}
    for path in shipped.values():
        header = orjson.loads(path.read_bytes().split(b"\n", 1)[0])
        assert set(header) == {"format", "benchmark", "ngram", "mask_numbers", "entries", "grams", "wholes", "sha256"}
        assert len(header["entries"]) == 89 and all(" " not in entry for entry in header["entries"])


@pytest.mark.parametrize("harm", ["cut", "flipped", "header", "format", "absent"])
def test_a_bad_index_is_refused_in_a_line(tmp_path: Path, harm: str) -> None:
    path = write(tmp_path / "a.idx")
    content = path.read_bytes()
    head, _, body = content.partition(b"\n")
    harmed = {
        "cut": content[:-5],
        "flipped": content[:-1] + bytes([content[-1] ^ 1]),
        "header": b"not json\n" + body,
        "format": head.replace(b'"format":1', b'"format":2') + b"\n" + body,
        "absent": b"",
    }[harm]
    path.unlink() if harm == "absent" else path.write_bytes(harmed)
    with pytest.raises(UsageError, match=r"a\.idx") as refusal:
        read_index(path)
    assert "\n" not in str(refusal.value)


def run_ttg(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "terminal_task_gen", "contamination", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_commands_build_and_show_an_index(tmp_path: Path) -> None:
    folder = tmp_path / "tasks" / "sum-hours"
    folder.mkdir(parents=True)
    (folder / "instruction.md").write_text(TEXTS[0])
    lines = tmp_path / "more.jsonl"
    lines.write_bytes(orjson.dumps({"task": "open-ports", "instruction": TEXTS[-1]}) + b"\n")
    output = tmp_path / "mine.idx"
    built = run_ttg("index", str(tmp_path / "tasks"), str(lines), "--output", str(output), "--mask-numbers")
    assert built.returncode == 0 and "2 prompts" in built.stdout, built.stderr
    shown = run_ttg("show", str(output), "--entries")
    assert "masked" in shown.stdout and "mine: sum-hours" in shown.stdout and "mine: open-ports" in shown.stdout
    assert "terminal-bench-2.0" in run_ttg("show").stdout
    for bad in (["index", str(lines), "--output", str(tmp_path / "x.txt")], ["show", str(lines)]):
        refused = run_ttg(*bad)
        assert refused.returncode == 2 and refused.stderr.startswith("ttg: ") and "Traceback" not in refused.stderr
