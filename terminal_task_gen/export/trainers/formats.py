"""Each trainer's row, made from a corpus row, with its columns fixed beforehand.

A schema that is guessed from the first rows breaks on the first empty list; so the columns are written down here, put
on the card, and are the Parquet schema.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from terminal_task_gen.export.header import Features, list_features
from terminal_task_gen.export.rows import CorpusRow
from terminal_task_gen.export.source import Row
from terminal_task_gen.export.trainers.chat import Thinking, shape_turns


class RowFormat(StrEnum):
    """What rows can be written as."""

    TERMINAL_CORPUS = "terminal-corpus"
    """The corpus's own columns, the released ones first."""
    MESSAGES = "messages"
    """`messages` of role and content: TRL, axolotl, NeMo-RL."""
    CONVERSATIONS = "conversations"
    """ShareGPT's `conversations` of from and value: LLaMA-Factory."""
    VERL = "verl"
    """`messages` for veRL's MultiTurnSFTDataset; Parquet only."""


_KEPT = ("id", "task", "source", "domain", "difficulty", "family", "reward", "passed")
"""Columns that go along with every trainer's row, for slicing."""
_SPEAKERS = {"user": "human", "assistant": "gpt"}


def list_columns(form: RowFormat, thinking: Thinking) -> Features:
    """Columns of a format, as `dataset_info.features`."""
    corpus = list_features(CorpusRow)
    if form is RowFormat.TERMINAL_CORPUS:
        return corpus
    along = [column for name in _KEPT for column in corpus if column["name"] == name]
    if form is RowFormat.CONVERSATIONS:
        return [{"name": "conversations", "list": [_text("from"), _text("value")]}, *along]
    turn = [_text("role"), _text("content"), *([_text("reasoning_content")] if thinking is Thinking.APART else [])]
    flag = [{"name": "enable_thinking", "dtype": "bool"}] if form is RowFormat.VERL else []
    return [{"name": "messages", "list": turn}, *flag, *along]


def shape_row(row: Row, form: RowFormat, thinking: Thinking) -> dict[str, Any]:
    """The trainer's row. Raises UnusableError."""
    if form is RowFormat.TERMINAL_CORPUS:
        return row
    turns = shape_turns(row["conversations"], thinking)
    along = {name: row[name] for name in _KEPT}
    if form is RowFormat.CONVERSATIONS:
        return {"conversations": [{"from": _SPEAKERS[t["role"]], "value": t["content"]} for t in turns], **along}
    flag = {"enable_thinking": bool(row["enable_thinking"])} if form is RowFormat.VERL else {}
    return {"messages": turns, **flag, **along}


def _text(name: str) -> dict[str, Any]:
    return {"name": name, "dtype": "string"}
