"""Rows come one at a time, and a bad one costs itself only."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import datasets
import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from terminal_task_gen.errors import UsageError
from terminal_task_gen.row_files import BadRow, Row, count_rows, pick_field, read_rows


def read(source: Path, *columns: str) -> list[Row | BadRow]:
    return list(read_rows(source, columns))


def list_reasons(rows: list[Row | BadRow]) -> list[str]:
    return [row.reason if isinstance(row, BadRow) else "row" for row in rows]


def test_bad_lines_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(
        b'\xef\xbb\xbf{"a": 1}\n\n{"a": NaN}\n{"a": "\\ud800"}\n{"a": "caf\xe9"}\n{"a": \n[1]\n'
        + b"[" * 9_000
        + b'\n{"a": 2}'
    )
    rows = read(tmp_path / "a.jsonl")
    assert list_reasons(rows) == [
        "row",
        "row",
        "row_encoding",
        "row_encoding",
        "row_json",
        "row_json",
        "row_json",
        "row",
    ]
    assert rows[1] == Row("a.jsonl line 3", {"a": None})
    assert rows[3].place == "a.jsonl line 5"
    assert isinstance(rows[3], BadRow)
    assert "0xe9 at 10" in rows[3].why


def test_a_line_of_100_mb_is_passed_over_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "big.jsonl"
    with path.open("wb") as big:
        big.write(b'{"a": "')
        for _ in range(100):
            big.write(b"x" * 1_000_000)
        big.write(b'"}\n{"a": 1}\n')
    tracemalloc.start()
    rows = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert list_reasons(rows) == ["row_too_large", "row"]
    assert peak < 60_000_000


def test_parquet_gives_its_columns_and_nan_is_missing(tmp_path: Path) -> None:
    table = pyarrow.table({"q": ["a", None], "n": [float("nan"), 2.0], "other": [[1], [2]]})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet", "q", "n") == [
        Row("t.parquet row 1", {"q": "a", "n": None}),
        Row("t.parquet row 2", {"q": None, "n": 2.0}),
    ]


def test_parquet_without_the_column_is_refused(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"question": ["a"]}), tmp_path / "t.parquet")
    with pytest.raises(UsageError, match=r"has no column problem; it has: question"):
        read(tmp_path / "t.parquet", "problem")


def test_text_that_is_no_utf8_in_parquet(tmp_path: Path) -> None:
    binary = pyarrow.array([b"fine", b"caf\xe9"], pyarrow.binary())
    text = pyarrow.StringArray.from_buffers(2, *binary.buffers()[1:])
    pyarrow.parquet.write_table(pyarrow.table({"q": text}), tmp_path / "t.parquet")
    assert list_reasons(read(tmp_path / "t.parquet", "q")) == ["row", "row_encoding"]


def test_a_damaged_row_group_costs_itself_only(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pyarrow.table({"q": [f"text number {n} " * 20 for n in range(600)]})
    pyarrow.parquet.write_table(table, path, row_group_size=200, compression="snappy", use_dictionary=False)
    meta = pyarrow.parquet.ParquetFile(path).metadata.row_group(1).column(0)
    raw = bytearray(path.read_bytes())
    raw[meta.data_page_offset : meta.data_page_offset + 400] = b"\xff" * 400
    path.write_bytes(raw)
    rows = read(path, "q")
    assert [row.place for row in rows if isinstance(row, BadRow)] == ["t.parquet rows 201 to 400"]
    assert sum(isinstance(row, Row) for row in rows) == 400


def test_a_file_that_is_no_parquet(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(UsageError, match=r"t\.parquet is no readable Parquet file"):
        read(tmp_path / "t.parquet")


def test_folders_that_datasets_saves(tmp_path: Path) -> None:
    saved = datasets.Dataset.from_dict({"q": ["a", "b"], "n": [1, 2]})
    datasets.DatasetDict({"train": saved, "test": saved}).save_to_disk(str(tmp_path / "set"))
    assert [row.values for row in read(tmp_path / "set" / "train", "q") if isinstance(row, Row)] == [
        {"q": "a"},
        {"q": "b"},
    ]
    with pytest.raises(UsageError, match="has the splits train, test; give one"):
        read(tmp_path / "set")


def test_a_folder_of_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text('{"n": 2}\n')
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"n": 1}\n'))
    assert [row.values["n"] for row in read(tmp_path) if isinstance(row, Row)] == [1, 2]


def test_a_torn_gzip_gives_what_was_whole(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"n": 1}\n')[:-6])
    assert list_reasons(read(tmp_path))[-1] == "row_unreadable"


def test_zstd_is_read_frame_after_frame_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    frames = [zstandard.compress(b'{"n": %d}\n' % n + b'{"text": "%s"}\n' % (b"x" * 400_000)) for n in range(3)]
    (tmp_path / "a.jsonl.zst").write_bytes(b"".join(frames))
    assert list_reasons(read(tmp_path / "a.jsonl.zst")) == ["row"] * 6
    assert count_rows(tmp_path / "a.jsonl.zst") == 6
    bad = bytearray(frames[1])
    bad[8:12] = b"\xff\xff\xff\xff"
    (tmp_path / "a.jsonl.zst").write_bytes(frames[0] + bytes(bad) + frames[2])
    (tmp_path / "b.jsonl.zst").write_bytes(frames[0] + frames[1][:-5])
    (tmp_path / "c.jsonl").write_bytes(b'{"n": 4}\n')
    rows = read(tmp_path)
    told = [f"{row.place}: {row.why}" for row in rows if isinstance(row, BadRow)]
    assert told[0].startswith("a.jsonl.zst: the file breaks off: damaged zstd frame")
    assert told[-1] == "b.jsonl.zst: the file breaks off: zstd data ends within a frame"
    assert rows[-1] == Row("c.jsonl line 1", {"n": 4})


@pytest.mark.parametrize(
    ("path", "value"),
    [("a", 1), ("m.0.c", "x"), ("m.-1.c", "y"), ("m.2.c", None), ("a.b", None), ("z", None)],
)
def test_dotted_paths(path: str, value: object) -> None:
    assert pick_field({"a": 1, "m": [{"c": "x"}, {"c": "y"}]}, path) == value
