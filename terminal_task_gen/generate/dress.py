"""What authors wrap a part in though nobody asked: CDATA, a code fence, HTML entities. Taken off here, once.

A wrapper is only taken off when it encloses the whole; whatever stands within the contents stays verbatim.
"""

from __future__ import annotations

import ast
import html
import re

_FENCE = re.compile(r"\A\s*(`{3,}|~{3,})([\w+.-]*)[ \t]*\n(.*?)\n?[ \t]*\1[ \t]*\s*\Z", re.DOTALL)
_FENCED_BLOCK = re.compile(r"^[ \t]*(`{3,}|~{3,})[\w+.-]*[ \t]*\n(.*?)^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)
_PROSE_LANGUAGES = frozenset({"markdown", "md"})


def undress(raw: str) -> str:
    """For code and data, in which a fence at both ends is never contents."""
    raw = strip_cdata(raw)
    fenced = _FENCE.match(raw)
    return fenced[3] if fenced else raw


def undress_prose(raw: str) -> str:
    """For what may itself begin and end with a fenced example: two blocks with text between are no wrapper."""
    raw = strip_cdata(raw)
    fenced = _FENCE.match(raw)
    if fenced is None:
        return raw
    is_wrapper = fenced[2].lower() in _PROSE_LANGUAGES or not re.search(r"^[ \t]*(?:```|~~~)", fenced[3], re.MULTILINE)
    return fenced[3] if is_wrapper else raw


def strip_cdata(raw: str) -> str:
    stripped = raw.strip()
    if not (stripped.startswith("<![CDATA[") and stripped.endswith("]]>")):
        return raw
    # The only way to write `]]>` within CDATA is to end one section and begin the next.
    return stripped.removeprefix("<![CDATA[").removesuffix("]]>").replace("]]]]><![CDATA[>", "]]>")


def find_fenced_python(source: str) -> str | None:
    """The longest fenced block that is Python, where prose around it keeps the whole from being it."""
    blocks = [match[2] for match in _FENCED_BLOCK.finditer(source)]
    return max((block for block in blocks if block.strip() and compiles(block)), key=len, default=None)


def unescape(text: str) -> str:
    """Of a reply that was escaped as a whole; a part with a bare `<` was not."""
    return text if "<" in text else html.unescape(text)


def is_escaped_python(source: str) -> bool:
    """Whether it is Python only when unescaped, or by accident: `a &gt; 3` parses, as `a & gt` and a 3 alone."""
    unescaped = html.unescape(source)
    if unescaped == source or not compiles(unescaped):
        return False
    return not compiles(source) or any(
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.BitAnd)
        and isinstance(node.right, ast.Name)
        and node.right.id in ("lt", "gt", "amp", "quot")
        for node in ast.walk(ast.parse(source))
    )


def compiles(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    return True
