"""Untrusted text on its way to a person's terminal: control characters shown instead of sent, or sequences let through
that only draw.

What a recording may send: printable text, line feeds, tabs, backspaces; colours and attributes; cursor movement;
clearing, inserting, deleting and scrolling; scroll regions; tab stops; the alternate screen, the cursor's visibility,
wrapping and application cursor keys; line-drawing character sets. Everything else is swallowed: operating system
commands (title, clipboard, hyperlinks, colours of the palette), device strings, questions that a terminal answers by
typing, window operations, mouse, focus and paste modes, full reset, the bell, bidirectional overrides.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

_DRAWING_FINALS = frozenset("@ABCDEFGHIJKLMPSTXZ`abdefgmrsu")
_SAVED_MODES = frozenset({"1", "7", "25", "47", "1047", "1048", "1049"})
"""DEC private modes that may be set and reset: cursor keys, wrapping, cursor, alternate screen."""
_ESCAPES = frozenset("78DEHM")
_CHARSETS = frozenset("()*+")
_KEPT_CONTROLS = frozenset("\n\r\t\b\v\f\x0e\x0f")
_STRING_OPENERS = frozenset("]PX^_")
_MAX_SEQUENCE_CHARS = 128


def make_harmless(text: str) -> str:
    """The text with every character that a terminal might act on made visible; newlines and tabs stay."""
    text = text.replace("\r\n", "\n")
    if text.isprintable():
        return text
    return "".join(c if c in "\n\t" or c.isprintable() else _show(c) for c in text)


def _show(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\N{SYMBOL FOR DELETE}"
    # Spaces and joiners of other scripts print nothing by themselves, and turn nothing round.
    if unicodedata.category(character) == "Zs":
        return character
    return f"‹U+{code:04X}›"


class DrawingFilter:
    """Lets the sequences through that only draw; a sequence may come in pieces.

    `rows` is the height of the recorded screen: a reset of the scroll region means that height, not the terminal's.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._pending = ""
        """A sequence begun: from its ESC on; of a string (OSC and its like) only the opener."""
        self._string_escape = False

    def feed(self, text: str) -> str:
        return "".join(self._feed(text))

    def _feed(self, text: str) -> Iterator[str]:
        for character in text:
            if self._pending[1:2] and self._pending[1] in _STRING_OPENERS:
                self._swallow(character)
            elif self._pending:
                yield self._extend(character)
            elif character == "\x1b":
                self._pending = character
            elif character in _KEPT_CONTROLS or character.isprintable() or unicodedata.category(character) == "Zs":
                yield character

    def _swallow(self, character: str) -> None:
        """A string ends with BEL, ESC \\, the C1 terminator, or is broken off by CAN or SUB."""
        ended = character in "\x07\x18\x1a\x9c" or (self._string_escape and character == "\\")
        self._string_escape = character == "\x1b"
        if ended:
            self._pending = ""

    def _extend(self, character: str) -> str:
        """What may be drawn once the sequence is whole; empty before, and when it is not let through."""
        if character in "\x18\x1a":
            self._pending = ""
            return ""
        if character == "\x1b":
            self._pending = character
            return ""
        if character < " ":
            return character if character in _KEPT_CONTROLS else ""
        self._pending += character
        self._string_escape = False
        sequence = self._pending
        if len(sequence) == 2:
            return self._finish(
                sequence if character in _ESCAPES else "", done=character not in "[" and not _opens(character)
            )
        if sequence[1] == "[":
            whole = "@" <= character <= "~"
            return self._finish(
                self._judge_csi(sequence) if whole else "", done=whole or len(sequence) > _MAX_SEQUENCE_CHARS
            )
        return self._finish(sequence if sequence[1] in _CHARSETS and character in "0AB" else "", done=True)

    def _finish(self, drawn: str, *, done: bool) -> str:
        if done:
            self._pending = ""
        return drawn

    def _judge_csi(self, sequence: str) -> str:
        parameters, final = sequence[2:-1], sequence[-1]
        if final in "hl" and parameters.startswith("?"):
            kept = [mode for mode in parameters[1:].split(";") if mode in _SAVED_MODES]
            return f"\x1b[?{';'.join(kept)}{final}" if kept else ""
        if final == "h" or final == "l":
            return sequence if parameters == "4" else ""
        if final not in _DRAWING_FINALS or not all(c.isdigit() or c in ";:" for c in parameters):
            return ""
        return f"\x1b[1;{self._rows}r" if final == "r" and not parameters.strip(";") else sequence


def _opens(character: str) -> bool:
    """The second character of a sequence that has more to come."""
    return character in _STRING_OPENERS or character in _CHARSETS or character in " #%-./"
