"""Reading benchmark prompts: both layouts, and one clear line for each thing that can be wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from terminal_task_gen.errors import UsageError
from terminal_task_gen.filters.benchmarks import read_benchmarks


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_jsonl_gives_instruction_or_prompt_with_the_name_of_its_task(tmp_path: Path) -> None:
    lines = (
        b'\xef\xbb\xbf{"task": "alpha", "instruction": "Do A."}\n\n{"prompt": "Do B."}\n{"id": 3, "prompt": "Do C."}'
    )
    prompts = read_benchmarks([write(tmp_path / "bench-2.0.jsonl", lines)])
    assert [(p.benchmark, p.entry, p.text) for p in prompts] == [
        ("bench-2.0", "alpha", "Do A."),
        ("bench-2.0", "line 3", "Do B."),
        ("bench-2.0", "line 4", "Do C."),
    ]


def test_a_folder_of_harbor_tasks_gives_one_prompt_a_task_without_its_canary(tmp_path: Path) -> None:
    write(tmp_path / "tasks" / "b-task" / "instruction.md", b"Do B.\n")
    write(
        tmp_path / "tasks" / "a-task" / "instruction.md",
        b"<!-- harbor-canary GUID 1-2 -->\n# canary x\n# Title\nDo A.\n",
    )
    write(tmp_path / "tasks" / "a-task" / "task.toml", b"")
    prompts = read_benchmarks([tmp_path / "tasks"])
    assert [(p.benchmark, p.entry, p.text) for p in prompts] == [
        ("tasks", "a-task", "# Title\nDo A.\n"),
        ("tasks", "b-task", "Do B.\n"),
    ]


def test_two_benchmarks_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    paths = [write(tmp_path / name / "test.jsonl", b'{"prompt": "Do it."}\n') for name in ("one", "two")]
    assert [p.benchmark for p in read_benchmarks(paths)] == ["one/test", "two/test"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'{"prompt": "x"}\n{"prompt": \n', "line 2 is not valid JSON"),
        (b'{"prompt": "\xff"}\n', "line 1 is not valid JSON"),
        (b'["x"]\n', "line 1: a JSON object is wanted, not list"),
        (
            b'{"prompt": "x"}\n{"question": "y"}\n',
            "line 2: wants text in a field 'instruction' or 'prompt'; has 'question'",
        ),
        (b'{"prompt": "  "}\n', "line 1: wants text"),
        (b'{"instruction": 5}\n', "line 1: wants text"),
        (b"{}\n", "has no fields"),
        (b"\n\n", "no prompts in it"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = write(tmp_path / "bench.jsonl", content)
    with pytest.raises(UsageError) as refusal:
        read_benchmarks([path])
    assert complaint in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_missing_and_empty_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.jsonl: No such file"):
        read_benchmarks([tmp_path / "absent.jsonl"])
    with pytest.raises(UsageError, match=r"no \*/instruction\.md in it"):
        read_benchmarks([tmp_path])
    empty = write(tmp_path / "task" / "instruction.md", b"<!-- canary -->\n \n")
    with pytest.raises(UsageError, match="is empty"):
        read_benchmarks([tmp_path])
    write(empty, "Größe".encode("latin-1"))
    with pytest.raises(UsageError, match="is not UTF-8 text"):
        read_benchmarks([tmp_path])
