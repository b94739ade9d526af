"""Exports of rows: loaded by what trainers load with, every row there, and shaped so that none is dropped or cut.

TRL, LLaMA-Factory and veRL themselves are too heavy for every test run (torch and more), so their documented demands on
rows and templates are checked here with what they stand on: `datasets`, pyarrow, pandas and Jinja.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import jinja2
import jinja2.ext
import orjson
import pytest
import yaml
from jinja2 import nodes
from jinja2.parser import Parser

from terminal_task_gen.errors import PrerequisiteError, UsageError
from terminal_task_gen.export.source import RowSource, conform_row
from terminal_task_gen.export.trainers import tables
from terminal_task_gen.export.trainers.chat import Thinking, UnusableError, shape_turns
from terminal_task_gen.export.trainers.formats import RowFormat
from terminal_task_gen.export.trainers.tables import FileType
from terminal_task_gen.export.trainers.write import ExportReport, RowOptions, export_rows
from tests.export.conftest import Ttg
from tests.export.samples import make_run

FORMATS = [(form, file_type) for form in RowFormat for file_type in FileType if (form, file_type) != ("verl", "jsonl")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs"))


def load(folder: Path, tmp_path: Path) -> Any:
    datasets = importlib.import_module("datasets")
    datasets.disable_progress_bars()
    return datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))


def export(run: Path, folder: Path, form: RowFormat, **choices: Any) -> ExportReport:
    return export_rows(RowSource(run), folder, RowOptions(form=form, **choices))


@pytest.mark.parametrize(("form", "file_type"), FORMATS)
def test_datasets_loads_every_row_of_every_format(
    run: Path, tmp_path: Path, form: RowFormat, file_type: FileType
) -> None:
    report = export(run, tmp_path / "out", form, file_type=file_type, max_shard_bytes=6_000)
    rows = load(tmp_path / "out", tmp_path)
    assert (report.rows, len(rows)) == (16, 16)
    assert len(report.files["train"]) > 1
    source = {row["id"]: row for row in RowSource(run).read_rows("train")}
    assert {row["id"] for row in rows} == set(source)
    for row in rows:
        assert None not in row.values()
        assert (row["reward"], row["domain"]) == (source[row["id"]]["reward"], source[row["id"]]["domain"])


@pytest.mark.parametrize("file_type", list(FileType))
def test_the_corpus_comes_back_as_it_was(run: Path, tmp_path: Path, file_type: FileType) -> None:
    export(run, tmp_path / "out", RowFormat.TERMINAL_CORPUS, file_type=file_type)
    assert list(load(tmp_path / "out", tmp_path)) == list(RowSource(run).read_rows("train"))


def test_messages_and_sharegpt_hold_the_same_words(run: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "m", RowFormat.MESSAGES)
    export(run, tmp_path / "c", RowFormat.CONVERSATIONS)
    ours = {row["id"]: row["conversations"] for row in RowSource(run).read_rows("train")}
    shared = {row["id"]: row["conversations"] for row in load(tmp_path / "c", tmp_path)}
    for row in load(tmp_path / "m", tmp_path):
        turns = row["messages"]
        assert [turn["role"] for turn in turns] == ["user", "assistant"] * (len(turns) // 2)
        assert [(t["from"], t["value"]) for t in shared[row["id"]]] == [
            ({"user": "human", "assistant": "gpt"}[t["role"]], t["content"]) for t in turns
        ]
        # Two user turns in a row became one, nothing else changed.
        assert "\n\n".join(t["content"] for t in turns) == "\n\n".join(t["content"] for t in ours[row["id"]])
        assert len(ours[row["id"]]) == len(turns) + 1


def test_reasoning_inline_apart_or_none(run: Path, tmp_path: Path) -> None:
    first = {}
    for thinking in Thinking:
        export(run, tmp_path / thinking, RowFormat.MESSAGES, thinking=thinking)
        first[thinking] = load(tmp_path / thinking, tmp_path)[0]["messages"]
    inline, apart, none = (first[thinking][1] for thinking in Thinking)
    assert inline["content"].startswith("<think>\nLet me look.\n</think>\n\n{")
    assert apart == {
        "role": "assistant", "content": none["content"], "reasoning_content": "Let me look.",
    }  # fmt: skip
    assert none["content"].startswith('{"analysis"') and set(none) == {"role", "content"}
    assert [turn["reasoning_content"] for turn in first[Thinking.APART]] == ["", "Let me look.", "", ""]


def test_what_no_trainer_can_use_is_left_out_with_a_reason() -> None:
    user, reply = {"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}
    assert [t["role"] for t in shape_turns([user, reply, user, user], Thinking.INLINE)] == ["user", "assistant"]
    for turns, reason in (([user], "no_reply"), ([], "no_reply"), ([user, reply, reply], "roles_do_not_alternate")):
        with pytest.raises(UnusableError, match=reason):
            shape_turns(turns, Thinking.INLINE)


def test_parquet_is_fit_for_viewers_and_streams(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = importlib.import_module("pyarrow.parquet")
    monkeypatch.setattr(tables, "_ROW_GROUP_BYTES", 6_000)
    report = export(run, tmp_path / "out", RowFormat.VERL)
    (file,) = report.files["train"]
    reader = parquet.ParquetFile(tmp_path / "out" / file.path)
    assert reader.metadata.num_rows == file.rows == 16
    assert reader.metadata.num_row_groups > 1
    column = reader.metadata.row_group(0).column(0)
    assert (column.compression, column.has_column_index) == ("ZSTD", True)


def test_verl_reads_it_as_its_dataset_does(run: Path, tmp_path: Path) -> None:
    """MultiTurnSFTDataset: pandas with the pyarrow backend; each turn rendered alone must add up to the whole."""
    pandas = importlib.import_module("pandas")
    export(run, tmp_path / "out", RowFormat.VERL)
    recipe = yaml.safe_load((tmp_path / "out" / "verl-sft.yaml").read_text(encoding="utf-8"))
    frames = [pandas.read_parquet(tmp_path / "out" / f, dtype_backend="pyarrow") for f in recipe["data"]["train_files"]]
    rows = pandas.concat(frames)["messages"].tolist()
    assert len(rows) == 16
    render = make_renderer(recipe["model"]["custom_chat_template"])
    for turns in rows:
        whole, marked = render(list(turns))
        assert whole == "".join(render([turn])[0] for turn in turns)
        assert marked == "".join(f"{turn['content']}<|im_end|>\n" for turn in turns if turn["role"] == "assistant")
    assert render([], add_generation_prompt=True)[0] == "<|im_start|>assistant\n"


def test_thinking_kept_apart_renders_as_inline(run: Path, tmp_path: Path) -> None:
    rendered = []
    for thinking in (Thinking.INLINE, Thinking.APART):
        export(run, tmp_path / thinking, RowFormat.MESSAGES, thinking=thinking)
        template = (tmp_path / thinking / "chat_template.jinja").read_text(encoding="utf-8")
        rendered.append([make_renderer(template)(row["messages"]) for row in load(tmp_path / thinking, tmp_path)])
    assert rendered[0] == rendered[1]


def test_llamafactory_finds_the_data_by_its_entry(run: Path, tmp_path: Path) -> None:
    """Its loader: a folder is a data set of several files; odd turns human, even turns gpt, an even number of them."""
    export(run, tmp_path / "out", RowFormat.CONVERSATIONS, max_shard_bytes=6_000)
    info = orjson.loads((tmp_path / "out" / "dataset_info.json").read_bytes())
    recipe = yaml.safe_load((tmp_path / "out" / "llamafactory-sft.yaml").read_text(encoding="utf-8"))
    entry = info[recipe["dataset"]]
    tags, column = entry["tags"], entry["columns"]["messages"]
    files = sorted((tmp_path / "out" / entry["file_name"]).iterdir())
    assert len({file.suffix for file in files}) == 1 < len(files)
    rows = [orjson.loads(line) for file in files for line in file.read_bytes().splitlines()]
    assert len(rows) == 16
    for row in rows:
        speakers = [turn[tags["role_tag"]] for turn in row[column]]
        assert speakers == [tags["user_tag"], tags["assistant_tag"]] * (len(speakers) // 2)
        assert all(isinstance(turn[tags["content_tag"]], str) for turn in row[column])


def test_the_recipes_are_the_papers(run: Path, tmp_path: Path) -> None:
    for form in (RowFormat.MESSAGES, RowFormat.CONVERSATIONS, RowFormat.VERL):
        export(run, tmp_path / form, form)
    trl = yaml.safe_load((tmp_path / "messages" / "trl-sft.yaml").read_text(encoding="utf-8"))
    factory = yaml.safe_load((tmp_path / "conversations" / "llamafactory-sft.yaml").read_text(encoding="utf-8"))
    verl = yaml.safe_load((tmp_path / "verl" / "verl-sft.yaml").read_text(encoding="utf-8"))
    for recipe in (trl, factory):
        assert (recipe["learning_rate"], recipe["weight_decay"], recipe["num_train_epochs"]) == (2e-5, 1e-4, 2)
        assert (recipe["adam_beta1"], recipe["adam_beta2"], recipe["warmup_ratio"]) == (0.9, 0.95, 0.1)
    assert (trl["max_length"], factory["cutoff_len"], verl["data"]["max_length"]) == (32768, 32768, 32768)
    assert (verl["optim"]["lr"], verl["optim"]["betas"], verl["data"]["train_batch_size"]) == (2e-5, [0.9, 0.95], 128)


def test_an_older_or_foreign_row_gets_this_versions_columns() -> None:
    row = conform_row({"conversations": [], "task": "t-1", "reward": None, "extra": 1})
    assert (row["family"], row["reward"], row["skills"], row["passed"]) == ("t-1", 0.0, [], False)
    assert "extra" not in row


def test_the_command_says_what_it_wrote_and_takes_a_part(run: Path, tmp_path: Path, ttg: Ttg) -> None:
    result = ttg("export", str(run), "-f", "messages", "--part", "seed_based", "-o", str(tmp_path / "out"))
    assert (result.code, result.out) == (0, f"messages: 4 rows (train 4) in {tmp_path / 'out'}\n")
    assert ttg("export", str(run), "-f", "verl", "-o", str(tmp_path / "out")).code == 0
    assert not (tmp_path / "out" / "trl-sft.yaml").exists()


def test_mistakes_cost_one_line(run: Path, tmp_path: Path, ttg: Ttg) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    for args, words in (
        (["nowhere", "-f", "verl"], "nowhere does not exist"),
        ([str(tmp_path), "-f", "verl"], "neither a run nor a corpus"),
        ([str(run), "-f", "verl", "--part", "hard"], "known: default, seed_based, skill_based"),
        ([str(run), "-f", "verl", "-o", str(tmp_path / "mine")], "holds something else"),
        ([str(run / "corpus"), "-f", "harbor"], "give the run's folder"),
        ([str(run), "-f", "verl", "--push-to-hub", "me"], "owner/name"),
        ([str(run), "-f", "verl", "--push-to-hub", "me/data"], "HF_TOKEN"),
    ):
        result = ttg("export", *args)
        assert (result.code, len(result.err.splitlines())) == (2, 1), result.err
        assert words in result.err
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "x"


def test_damage_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path, tasks=4)
    shard = next((run / "corpus").glob("**/train-*.jsonl"))
    content = shard.read_bytes()
    shard.write_bytes(b"x" * len(content))
    with pytest.raises(UsageError, match=r"train-.*\.jsonl line 1: not a corpus row"):
        export(run, tmp_path / "out", RowFormat.MESSAGES)
    shard.write_bytes(content[:-1])
    with pytest.raises(UsageError, match="does not fit its manifest"):
        export(run, tmp_path / "out", RowFormat.MESSAGES)
    assert not (tmp_path / "out").exists()


def test_a_missing_extra_says_what_to_install(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PrerequisiteError, match=r"pip install 'terminal-task-gen\[parquet\]'"):
        export(run, tmp_path / "out", RowFormat.VERL)
    assert list(tmp_path.glob("out*")) == []


class GenerationTag(jinja2.ext.Extension):
    """`{% generation %}` as transformers has it: marks what the model says."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_mark"), [], [], body).set_lineno(line)

    def _mark(self, caller: Any) -> str:
        text = str(caller())
        marked: Any = self.environment.globals["marked"]
        marked.append(text)
        return text


def make_renderer(template: str) -> Any:
    """Function: messages → whole text, and what of it is trained on."""
    environment = jinja2.Environment(extensions=[GenerationTag], trim_blocks=True, lstrip_blocks=True)
    compiled = environment.from_string(template)

    def render(messages: list[dict[str, str]], *, add_generation_prompt: bool = False) -> tuple[str, str]:
        marked: list[str] = []
        environment.globals["marked"] = marked
        text = compiled.render(messages=messages, add_generation_prompt=add_generation_prompt)
        return text, "".join(marked)

    return render
