"""Configuration: every mistake is one line that names field, place and remedy; what is saved reads back the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from terminal_task_gen.config import Config, dump_config, load_config
from terminal_task_gen.errors import UsageError
from terminal_task_gen.fingerprint import EXCLUDED, check_unchanged, collect_fields, digest_fields


def test_later_layers_win(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("name: a\nrollout: {max_turns: 7, parallel: 3}\n")
    config = load_config(path, ["rollout.max_turns=9", "filter.benchmarks=[x.jsonl]"], {"name": "b"})
    assert (config.name, config.rollout.max_turns, config.rollout.parallel) == ("b", 9, 3)
    assert config.filter.benchmarks == (Path("x.jsonl"),)


def test_the_dump_reads_back_to_the_same_tree(tmp_path: Path) -> None:
    config = load_config(None, ["teacher.author.extra_body={a: {b: 1}}", "generate.domains=[security]"])
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(config))
    assert load_config(path) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "is not valid YAML"),
        ("- 1", "the top level must be a mapping"),
        ("rollout: {max_turnz: 3}", "unknown field 'rollout.max_turnz'; known here: attempts, parallel, max_turns"),
        ("rollout: {max_turns: 0}", "rollout.max_turns: Input should be greater than or equal to 1 (got 0)"),
        ("teacher: {author: {key: x}}", "known here: base_url, model"),
        ("generate: {modes: [skil]}", "generate.modes.0"),
    ],
)
def test_bad_yaml_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_config(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("override", ["novalue", "=3", "a=[", "nope=1", "rollout.parallel=many"])
def test_bad_overrides_are_usage_errors(override: str) -> None:
    with pytest.raises(UsageError):
        load_config(None, [override])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.yaml"):
        load_config(tmp_path / "nowhere.yaml")


def test_fields_that_decide_data_change_the_fingerprint_and_others_do_not() -> None:
    base = collect_fields(Config(), "generate", {"taxonomy": "aa"})
    free = load_config(None, ["generate.parallel=99", "teacher.author.base_url=http://x/v1", "generate.count=5"])
    assert digest_fields(collect_fields(free, "generate", {"taxonomy": "aa"})) == digest_fields(base)
    bound = collect_fields(load_config(None, ["teacher.author.temperature=0.5"]), "generate", {"taxonomy": "aa"})
    with pytest.raises(UsageError, match=r"teacher\.author\.temperature = None, now it is = 0\.5.*another --name"):
        check_unchanged(base, bound, stage="generate", run="runs/x")
    with pytest.raises(UsageError, match="contents of taxonomy"):
        check_unchanged(base, {**base, "contents of taxonomy": "bb"}, stage="generate", run="runs/x")


def test_every_excluded_field_exists_and_says_why() -> None:
    tree = Config().model_dump()
    for field, reason in EXCLUDED.items():
        value = tree
        for part in field.replace("*", "teacher.author").split("."):
            value = value[part]
        assert len(reason) >= 8
