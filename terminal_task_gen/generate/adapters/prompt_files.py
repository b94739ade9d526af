"""The code files that stand in a prompt, in the forms in which repair data sets show them.

[start of src/x.py] … [end of src/x.py]          SWE-bench's retrieval sets; numbered lines lose their numbers
--- BEGIN FILE --- ``` ### src/x.py … ``` --- END FILE ---          Agentless, and what was made with it
<file path="src/x.py"> … </file>
### src/x.py ```python … ```                     a heading that is a path, then a fence
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_PATH = r"(?P<path>(?:[\w.+@-]+/)*[\w.+@-]*\.\w{1,10}|(?:[\w.+-]+/)*(?:Makefile|Dockerfile|Rakefile|Gemfile))"
_START_END = re.compile(rf"^\[start of {_PATH}\]\n(?P<text>.*?)\n?^\[end of (?P=path)\]$", re.M | re.S)
_SECTION = re.compile(r"^--- BEGIN FILE ---\n(?P<text>.*?)\n--- END FILE ---", re.M | re.S)
_ELEMENT = re.compile(rf'<file (?:path|name)="/?{_PATH}">\n?(?P<text>.*?)\n?</file>', re.S)
_HEADING = re.compile(
    rf"^(?:#{{1,6}}[ \t]*|File(?:name)?:[ \t]*|Path:[ \t]*)(?:`|\*\*)?/?{_PATH}(?:`|\*\*)?:?[ \t]*$", re.M
)
_FENCE = re.compile(
    r"\n*[ \t]*(?P<fence>`{3,}|~{3,})[\w+.-]*[ \t]*\n(?P<text>.*?)\n?^[ \t]*(?P=fence)[ \t]*$", re.M | re.S
)
_NUMBERED = re.compile(r"^\s*(\d+)(?:[ \t|:]|$)")


def find_files(prompt: str) -> dict[str, str]:
    """Path → content. A path that is shown twice gets its longer text."""
    found: dict[str, str] = {}
    for path, text in _list_files(prompt.replace("\r\n", "\n")):
        clean = re.sub(r"^(?:\./)+", "", path)
        if ".." not in clean.split("/") and len(text) > len(found.get(clean, "")):
            found[clean] = text if text.endswith("\n") else f"{text}\n"
    return found


def _list_files(prompt: str) -> Iterator[tuple[str, str]]:
    for match in _START_END.finditer(prompt):
        yield match["path"], _drop_numbers(match["text"])
    for match in _ELEMENT.finditer(prompt):
        yield match["path"], match["text"]
    for section in _SECTION.finditer(prompt):
        inner = _FENCE.fullmatch(section["text"].strip("\n") + "\n") or _FENCE.fullmatch(section["text"].strip("\n"))
        yield from _split_headings(inner["text"] if inner else section["text"])
    rest = _SECTION.sub("", prompt)
    for heading in _HEADING.finditer(rest):
        fence = _FENCE.match(rest, heading.end())
        if fence is not None:
            yield heading["path"], fence["text"]


def _split_headings(text: str) -> Iterator[tuple[str, str]]:
    heads = list(_HEADING.finditer(text))
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        yield head["path"], text[head.end() : following.start() if following else len(text)].lstrip("\n")


def _drop_numbers(text: str) -> str:
    """`1 import os` → `import os`, where every line is numbered and the numbers rise by one."""
    lines = text.split("\n")
    numbers = [match and int(match[1]) for match in map(_NUMBERED.match, lines)]
    if numbers[0] is None or numbers != list(range(numbers[0], numbers[0] + len(lines))):
        return text
    return "\n".join(_NUMBERED.sub("", line, count=1) for line in lines)
