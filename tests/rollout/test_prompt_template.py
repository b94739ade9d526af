"""Another wording of the first message: from a file, from Harbor, and refused where it would lose the task."""

from __future__ import annotations

from pathlib import Path

import pytest

from terminal_task_gen.errors import PrerequisiteError, UsageError
from terminal_task_gen.rollout.json_dialect import JsonDialect
from terminal_task_gen.rollout.prompts import get_own_template, load_template


def write(folder: Path, text: str) -> str:
    path = folder / "wording.txt"
    path.write_text(text)
    return str(path)


def test_a_format_string_as_harbor_has_it(tmp_path: Path) -> None:
    template = load_template(write(tmp_path, 'Say {{"a": 1}}.\n{instruction}\n{terminal_state}'), "json")
    message = JsonDialect(template).render_first_message(instruction="Count {x}", terminal_state="$ {y}")
    assert message == 'Say {"a": 1}.\nCount {x}\n$ {y}'


def test_a_jinja_template(tmp_path: Path) -> None:
    template = load_template(write(tmp_path, '{"a": 1}\n{{ instruction }}\n{{ terminal_state }}'), "json")
    assert template.render(instruction="<b>", terminal_state="$") == '{"a": 1}\n<b>\n$'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{instruction}", "does not name {terminal_state}"),
        ("{terminal_state}", "does not name {instruction}"),
        ("{instruction} {terminal_state} {skills}", "KeyError: 'skills'"),
        ('{"a": 1} {instruction} {terminal_state}', "is no prompt template"),
        ("{{ instruction }} {% for %}", "is no prompt template"),
    ],
)
def test_what_cannot_serve_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=r"wording\.txt") as caught:
        load_template(write(tmp_path, text), "json")
    assert words in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        load_template(str(tmp_path / "none.txt"), "json")


def test_harbor_gives_its_template_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PrerequisiteError, match="pip install harbor"):
        load_template("harbor", "xml")
    folder = tmp_path / "harbor" / "agents" / "terminus_2" / "templates"
    folder.mkdir(parents=True)
    (tmp_path / "harbor" / "__init__.py").touch()
    (folder / "terminus-xml-plain.txt").write_text("{instruction}|{terminal_state}")
    monkeypatch.syspath_prepend(tmp_path)
    assert load_template("harbor", "xml").render(instruction="a", terminal_state="b") == "a|b"


def test_another_wording_has_another_version(tmp_path: Path) -> None:
    other = load_template(write(tmp_path, "{instruction}|{terminal_state}"), "json")
    versions = {get_own_template("json").version, get_own_template("xml").version, other.version}
    assert len(versions) == 3
