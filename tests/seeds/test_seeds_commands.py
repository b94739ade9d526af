"""`ttg seeds`: what is imported can be loaded, what is wrong is named with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from typer.testing import CliRunner, Result

from terminal_task_gen.cli.main import app
from terminal_task_gen.errors import UsageError
from terminal_task_gen.seed_lint import list_alike_seeds
from terminal_task_gen.seeds import Seed, load_seeds


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["seeds", *map(str, args)])


def fail(*args: object) -> str:
    result = run(*args)
    assert isinstance(result.exception, UsageError), result.output
    return str(result.exception)


def write_rows(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_parquet_becomes_seeds(tmp_path: Path) -> None:
    table = pyarrow.table({"m": [[{"content": "How many?"}], [{"content": " "}]], "key": ["Phys/1 a", "b"]})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    target = tmp_path / "out" / "t.jsonl"
    result = run(
        "import", tmp_path / "t.parquet", "--map", "problem=m.0.content,id=key", "--domain", "security", "-o", target
    )
    assert result.exit_code == 0, result.output
    assert list(load_seeds([target.parent]).values()) == [Seed(id="phys-1-a", problem="How many?", domain="security")]
    assert "passed over t.parquet row 2: m.0.content is missing or empty" in result.stderr
    assert "is there already" in fail(
        "import", tmp_path / "t.parquet", "--map", "problem=key", "--domain", "security", "-o", target
    )


def test_equal_rows_make_one_seed_and_ids_are_of_content(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "r.jsonl", {"q": "one"}, {"q": "two"}, {"q": "one"})
    for name in ("x", "y"):
        run("import", rows, "--map", "problem=q", "--domain", "security", "-o", tmp_path / name / "s.jsonl")
    first, second = (list(load_seeds([tmp_path / name])) for name in ("x", "y"))
    assert first == second
    assert len(first) == 2


@pytest.mark.parametrize(
    ("mapping", "more", "message"),
    [
        ("problm=q", ["--domain", "security"], "no field 'problm'"),
        ("problem", ["--domain", "security"], "field=column"),
        ("problem=q", [], "every seed needs a domain"),
        ("problem=q", ["--domain", "securty"], "unknown domain 'securty'"),
        ("problem=z", ["--domain", "security"], "none of 1 rows makes a seed"),
    ],
)
def test_what_cannot_be_imported(tmp_path: Path, mapping: str, more: list[str], message: str) -> None:
    rows = write_rows(tmp_path / "r.jsonl", {"q": "one"})
    assert message in fail("import", rows, "--map", mapping, "-o", tmp_path / "s.jsonl", *more)
    assert not (tmp_path / "s.jsonl").exists()


def test_check_names_file_and_line(tmp_path: Path) -> None:
    write_rows(
        tmp_path / "s.jsonl", {"id": "a", "problem": "p", "domain": "security"}, {"id": "a", "domain": "security"}
    )
    assert "s.jsonl line 2: problem: Field required" in fail("check", tmp_path)


def test_check_finds_likeness_unknown_domains_and_broken_commands(tmp_path: Path) -> None:
    words = "count distinct visitors of every harbour by month and flag months without any"
    write_rows(
        tmp_path / "s.jsonl",
        {"id": "a", "problem": words, "domain": "security"},
        {"id": "b", "problem": f"{words}, please", "domain": "nowhere"},
        {"id": "c", "problem": "Does.", "domain": "security", "command": "for f in *; do"},
    )
    result = run("check", tmp_path)
    assert isinstance(result.exception, UsageError)
    assert str(result.exception).startswith("3 faults")
    assert "b: unknown domain 'nowhere'" in result.output
    assert "% like a" in result.output
    assert "c: the command is no bash" in result.output


@pytest.mark.bubblewrap
def test_check_runs_solutions(tmp_path: Path) -> None:
    write_rows(
        tmp_path / "s.jsonl",
        {"id": "right", "problem": "How many primes?", "domain": "security", "solution": "print(4)\n# prints: 4"},
        {"id": "wrong", "problem": "What is the sum?", "domain": "security", "solution": "print(5)\n# prints: 6"},
        {"id": "raises", "problem": "Which root?", "domain": "security", "solution": "import nothing_such"},
        {"id": "prose", "problem": "Why is that so?", "domain": "security", "solution": "By induction over n."},
    )
    result = run("check", tmp_path, "--run", "--sandbox", "bubblewrap")
    assert "ran 3 solutions, 2 failed" in result.output
    assert "wrong: states '6', prints '5'" in result.output
    assert "raises: exit code 1: ModuleNotFoundError" in result.output


def test_likeness_by_lookup_is_that_of_all_pairs() -> None:
    words = [f"word{n:03d}x" for n in range(40)]
    seeds = [
        Seed(id=f"s{n}", problem=" ".join(words[(n * k) % 40] for k in range(1, 9)), domain="security")
        for n in range(40)
    ]
    found = {(pair.first.id, pair.second.id) for pair in list_alike_seeds(seeds, above=0.3)}
    everything = {(pair.first.id, pair.second.id) for pair in list_alike_seeds(seeds, above=0.0) if pair.likeness > 0.3}
    assert found == everything
    assert found


def test_list_counts_and_shows() -> None:
    result = run("list", "--domain", "debugging", "--kind", "command")
    assert result.output.splitlines()[-1].endswith(" seeds")
    assert "cmd_debugging_bisect_automated: git bisect" in run("list", "--kind", "command", "--show").output
