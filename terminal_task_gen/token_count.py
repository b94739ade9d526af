"""How long a conversation is for a model: counted with a tokenizer file, or estimated and said so.

What a chat template adds is reckoned as a fixed number of tokens a turn, which fits ChatML.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from terminal_task_gen.errors import PrerequisiteError, UsageError

BYTES_PER_TOKEN = 3.5
"""Of terminal sessions in UTF-8; a cautious figure, so that estimates are rather too high than too low."""
MAX_CHARACTER_BYTES = 4
"""Of UTF-8."""
TOKENS_PER_TURN = 5
"""`<|im_start|>`, role, newline, `<|im_end|>`, newline."""


class TokenCounter(Protocol):
    """Counts the tokens of whole conversations."""

    @property
    def name(self) -> str:
        """For reports: what was counted with."""
        ...

    def count(self, contents: Sequence[str]) -> int:
        """Tokens of a conversation with these turns."""
        ...

    def bound(self, characters: int, turns: int) -> float:
        """No conversation of this size has more tokens."""
        ...


class Estimate:
    """Needs nothing; exact for nobody."""

    name = f"estimate: UTF-8 bytes / {BYTES_PER_TOKEN:g}"

    def count(self, contents: Sequence[str]) -> int:
        return estimate_tokens(contents)

    def bound(self, characters: int, turns: int) -> float:
        return 1 + characters * MAX_CHARACTER_BYTES / BYTES_PER_TOKEN + TOKENS_PER_TURN * turns


class TokenizerFile:
    """A Hugging Face `tokenizer.json`."""

    def __init__(self, path: Path) -> None:
        self.name = f"tokenizer: {path.name if path.name != 'tokenizer.json' else path.parent.name + '/' + path.name}"
        self._tokenizer: Any = _load(path)

    def count(self, contents: Sequence[str]) -> int:
        encodings = self._tokenizer.encode_batch_fast(list(contents), add_special_tokens=False)
        return sum(len(encoding.ids) for encoding in encodings) + TOKENS_PER_TURN * len(contents)

    def bound(self, characters: int, turns: int) -> float:
        return math.inf


def make_counter(tokenizer: Path | None) -> TokenCounter:
    """Raises UsageError when the file is no tokenizer, PrerequisiteError when the extra is missing."""
    return Estimate() if tokenizer is None else TokenizerFile(tokenizer)


def estimate_tokens(contents: Iterable[str]) -> int:
    texts = list(contents)
    size_bytes = sum(map(len, texts))
    size_bytes += sum([len(text.encode(errors="surrogatepass")) - len(text) for text in texts if not text.isascii()])
    return round(size_bytes / BYTES_PER_TOKEN) + TOKENS_PER_TURN * len(texts)


def _load(path: Path) -> Any:
    try:
        tokenizers = importlib.import_module("tokenizers")
    except ImportError as error:
        raise PrerequisiteError(
            "counting tokens with a tokenizer file needs: pip install 'terminal-task-gen[tokenizers]'"
        ) from error
    if not path.is_file():
        raise UsageError(
            f"tokenizer {path} does not exist; give a model's tokenizer.json, or leave it out for an estimate"
        )
    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # whatever it cannot read, the library raises bare Exception
        raise UsageError(f"{path} is not a tokenizer.json: {error}") from error
