"""Files in the released corpus's columns are a source of a mix like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pyarrow
import pyarrow.parquet
import pytest

from terminal_task_gen.config import MixRecipe, MixSource
from terminal_task_gen.errors import UsageError
from terminal_task_gen.export.mix.write import write_mix
from terminal_task_gen.export.rows import CorpusRow
from terminal_task_gen.export.source import RowSource
from tests.export.conftest import Ttg
from tests.export.samples import make_run


def make_rows(count: int, **more: str) -> list[dict[str, Any]]:
    """As the released files have them; `source` only in those of the adapters."""
    return [
        {
            "conversations": [
                {"role": "user", "content": f"Task Description:\nSum column {number}. {more}"},
                {"role": "assistant", "content": '<think>\nHm.\n</think>\n\n{"commands": []}'},
                {"role": "user", "content": "New Terminal Output:\n$"},
                {"role": "assistant", "content": '{"task_complete": true}'},
            ],
            "agent": "terminus-2",
            "model": "deepseek-ai/DeepSeek-V3.2",
            "model_provider": "hosted_vllm",
            "date": "2025-12-31T00:00:00.000000",
            "task": f"data_processing_task_{number}",
            "episode": "episode-1",
            "run_id": "00000000-0000-4000-8000-000000000000",
            "trial_name": f"data_processing_task_{number}__abcdefg",
            "enable_thinking": True,
            **more,
        }
        for number in range(count)
    ]


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def test_a_folder_of_released_parquet_is_mixed_with_a_run(tmp_path: Path, ttg: Ttg) -> None:
    run = make_run(tmp_path / "runs", tasks=4, attempts=1)
    released = tmp_path / "released"
    write_parquet(released / "easy/train-00000.parquet", make_rows(5))
    write_parquet(released / "adapters/math.parquet", make_rows(3, source="nvidia/OpenMathReasoning"))
    result = ttg("mix", str(run), str(released), "--output", str(tmp_path / "mix"))
    assert result.code == 0, result.err
    rows = list(RowSource(tmp_path / "mix").read_rows("train"))
    theirs = {row["id"]: row for row in rows if row["model"] == "deepseek-ai/DeepSeek-V3.2"}
    assert len(theirs) == 8 and len(rows) > 8
    for row in theirs.values():
        CorpusRow.model_validate(row)
        assert (row["domain"], row["turns"], row["judged"], row["enable_thinking"]) == (
            "data_processing",
            2,
            False,
            True,
        )
        more = {"source": row["dataset"]} if row["dataset"] else {}
        assert row["conversations"] == make_rows(int(row["task"].rpartition("_")[2]) + 1, **more)[-1]["conversations"]
    streams = sorted((row["source"], row["dataset"]) for row in theirs.values())
    assert streams == [("adapters", "nvidia/OpenMathReasoning")] * 3 + [("skill_based", "")] * 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mix", "released", "runs"]


def test_the_same_row_in_two_files_counts_once_and_equal_sources_give_equal_bytes(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "a.parquet", make_rows(6))
    lines = tmp_path / "b.jsonl"
    lines.write_bytes(b"\n".join(map(orjson.dumps, make_rows(7))))
    mixes = []
    for name in ("one", "two"):
        recipe = MixRecipe(sources=(MixSource(path=file), MixSource(path=lines)))
        write_mix(tmp_path / name, recipe)
        mixes.append({path.name: path.read_bytes() for path in (tmp_path / name / "data").iterdir()})
    assert mixes[0] == mixes[1]
    assert len(list(RowSource(tmp_path / "one").read_rows("train"))) == 7


def test_other_columns_are_refused_by_name_and_nothing_is_left(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "other.parquet", [{"prompt": "a", "answer": "b"}])
    with pytest.raises(UsageError, match=r"other\.parquet row 1: no column conversations .*prompt, answer"):
        write_mix(tmp_path / "mix", MixRecipe(sources=(MixSource(path=file),)))
    assert [path.name for path in tmp_path.iterdir()] == ["other.parquet"]
