"""Finds the tagged parts of an author's reply, whatever lies around and inside them.

Tags count only at the start of a line, in either case, with or without attributes. A part may hold the text of its
own or another tag (tests about XML do): it ends at the first closing tag after which another part, or nothing,
follows. Nothing here judges contents.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_THINK = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_ORPHAN_THINK_END = re.compile(r"\A.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_OPEN_TASK = re.compile(r"^[ \t]*<task(?:\s[^>]*)?>", re.MULTILINE | re.IGNORECASE)
_CLOSE_TASK = re.compile(r"^[ \t]*</task\s*>", re.MULTILINE | re.IGNORECASE)
_OPEN_INSTRUCTION = re.compile(r"^[ \t]*<instruction(?:\s[^>]*)?>", re.MULTILINE | re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([\w:-]+)\s*(?:=\s*("[^"]*"|'[^']*'|[^\s"'>]+))?""")
_FILE_OPEN = re.compile(r"^[ \t]*<file((?:\s+[^>]*?)?)(/?)>", re.MULTILINE | re.IGNORECASE)
_FILE_CLOSE = re.compile(r"</file\s*>", re.IGNORECASE)


@dataclass(frozen=True)
class FilePart:
    """One `<file>` as written: attributes by lower-case name (bare ones are "true") and raw content."""

    attributes: dict[str, str]
    raw: str
    closed: bool = True


@dataclass(frozen=True)
class Sections:
    """The parts of a task block by name, raw, and the names of those that were opened and never closed."""

    raw: dict[str, str] = field(default_factory=dict)
    unclosed: tuple[str, ...] = ()


def find_task_block(text: str) -> str | None:
    """Content of the last complete task block; None when there is none. A block holds an instruction."""
    text = _strip_thinking(text)
    closings = list(_CLOSE_TASK.finditer(text)) or list(re.finditer(r"</task\s*>", text, re.IGNORECASE))
    openings = list(_OPEN_TASK.finditer(text)) or list(re.finditer(r"<task(?:\s[^>]*)?>", text, re.IGNORECASE))
    pairs = [(o.end(), c.start()) for c in reversed(closings) for o in reversed(openings) if o.end() <= c.start()]
    # The nearest opening may be part of an XML file within the task; the block's own has an instruction after it.
    holding = (pair for pair in pairs if _OPEN_INSTRUCTION.search(text, *pair))
    start, end = next(holding, pairs[0] if pairs else (0, -1))
    return text[start:end] if end >= 0 else None


def split_sections(block: str, names: Sequence[str]) -> Sections:
    """The named parts, in whatever order they come; the first one of a name counts."""
    raw: dict[str, str] = {}
    unclosed: list[str] = []
    position = 0
    while opening := _find_opening(block, position, [n for n in names if n not in raw and n not in unclosed]):
        name = opening["name"].lower()
        rest = [n for n in names if n not in raw and n != name]
        end = _find_end(block, opening.end(), name, rest)
        if end is None:
            unclosed.append(name)
            position = opening.end()
            continue
        raw[name] = block[opening.end() : end.start()]
        position = end.end()
    return Sections(raw, tuple(unclosed))


def split_files(raw: str) -> list[FilePart]:
    """The `<file>` parts of the files section, in order."""
    parts: list[FilePart] = []
    position = 0
    while opening := _FILE_OPEN.search(raw, position):
        attributes = _parse_attributes(opening[1])
        if opening[2]:
            parts.append(FilePart(attributes, ""))
            position = opening.end()
            continue
        closings = list(_FILE_CLOSE.finditer(raw, opening.end()))
        end = next((c for c in closings if _is_file_end(raw, c.end())), closings[0] if closings else None)
        parts.append(
            FilePart(attributes, raw[opening.end() : end.start() if end else len(raw)], closed=end is not None)
        )
        position = end.end() if end else len(raw)
    return parts


def _strip_thinking(text: str) -> str:
    if _THINK.match(text):
        return _THINK.sub("", text, count=1)
    # Some templates put the opening tag into the prompt, so only the closing one is in the reply.
    orphan = _ORPHAN_THINK_END.match(text)
    if orphan and not re.search(r"<think(?:ing)?>|</task\s*>", orphan[0], re.IGNORECASE):
        return text[orphan.end() :]
    return text


def _find_opening(block: str, position: int, names: Sequence[str]) -> re.Match[str] | None:
    if not names:
        return None
    pattern = rf"^[ \t]*<(?P<name>{'|'.join(names)})(?:\s[^>]*)?>"
    return re.compile(pattern, re.MULTILINE | re.IGNORECASE).search(block, position)


def _find_end(block: str, position: int, name: str, rest: Sequence[str]) -> re.Match[str] | None:
    follower = re.compile(rf"\s*(?:\Z|<(?:{'|'.join(rest) or name})(?:\s[^>]*)?>)", re.IGNORECASE)
    closings = list(re.compile(rf"</{name}\s*>", re.IGNORECASE).finditer(block, position))
    for closing in closings:
        if follower.match(block, closing.end()):
            return closing
    # Prose stands between this part and the next: the part ends before the next opening tag.
    limit = _find_opening(block, closings[0].end(), rest) if closings else None
    return [c for c in closings if limit is None or c.end() <= limit.start()][-1] if closings else None


def _is_file_end(raw: str, position: int) -> bool:
    return re.compile(r"\s*(?:\Z|<file\b)", re.IGNORECASE).match(raw, position) is not None


def _parse_attributes(text: str) -> dict[str, str]:
    return {name.lower(): value.strip("\"'") if value else "true" for name, value in _ATTRIBUTE.findall(text)}
