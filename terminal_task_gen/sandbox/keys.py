"""Keystrokes as a model writes them → `send-keys` commands, byte for byte.

A string that as a whole equals a tmux key name (`C-c`, `Enter`, `Up`, `M-x`, `^D`) is that key, as under Terminus 2;
every other string is typed as it stands. All of it goes in hexadecimal, since tmux swallows a `;` at the end of an
argument, and since a paste would be sanitised by newer versions and bracketed by some programs.

A newline is a line feed, as under Terminus 2: a line editor takes it for Enter, and what is typed ahead reaches a
program that reads lines (after a carriage return, typed while the line editor has the terminal, it would wait for
ever). Only a single line with its newline, typed to a program, ends in what the Enter key sends, since editors tell the
two apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

CHUNK_BYTES = 1000
"""Per command; keeps a line of the control stream at some 3 kB."""

_NAME = (
    r"F[1-9]|F1[0-2]|IC|Insert|DC|Delete|Home|End|NPage|PageDown|PgDn|PPage|PageUp|PgUp|BTab|Tab|BSpace|Enter|Escape"
    r"|Space|Up|Down|Left|Right|KP/|KP\*|KP-|KP\+|KP\.|KPEnter|KP[0-9]"
)
_KEY = re.compile(rf"(?:{_NAME})|(?:\^|(?:[CMS]-)+)(?:{_NAME}|[!-~])", re.IGNORECASE)
_ENTER = re.compile(r"Enter|KPEnter|C-[mj]|\^[mj]", re.IGNORECASE)
_INTERRUPT = re.compile(r"C-c|\^c", re.IGNORECASE)
_BACKGROUND = re.compile(r"(?<![&>|<\\])&(?=[\s;)]|$)")


@dataclass(frozen=True)
class Keys:
    """Commands that type one string, and what a shell at its prompt would make of it."""

    lines: tuple[tuple[str, ...], ...]
    """Commands by line of the text; a shell that reads draws a prompt after each."""
    expected_prompts: int
    """Prompts that a shell draws when it has consumed them: one for each Enter, one for an interrupt."""
    starts_background: bool
    """There is a lone `&` in it, so the prompt's return does not mean that the work is done."""


def encode_keystrokes(keystrokes: str, pane: str, *, at_prompt: bool) -> Keys:
    """An empty string gives no command at all. `at_prompt`: the shell reads, not a program."""
    if _KEY.fullmatch(keystrokes):
        prompts = 1 if _ENTER.fullmatch(keystrokes) or _INTERRUPT.fullmatch(keystrokes) else 0
        return Keys(((f"send-keys -t {pane} {_quote(keystrokes)}",),), prompts, starts_background=False)
    data = keystrokes.encode(errors="replace")
    if not at_prompt and data.find(b"\n") == len(data) - 1:
        data = data.replace(b"\n", b"\r")
    parts = data.splitlines(keepends=True) if at_prompt else [data]
    lines = tuple(tuple(_type_bytes(part, pane)) for part in parts if part)
    return Keys(lines, sum(map(data.count, (b"\n", b"\r", b"\x03"))), bool(_BACKGROUND.search(keystrokes)))


def _type_bytes(data: bytes, pane: str) -> Iterator[str]:
    for start in range(0, len(data), CHUNK_BYTES):
        yield f"send-keys -t {pane} -H {data[start : start + CHUNK_BYTES].hex(' ')}"


def _quote(key: str) -> str:
    return '"\'"' if key == "'" else f'"{key}"' if "'" in key else f"'{key}'"
