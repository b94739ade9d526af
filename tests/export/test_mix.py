"""Training sets: what is asked for is what is taken, nothing leaks, nothing is cut, equal recipes give equal bytes."""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from terminal_task_gen.config import MixRecipe, MixSource
from terminal_task_gen.errors import UsageError
from terminal_task_gen.export.mix.index import IndexedRow, MixIndex
from terminal_task_gen.export.mix.report import MixReport
from terminal_task_gen.export.mix.select import plan_mix, share_out
from terminal_task_gen.export.mix.write import write_mix
from terminal_task_gen.export.source import RowSource
from terminal_task_gen.token_count import make_counter
from tests.export.conftest import Ttg
from tests.export.samples import make_run

LEVELS = ("easy", "medium", "hard")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 tasks with two attempts each; every fourth task is of a seed that it shares with three others."""
    return make_run(tmp_path_factory.mktemp("runs"), tasks=64, attempts=2)


def mix(folder: Path, *sources: Path | MixSource, **fields: Any) -> MixReport:
    made = tuple(s if isinstance(s, MixSource) else MixSource(path=s) for s in sources)
    return write_mix(folder, MixRecipe(sources=made, **fields))


def read(folder: Path, split: str = "train", config: str = "default") -> list[dict[str, Any]]:
    return list(RowSource(folder).read_rows(split, config))


def read_folder(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def make_index(*sizes: int) -> MixIndex:
    """Rows of several sources: domain by row number (uneven), skills in a ring, stream adapters in odd sources."""
    rows = [
        IndexedRow(
            row_id=f"{source}-{number}",
            source=source,
            path=Path("x"),
            offset=0,
            size_bytes=1,
            stream="adapters" if source % 2 else "skill_based",
            domain="abc"[min(number % 8, 2)],
            difficulty=LEVELS[number % 3],
            skills=tuple(f"s{(number + step) % 7}" for step in range(1 + number % 3)),
            task=f"task-{source}-{number // 4}",
            family=f"family-{number // 12}",
            tokens=number,
        )
        for source, size in enumerate(sizes)
        for number in range(size)
    ]
    return MixIndex(rows=rows, read=list(sizes), left_out=[Counter() for _ in sizes])


def make_recipe(*weights: float | None, **fields: Any) -> MixRecipe:
    return MixRecipe(sources=tuple(MixSource(path=Path("x"), weight=weight) for weight in weights), **fields)


def test_everything_is_taken_once_and_loads(run: Path, tmp_path: Path) -> None:
    report = mix(tmp_path / "mix", run, validation=0.25, subsets=(10, 50, 100), curriculum="easy-first")
    datasets = importlib.import_module("datasets")
    datasets.disable_progress_bars()
    loaded = datasets.load_dataset(str(tmp_path / "mix"), cache_dir=str(tmp_path / "cache"))
    ids = [row["id"] for split in loaded.values() for row in split]
    assert len(ids) == len(set(ids)) == 128
    assert loaded["train"].num_rows == report.splits["train"].rows
    assert list(loaded["train"]) == read(tmp_path / "mix")
    half = datasets.load_dataset(str(tmp_path / "mix"), "pct50", split="train", cache_dir=str(tmp_path / "cache"))
    assert half.num_rows == report.splits["50%"].rows
    (source,) = report.sources
    assert source.rows == source.train + source.validation + sum(source.left_out.values())


def test_equal_recipes_give_equal_bytes_and_another_seed_others(run: Path, tmp_path: Path) -> None:
    fields = {"rows": 40, "validation": 0.1, "subsets": (5, 100)}
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        mix(tmp_path / name, run, seed=seed, **fields)
    assert read_folder(tmp_path / "one") == read_folder(tmp_path / "two")
    assert {r["id"] for r in read(tmp_path / "one")} != {r["id"] for r in read(tmp_path / "three")}


def test_no_family_is_on_both_sides_and_more_data_moves_none(run: Path, tmp_path: Path) -> None:
    for name, rows in (("small", 60), ("all", None)):
        mix(tmp_path / name, run, validation=0.3, rows=rows)
    families = {
        (name, split): {row["family"] for row in read(tmp_path / name, split)}
        for name in ("small", "all")
        for split in ("train", "validation")
    }
    for name in ("small", "all"):
        assert families[name, "train"] and families[name, "validation"]
        assert not families[name, "train"] & families[name, "validation"]
    assert families["small", "validation"] <= families["all", "validation"]
    shared = [row for row in read(tmp_path / "all") if row["seed_id"]]
    assert max(Counter(row["family"] for row in shared).values()) == 8  # four tasks, two attempts each


def test_subsets_are_nested_and_keep_the_order(run: Path, tmp_path: Path) -> None:
    mix(tmp_path / "mix", run, subsets=(1, 2, 5, 10, 100))
    train = [row["id"] for row in read(tmp_path / "mix")]
    smaller: set[str] = set()
    for percent, rows in ((1, 2), (2, 3), (5, 7), (10, 13), (100, 128)):
        ids = [row["id"] for row in read(tmp_path / "mix", config=f"pct{percent}")]
        assert len(ids) == rows
        assert smaller <= set(ids)
        assert ids == [row_id for row_id in train if row_id in set(ids)]
        smaller = set(ids)


def test_weights_are_shares_and_a_short_source_is_told() -> None:
    assert share_out([100, 100], make_recipe(None, None)) == [100, 100]
    assert share_out([100, 300], make_recipe(None, None, rows=40)) == [10, 30]
    assert share_out([100, 100], make_recipe(1, 3)) == [33, 100]
    assert share_out([100, 100], make_recipe(1, 2, rows=10)) == [3, 7]
    plan = plan_mix(make_index(4, 100), make_recipe(1, 1, rows=40))
    assert Counter(row.source for stage in plan.stages for row in stage.rows) == {0: 4, 1: 20}
    assert plan.shortfall == {0: 16}
    assert plan.left_out[1] == {"not_drawn": 80}
    with pytest.raises(UsageError, match="to every source of the mix, or to none"):
        share_out([1, 1], make_recipe(1, None))


@pytest.mark.parametrize("balance", ["domain", "skill"])
def test_balance_evens_out_what_chance_would_not(balance: str) -> None:
    def count(recipe: MixRecipe) -> Counter[str]:
        rows = plan_mix(make_index(240), recipe).stages[0].rows
        assert len(rows) == 60
        return Counter(key for row in rows for key in ((row.domain,) if balance == "domain" else row.skills))

    even = count(make_recipe(None, rows=60, balance=balance))
    chance = count(make_recipe(None, rows=60))
    assert max(even.values()) - min(even.values()) <= 2 < max(chance.values()) - min(chance.values())
    with pytest.raises(UsageError, match="set rows"):
        plan_mix(make_index(10), make_recipe(None, balance=balance))


def test_a_task_gives_at_most_its_cap() -> None:
    plan = plan_mix(make_index(40), make_recipe(None, max_per_task=3))
    assert set(Counter(row.task for row in plan.stages[0].rows).values()) == {3}
    assert plan.left_out[0] == {"task_cap": 10}


def test_curricula_put_adapters_or_easy_tasks_first(run: Path, tmp_path: Path) -> None:
    staged = plan_mix(make_index(30, 20), make_recipe(None, None, curriculum="staged"))
    assert [(stage.name, len(stage.rows)) for stage in staged.stages] == [("adapters", 20), ("synthetic", 30)]
    mix(tmp_path / "mix", run, curriculum="easy-first")
    levels = [row["difficulty"] for row in read(tmp_path / "mix")]
    assert levels == sorted(levels, key=LEVELS.index)
    assert {row["difficulty"] for row in read(tmp_path / "mix", config="stage2")} == {"medium"}
    assert RowSource(tmp_path / "mix").manifest.ordered


def test_longer_rows_are_dropped_or_kept_never_cut(run: Path, tmp_path: Path) -> None:
    everything = {row["id"]: row for row in read(run)}
    dropped = mix(tmp_path / "drop", run, max_tokens=1_000)
    kept = mix(tmp_path / "keep", run, max_tokens=1_000, over_length="keep")
    too_long = dropped.sources[0].left_out["over_length"]
    assert 0 < too_long == kept.over_length < 128
    assert dropped.splits["train"].rows == 128 - too_long
    assert kept.splits["train"].rows == 128
    for name in ("drop", "keep"):
        assert all(row == everything[row["id"]] for row in read(tmp_path / name))
    assert dropped.tokens_by == "estimate: UTF-8 bytes / 3.5"
    assert "kept whole" in (tmp_path / "keep" / "README.md").read_text(encoding="utf-8")


def test_a_tokenizer_file_counts(tmp_path: Path) -> None:
    tokenizers = importlib.import_module("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    counter = make_counter(tmp_path / "tokenizer.json")
    assert counter.count(["a a b", "c"]) == 4 + 2 * 5
    (tmp_path / "bad.json").write_text("{}")
    for name, words in (("bad.json", "not a tokenizer.json"), ("none.json", "does not exist")):
        with pytest.raises(UsageError, match=words):
            make_counter(tmp_path / name)


def test_sources_are_sliced_and_a_row_of_two_sources_counts_once(run: Path, tmp_path: Path) -> None:
    solved = MixSource(path=run, min_reward=1.0, domains=("security",))
    report = mix(tmp_path / "mix", solved, MixSource(path=run, part="seed_based"))
    first, second = report.sources
    assert first.left_out.keys() == {"domain", "reward"}
    assert second.rows == 32 and second.left_out["duplicate"] > 0
    rows = read(tmp_path / "mix")
    assert len(rows) == len({row["id"] for row in rows}) == first.train + second.train
    assert all(row["seed_id"] or (row["reward"], row["domain"]) == (1.0, "security") for row in rows)


def test_a_mix_can_be_mixed_and_exported(run: Path, tmp_path: Path, ttg: Ttg) -> None:
    mix(tmp_path / "mix", run, validation=0.2)
    again = mix(tmp_path / "again", tmp_path / "mix", max_per_task=1)
    assert again.splits["train"].rows == 64
    result = ttg("export", str(tmp_path / "mix"), "-f", "verl", "-o", str(tmp_path / "out"))
    assert result.code == 0, result.err
    report = orjson.loads((tmp_path / "out" / "export.json").read_bytes())
    rows = {split: sum(file["rows"] for file in files) for split, files in report["files"].items()}
    assert rows == {"train": len(read(tmp_path / "mix")), "validation": len(read(tmp_path / "mix", "validation"))}
    assert "validation/" in (tmp_path / "out" / "verl-sft.yaml").read_text(encoding="utf-8")


def test_the_command_takes_a_recipe_and_flags_on_top(run: Path, tmp_path: Path, ttg: Ttg) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"name: half\nrows: 64\nvalidation: 0.5\nsources:\n- path: {run}\n", encoding="utf-8")
    args = ["mix", "--recipe", str(recipe), "--rows", "32", "--subsets", "10,100", "-o", str(tmp_path / "mix")]
    result = ttg(*args)
    assert result.code == 0, result.err
    report = MixReport.model_validate_json((tmp_path / "mix" / "mix.json").read_bytes())
    assert (report.recipe.rows, report.recipe.validation, report.recipe.subsets) == (32, 0.5, (10, 100))
    assert "32 of 128 rows taken; left out: not_drawn 96" in result.out
    again = ttg("mix", f"{run}=2", "-o", str(tmp_path / "mix"))
    assert (again.code, "128 of 128 rows taken" in again.out) == (0, True)


def test_mistakes_cost_one_line(run: Path, tmp_path: Path, ttg: Ttg) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"sources:\n- path: {run}\n  wieght: 2\n", encoding="utf-8")
    for args, words in (
        ([], "nothing to mix"),
        ([str(tmp_path / "none")], "does not exist"),
        ([f"{run}=much"], "PATH=WEIGHT"),
        (["--recipe", str(recipe)], "unknown field 'sources.0.wieght'; known here: path, part, weight"),
        ([str(run), "--subsets", "200"], "not a percentage"),
        ([str(run), "--max-tokens", "1"], "the mix would be empty; rows read: 128, left out: over_length 128"),
        ([str(run), "--balance", "skill"], "set rows"),
        ([str(run), "-o", str(run)], "holds something else"),
    ):
        result = ttg("mix", *args, *([] if "-o" in args else ["-o", str(tmp_path / "mix")]))
        assert (result.code, len(result.err.splitlines())) == (2, 1), result.err
        assert words in result.err
    assert not (tmp_path / "mix").exists()
