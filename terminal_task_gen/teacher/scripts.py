"""The recorded replies of the scripted teacher, read from folders, and which of them answers a conversation.

    <repertoire>/<domain>/<name>/
      script.yaml             author: {match: [regex, …], finish: {2: length}}   actor: {match: …}   template: false
      author-1.md …           the author's reply to the first ask, to the first complaint, …
      actor-1.md …            the actor's reply in turn 1, 2, …; the last one goes on for ever (so does the author's)
      actor-1.reasoning.md    optional reasoning of that reply

A part answers when all of its regexes are found (re.search, MULTILINE) in the system and user messages. Several answer:
the one with more regexes wins, then the first by name. An author's conversation is known by the author's system prompt
and gets author replies only, any other gets actor replies only: an actor's regex is often a phrase of the instruction,
which the author's conversation holds too. Stateless: the number of assistant messages says which reply is due.

`finish` says which replies the endpoint cuts short, at its length limit or by its content filter.
With `template: true` the named groups of a part's regexes are put in place of `{{name}}` in its replies.
All is read and checked at load: a repertoire that loads never fails later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from terminal_task_gen.errors import UsageError
from terminal_task_gen.records import Record
from terminal_task_gen.trajectory import Message

AUTHOR_MARK = "You write terminal tasks."
"""Stands in the author's system prompt."""

Role = Literal["author", "actor"]
Finish = Literal["stop", "length", "content_filter"]
_ROLES: tuple[Role, ...] = ("author", "actor")
_REPLY_NAME = re.compile(r"(author|actor)-([1-9][0-9]*)(\.reasoning)?\.md")
_PLACEHOLDER = re.compile(r"\{\{([A-Za-z_][A-Za-z0-9_]*)\}\}")


class ScriptedReply(Record):
    """What to answer. `source` names the reply, e.g. `security/leaky_tokens/actor-2`."""

    source: str
    content: str
    reasoning: str | None = None
    finish: Finish = "stop"


class _PartFile(Record):
    match: tuple[str, ...] = Field(min_length=1)
    finish: dict[int, Finish] = {}


class _ScriptFile(Record):
    author: _PartFile | None = None
    actor: _PartFile | None = None
    template: bool = False


@dataclass(frozen=True)
class _Part:
    """One role's side of a script."""

    name: str
    role: Role
    regexes: tuple[re.Pattern[str], ...]
    replies: tuple[ScriptedReply, ...]
    template: bool

    def answer(self, text: str, number: int) -> ScriptedReply | None:
        """The `number`th reply (from 1) if this part is meant, else None."""
        groups: dict[str, str] = {}
        for regex in self.regexes:
            found = regex.search(text)
            if found is None:
                return None
            groups.update({key: value or "" for key, value in found.groupdict().items()})
        reply = self.replies[min(number, len(self.replies)) - 1]
        if not self.template:
            return reply
        return ScriptedReply(
            source=reply.source,
            content=_fill(reply.content, groups),
            reasoning=None if reply.reasoning is None else _fill(reply.reasoning, groups),
            finish=reply.finish,
        )


class Repertoire:
    """All scripts of the folders given, ready to answer."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        ordered = sorted(parts, key=lambda part: (-len(part.regexes), part.name))
        self._parts = {role: tuple(part for part in ordered if part.role == role) for role in _ROLES}

    def __len__(self) -> int:
        """Number of scripts."""
        return len({part.name for parts in self._parts.values() for part in parts})

    def find_reply(self, messages: Sequence[Message]) -> ScriptedReply | None:
        """The reply that is due in this conversation; None when no script is meant for it."""
        is_author = any(message.role == "system" and AUTHOR_MARK in message.content for message in messages)
        text = "\n".join(message.content for message in messages if message.role != "assistant")
        number = 1 + sum(message.role == "assistant" for message in messages)
        for part in self._parts["author" if is_author else "actor"]:
            reply = part.answer(text, number)
            if reply is not None:
                return reply
        return None


def find_shipped_repertoire() -> Path:
    """The folder that comes with the package."""
    return Path(__file__).resolve().parent / "repertoire"


def load_repertoire(folders: Sequence[Path]) -> Repertoire:
    """Read and check all scripts. Raises UsageError naming the file and the field."""
    parts: list[_Part] = []
    for folder in folders:
        found = [part for script in _list_scripts(folder) for part in _load_script(script)]
        if not found:
            raise UsageError(f"{folder} holds no scripts; they are at <domain>/<name>/script.yaml")
        parts += found
    _refuse_twins(parts)
    return Repertoire(parts)


def _list_scripts(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UsageError(f"no such repertoire folder: {folder}")
    candidates = (path for path in folder.glob("*/*") if path.is_dir())
    return sorted(path for path in candidates if not any(p.startswith((".", "__")) for p in path.parts[-2:]))


def _load_script(folder: Path) -> Iterator[_Part]:
    path = folder / "script.yaml"
    script = _read_script_file(path)
    name = f"{folder.parent.name}/{folder.name}"
    replies = _read_replies(folder, name)
    for role in _ROLES:
        part_file = script.author if role == "author" else script.actor
        if part_file is None:
            if replies[role]:
                raise UsageError(f"{path}: {role}: missing, but there are replies {role}-*.md beside it")
            continue
        if not replies[role]:
            raise UsageError(f"{path}: {role}: there is no {role}-1.md beside it")
        ended = _set_finish(replies[role], part_file, f"{path}: {role}.finish")
        part = _Part(name, role, _compile(part_file, path, role), ended, script.template)
        if script.template:
            _check_placeholders(part, path)
        yield part


def _set_finish(replies: tuple[ScriptedReply, ...], part_file: _PartFile, where: str) -> tuple[ScriptedReply, ...]:
    stray = [number for number in part_file.finish if not 1 <= number <= len(replies)]
    if stray:
        raise UsageError(f"{where}: there is no reply {stray[0]}; replies are numbered from 1 to {len(replies)}")
    ends = (part_file.finish.get(number, "stop") for number in range(1, len(replies) + 1))
    return tuple(reply.model_copy(update={"finish": end}) for reply, end in zip(replies, ends, strict=True))


def _read_script_file(path: Path) -> _ScriptFile:
    try:
        script = _ScriptFile.model_validate(yaml.safe_load(_read_text(path)))
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "top level"
        raise UsageError(f"{path}: {field}: {first['msg']} (got {first['input']!r})") from error
    if script.author is None and script.actor is None:
        raise UsageError(f"{path}: it needs author: or actor:, each with match: [regex, …]")
    return script


def _read_text(path: Path) -> str:
    """As it lies there, line ends included: this is what an endpoint would send."""
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error


def _read_replies(folder: Path, name: str) -> dict[Role, tuple[ScriptedReply, ...]]:
    texts: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(_ROLES):
            if not _REPLY_NAME.fullmatch(path.name):
                raise UsageError(
                    f"{path}: not the name of a reply; write author-1.md, actor-2.md, actor-2.reasoning.md"
                )
            texts[path.name.removesuffix(".md")] = _read_text(path)
    return {role: tuple(_gather_replies(texts, folder, name, role)) for role in _ROLES}


def _gather_replies(texts: dict[str, str], folder: Path, name: str, role: Role) -> Iterator[ScriptedReply]:
    left = {stem for stem in texts if stem.startswith(role)}
    number = 1
    while (stem := f"{role}-{number}") in texts:
        reasoning = f"{stem}.reasoning"
        left -= {stem, reasoning}
        yield ScriptedReply(source=f"{name}/{stem}", content=texts[stem], reasoning=texts.get(reasoning))
        number += 1
    if left:
        raise UsageError(
            f"{folder / min(left)}.md: there is no {role}-{number}.md; replies are numbered from 1 without gaps"
        )


def _compile(part_file: _PartFile, path: Path, role: Role) -> tuple[re.Pattern[str], ...]:
    compiled = []
    for index, text in enumerate(part_file.match):
        try:
            compiled.append(re.compile(text, re.MULTILINE))
        except re.error as error:
            raise UsageError(
                f"{path}: {role}.match.{index}: not a regular expression: {error} (got {text!r})"
            ) from error
    return tuple(compiled)


def _check_placeholders(part: _Part, path: Path) -> None:
    groups = [name for regex in part.regexes for name in regex.groupindex]
    for name in groups:
        if groups.count(name) > 1:
            raise UsageError(f"{path}: {part.role}.match: the group {name!r} is named in two regexes")
    for reply in part.replies:
        for name in _PLACEHOLDER.findall(reply.content + (reply.reasoning or "")):
            if name not in groups:
                known = ", ".join(groups) or "none"
                raise UsageError(f"{path}: {reply.source}: no group is named {name!r} (those named: {known})")


def _fill(text: str, groups: dict[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: groups[found[1]], text)


def _refuse_twins(parts: Sequence[_Part]) -> None:
    seen: dict[tuple[Role, frozenset[str]], str] = {}
    for part in parts:
        key = (part.role, frozenset(regex.pattern for regex in part.regexes))
        if key in seen:
            raise UsageError(f"two scripts with the same {part.role} match: {seen[key]} and {part.name}")
        seen[key] = part.name
