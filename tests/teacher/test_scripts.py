"""A repertoire that cannot be served is refused at load, naming file and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from terminal_task_gen.errors import UsageError
from terminal_task_gen.teacher.scripts import load_repertoire

GOOD = "author: {match: [one]}"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"script.yaml": "author: {match: ["}, "script.yaml is not valid YAML"),
        ({"script.yaml": "[]", "author-1.md": ""}, "script.yaml: top level"),
        ({"script.yaml": "{}"}, "script.yaml: it needs author: or actor:"),
        ({"script.yaml": "autor: {match: [x]}"}, "script.yaml: autor: Extra inputs"),
        ({"script.yaml": "author: {match: []}", "author-1.md": ""}, "script.yaml: author.match: Tuple should have"),
        ({"script.yaml": "author: {match: [1]}", "author-1.md": ""}, "script.yaml: author.match.0: Input should be"),
        ({"script.yaml": "author: {match: ['(']}", "author-1.md": ""}, "author.match.0: not a regular expression"),
        ({"script.yaml": GOOD}, "author: there is no author-1.md"),
        ({"script.yaml": GOOD, "author-1.md": "", "actor-1.md": ""}, "actor: missing, but there are replies"),
        ({"script.yaml": GOOD, "author-1.md": "", "author-3.md": ""}, "author-3.md: there is no author-2.md"),
        ({"script.yaml": GOOD, "author-1.md": "", "author-2.reasoning.md": ""}, "there is no author-2.md"),
        ({"script.yaml": GOOD, "author-1.md": "", "author-two.md": ""}, "author-two.md: not the name of a reply"),
        ({"author-1.md": ""}, "script.yaml: No such file"),
        (
            {"script.yaml": "author: {match: [x], finish: {2: length}}", "author-1.md": ""},
            "author.finish: there is no reply 2; replies are numbered from 1 to 1",
        ),
        ({"script.yaml": "author: {match: [x], finish: {1: cut}}", "author-1.md": ""}, "author.finish.1: Input should"),
        (
            {"script.yaml": "author: {match: ['(?P<n>x)']}\ntemplate: true", "author-1.md": "{{m}}"},
            "d/s/author-1: no group is named 'm' (those named: n)",
        ),
        (
            {"script.yaml": "author: {match: ['(?P<n>x)', '(?P<n>y)']}\ntemplate: true", "author-1.md": ""},
            "author.match: the group 'n' is named in two regexes",
        ),
    ],
)
def test_load_errors(tmp_path: Path, files: dict[str, str], message: str) -> None:
    folder = tmp_path / "d" / "s"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    with pytest.raises(UsageError) as caught:
        load_repertoire([tmp_path])
    assert message in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_identical_matches_are_refused_and_other_files_are_not(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder = tmp_path / "d" / name
        folder.mkdir(parents=True)
        (folder / "script.yaml").write_text("author: {match: [x, y]}" if name == "a" else "author: {match: [y, x]}")
        (folder / "author-1.md").write_text("")
        (folder / "NOTES").write_text("")
    (tmp_path / "d" / "__pycache__").mkdir()
    with pytest.raises(UsageError, match="the same author match: d/a and d/b"):
        load_repertoire([tmp_path])
    (tmp_path / "d" / "b" / "script.yaml").write_text("author: {match: [z]}")
    assert len(load_repertoire([tmp_path])) == 2


def test_folders_without_scripts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no scripts"):
        load_repertoire([tmp_path])
    with pytest.raises(UsageError, match="no such repertoire folder"):
        load_repertoire([tmp_path / "absent"])


def test_a_reply_that_is_not_text(tmp_path: Path) -> None:
    folder = tmp_path / "d" / "s"
    folder.mkdir(parents=True)
    (folder / "script.yaml").write_text(GOOD)
    (folder / "author-1.md").write_bytes(b"ab\xff")
    with pytest.raises(UsageError, match=r"author-1\.md is not UTF-8 text: .* at byte 2"):
        load_repertoire([tmp_path])
