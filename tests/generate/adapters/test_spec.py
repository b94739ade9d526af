"""Mappings are data: the shipped ones load, a wrong one is named with its field."""

from __future__ import annotations

from pathlib import Path

import pytest

from terminal_task_gen.errors import UsageError
from terminal_task_gen.generate.adapters.adapter import list_items
from terminal_task_gen.generate.adapters.spec import load_spec
from terminal_task_gen.images import list_images
from terminal_task_gen.resources import data_dir
from terminal_task_gen.row_files import BadRow, Row

FOLDER = data_dir("configs") / "adapters"
SHIPPED = sorted(path.stem for path in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_mappings_load_and_name_an_image(name: str) -> None:
    spec = load_spec(name, FOLDER)
    assert spec.name == name
    assert spec.image in list_images([data_dir("images")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: math\nsource: s\nimage: i\ncolumns: {prompt: q, anser: a}", "kind math has no field 'anser'"),
        ("kind: math\nsource: s\nimage: i\ncolumns: {answer: a}", "needs the field 'prompt'"),
        ("kind: maths\nsource: s\nimage: i\ncolumns: {prompt: q}", "kind: Input should be"),
        ("kind: [", "is not valid YAML"),
    ],
)
def test_a_wrong_mapping_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "my.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"my\.yaml.*") as caught:
        load_spec(str(tmp_path / "my.yaml"), FOLDER)
    assert message in str(caught.value)


def test_an_unknown_adapter_lists_the_known() -> None:
    with pytest.raises(UsageError, match="known: apps, mbpp"):
        load_spec("nothing", FOLDER)


def test_items_are_of_content_wanted_and_bounded() -> None:
    spec = load_spec("nemotron_cascade_swe", FOLDER)

    def row(number: int, text: str, category: str = "SWE Repair") -> Row:
        return Row(f"f line {number}", {"messages": [{"role": "user", "content": text}], "category": category})

    rows: list[Row | BadRow] = [
        row(1, "a"),
        row(2, "b", "SWE TestGen"),
        BadRow("f line 3", "row_json", "?"),
        row(4, "c"),
    ]
    items = list(list_items(spec, rows, max_rows=0))
    assert [(item.index, item.place, item.fault is None) for item in items] == [
        (0, "f line 1", True),
        (1, "f line 3", False),
        (2, "f line 4", True),
    ]
    assert next(list_items(spec, [row(99, "c")], max_rows=0)).id == items[2].id, "wherever it stands"
    assert len(list(list_items(spec, rows, max_rows=2))) == 2


def test_what_is_no_json_is_a_fault() -> None:
    spec = load_spec("openmathreasoning", FOLDER)
    (item,) = list_items(spec, [Row("t row 1", {"problem": b"\xff", "expected_answer": "1"})], max_rows=0)
    assert item.fault is not None
    assert item.fault.reason == "row_encoding"
