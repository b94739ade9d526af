"""Text that others wrote, made fit to print: a teacher's reply must not command the user's terminal."""

from __future__ import annotations


def make_harmless(text: str) -> str:
    """The text with every control, format and bidi character shown as ␛ in place of being sent; newlines, tabs stay."""
    return "".join(c if c in "\n\t" or c.isprintable() else "\N{SYMBOL FOR ESCAPE}" for c in text)
