"""What lies beside exported rows: the card, and the paper's training recipe as the trainer's own configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from terminal_task_gen import __version__
from terminal_task_gen.export.card import load_template
from terminal_task_gen.export.header import render_header
from terminal_task_gen.export.manifest import DataConfig, Manifest
from terminal_task_gen.export.shards import DataFile
from terminal_task_gen.export.trainers.chat import Thinking
from terminal_task_gen.export.trainers.formats import RowFormat, list_columns

_FOLDER = Path(__file__).with_name("recipes")
_CONSUMERS = {
    RowFormat.TERMINAL_CORPUS: "readers of the released Terminal-Corpus",
    RowFormat.MESSAGES: "TRL, axolotl and NeMo-RL",
    RowFormat.CONVERSATIONS: "LLaMA-Factory",
    RowFormat.VERL: "veRL",
}
_RECIPES = {
    RowFormat.MESSAGES: "trl-sft.yaml",
    RowFormat.CONVERSATIONS: "llamafactory-sft.yaml",
    RowFormat.VERL: "verl-sft.yaml",
}
_SHAREGPT_TAGS = {"role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt"}

Files = Mapping[str, tuple[DataFile, ...]]
"""Split → its files."""


def render_companions(manifest: Manifest, files: Files, form: RowFormat) -> dict[str, str]:
    """File name → text of everything beside the data."""
    companions: dict[str, str] = {}
    chat_template = (_FOLDER / "chat_template.jinja").read_text(encoding="utf-8").rstrip("\n")
    recipe = _RECIPES.get(form)
    if recipe is not None and "train" in files:
        entries = {split: f"{_name_entry(manifest)}_{split}" for split in files}
        companions[recipe] = load_template(f"trainers/recipes/{recipe}.j2").render(
            name=manifest.name,
            splits=tuple(files),
            files={split: [file.path for file in members] for split, members in files.items()},
            entries=entries,
            staged=manifest.ordered,
            chat_template=chat_template,
        )
        if form is RowFormat.CONVERSATIONS:
            companions["dataset_info.json"] = _render_dataset_info(entries)
        else:
            companions["chat_template.jinja"] = chat_template
    return companions


def render_export_card(
    manifest: Manifest, files: Files, form: RowFormat, thinking: Thinking, left_out: Mapping[str, int]
) -> str:
    rows = sum(file.rows for members in files.values() for file in members)
    config = DataConfig(name="default", splits=dict(files))
    header = render_header(
        f"{manifest.name}: {form}",
        licence=manifest.licence,
        rows=rows,
        configs=[config],
        features=[list_columns(form, thinking)],
    )
    body = load_template("trainers/recipes/README.md.j2").render(
        name=manifest.name,
        form=form,
        rows=rows,
        origin=manifest.kind,
        version=__version__,
        consumer=_CONSUMERS[form],
        files=files,
        left_out=left_out,
        recipe=_RECIPES.get(form),
        licence=manifest.licence,
        run_ids=manifest.run_ids,
    )
    return header + body


def _name_entry(manifest: Manifest) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in manifest.name)


def _render_dataset_info(entries: Mapping[str, str]) -> str:
    """LLaMA-Factory takes a folder for a data set of several files."""
    info: dict[str, Any] = {
        name: {
            "file_name": split,
            "formatting": "sharegpt",
            "columns": {"messages": "conversations"},
            "tags": _SHAREGPT_TAGS,
        }
        for split, name in entries.items()
    }
    return orjson.dumps(info, option=orjson.OPT_INDENT_2).decode() + "\n"
