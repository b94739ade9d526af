"""Terminus-2's XML dialect: a reply is one `<response>`, read as leniently as the standard's own parser reads it.

It is not XML: what stands between the tags of a command is typed as it is, entities and all. Text around the response,
missing or doubled sections, sloppy attributes earn a warning and the commands are executed all the same; without a
`<response>`, or without `<commands>` in one that does not claim completion, nothing is.
Thinking that a model leaves before its response is neither read for tags nor held against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from terminal_task_gen.rollout.prompts import Template, get_own_template
from terminal_task_gen.rollout.protocol import DEFAULT_DURATION_SEC, Turn, bound_duration
from terminal_task_gen.trajectory import Command

_BEGIN, _END = "<response>", "</response>"
_SECTIONS = ("analysis", "plan", "commands")
_TAGS = (*_SECTIONS, "task_complete")
_COMPLETE = re.compile(r"<task_complete>\s*true\s*</task_complete>", re.IGNORECASE)
_KEYSTROKES = re.compile(r"<keystrokes([^>]*)>(.*?)</keystrokes>", re.DOTALL)
_DURATION = re.compile(r"""duration\s*=\s*["']([^"']*)["']""")
_UNQUOTED = re.compile(r"""(\w+)\s*=\s*([^"'\s>]+)""")
_SINGLE_QUOTED = re.compile(r"(\w+)\s*=\s*'([^']*)'")
_ATTRIBUTE = re.compile(r"(\w+)\s*=")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"', "&apos;": "'"}
_THINKING_BEGIN = re.compile(r"^\s*<think(?:ing)?\s*>", re.IGNORECASE)
_THINKING_END = re.compile(r"</think(?:ing)?\s*>", re.IGNORECASE)
_EMPTY = (
    "Commands section is empty; not taking any action. If you want to wait a specific amount of time please use "
    "`sleep`, but if you're waiting for a command to finish then continue to wait."
)


class XmlDialect:
    """`<response><analysis/><plan/><commands><keystrokes duration="0.1">…</keystrokes></commands></response>`."""

    name = "xml"
    reply_noun = "response"
    completion_mark = "<task_complete>true</task_complete>"

    def __init__(self, template: Template | None = None) -> None:
        self._template = template or get_own_template(self.name)

    def render_first_message(self, *, instruction: str, terminal_state: str) -> str:
        return self._template.render(instruction=instruction, terminal_state=terminal_state)

    def parse(self, reply: str) -> Turn:
        text = _drop_thinking(reply)
        warnings = list(_note_surroundings(text))
        content = _find_content(text)
        if not content:
            return Turn(error="No <response> tag found", warnings=tuple(warnings))
        complete = _COMPLETE.search(content) is not None
        sections = {tag: found for tag in _TAGS if (found := _find_section(content, tag)) is not None}
        warnings.extend(_check_sections(content, sections))
        if "commands" not in sections and not complete:
            return Turn(error="Missing <commands> section", warnings=tuple(warnings))
        if not sections.get("commands"):
            if "commands" in sections and not complete:
                warnings.append(_EMPTY)
            return Turn(task_complete=complete, warnings=tuple(warnings))
        commands = _read_commands(sections["commands"], warnings)
        return Turn(commands, complete, None, tuple(warnings))


def _drop_thinking(reply: str) -> str:
    """What follows the thinking: after the last closing tag that a response still follows, or else the last one."""
    if reply.lstrip().startswith(_BEGIN):
        return reply
    ends = [match.end() for match in _THINKING_END.finditer(reply)]
    followed = [end for end in ends if _BEGIN in reply[end:]]
    if ends:
        return reply[(followed or ends)[-1] :]
    return "" if _THINKING_BEGIN.match(reply) else reply


def _note_surroundings(text: str) -> Iterator[str]:
    begin, end = text.find(_BEGIN), text.find(_END)
    if begin == -1:
        return
    if text[:begin].strip():
        yield "Extra text detected before <response> tag"
    if end != -1 and text[end + len(_END) :].strip():
        yield "Extra text detected after </response> tag"
        count = text.count(_BEGIN)
        if count > 1:
            yield (
                f"IMPORTANT: Only issue one <response> block at a time. You issued {count} and only the first was "
                "executed."
            )


def _find_content(text: str) -> str:
    """The first response, up to the end of the text where it is not closed."""
    begin = text.find(_BEGIN)
    if begin == -1:
        return ""
    end = text.find(_END, begin)
    return text[begin + len(_BEGIN) : end if end != -1 else len(text)].strip()


def _find_section(content: str, tag: str) -> str | None:
    """Text of a section, "" for an empty or self-closing one, None where there is none."""
    match = re.search(rf"<{tag}>(.*?)</{tag}>", content, re.DOTALL)
    if match:
        return match[1].strip()
    return "" if re.search(rf"<{tag}\s*/>", content) else None


def _check_sections(content: str, sections: dict[str, str]) -> Iterator[str]:
    for section in _SECTIONS:
        if section not in sections:
            yield f"Missing <{section}> section"
    for tag in dict.fromkeys(_list_outer_tags(content)):
        if tag not in _TAGS:
            yield f"Unknown tag found: <{tag}>, expected analysis/plan/commands/task_complete"
    begins = {tag: [match.start() for match in re.finditer(rf"<{tag}(?:\s|>|/>)", content)] for tag in _TAGS}
    for tag, places in begins.items():
        if len(places) > 1 and tag == "commands":
            yield (
                f"IMPORTANT: Only issue one <commands> block at a time. You issued {len(places)} and only the first "
                "was executed."
            )
        elif len(places) > 1:
            yield f"Multiple <{tag}> sections found"
    present = [section for section in _SECTIONS if begins[section]]
    found = sorted(present, key=lambda section: begins[section][0])
    if found != present:
        yield f"Sections appear in wrong order. Found: {' → '.join(found)}, expected: {' → '.join(present)}"


def _list_outer_tags(content: str) -> Iterator[str]:
    """Names of the tags that stand in no other, as far as a text with raw commands in it can tell."""
    depth = 0
    for match in re.finditer(r"<([^>]*)>", content):
        tag = match[1]
        if tag.startswith(("!", "?")):
            continue
        if tag.startswith("/"):
            depth -= 1
            continue
        if depth == 0:
            yield (next(iter(tag.split()), "") if " " in tag else tag).removesuffix("/")
        depth += not tag.endswith("/")


def _read_commands(content: str, warnings: list[str]) -> tuple[Command, ...]:
    found = _KEYSTROKES.findall(content)
    commands = []
    for number, (attributes, keystrokes) in enumerate(found, start=1):
        name = f"Command {number}"
        warnings.extend(_check_attributes(attributes, name))
        commands.append(Command(keystrokes=keystrokes, duration_sec=_read_duration(attributes, name, warnings)))
        if number < len(found) and not keystrokes.endswith("\n"):
            warnings.append(
                f"{name} should end with newline when followed by another command. "
                "Otherwise the two commands will be concatenated together on the same line."
            )
    warnings.extend(
        f"Warning: {entity} is read verbatim and not converted to {character}. NEVER USE {entity}, unless you want "
        "these exact characters to appear directly in the output."
        for entity, character in _ENTITIES.items()
        if entity in content
    )
    if "\\r\\n" in content:
        warnings.append(
            "Warning: \\r\\n line endings are not necessary - use \\n instead for simpler output",
        )
    return tuple(commands)


def _check_attributes(attributes: str, command: str) -> Iterator[str]:
    for name, value in _UNQUOTED.findall(attributes):
        yield f"{command}: Attribute '{name}' value should be quoted: {name}=\"{value}\""
    for name, value in _SINGLE_QUOTED.findall(attributes):
        yield f"{command}: Use double quotes for attribute '{name}': {name}=\"{value}\""
    for name in _ATTRIBUTE.findall(attributes):
        if name != "duration":
            yield f"{command}: Unknown attribute '{name}' - known attributes are: duration"


def _read_duration(attributes: str, command: str, warnings: list[str]) -> float:
    match = _DURATION.search(attributes)
    if match is None:
        warnings.append(f"{command}: Missing duration attribute, using default {DEFAULT_DURATION_SEC}")
        return DEFAULT_DURATION_SEC
    try:
        duration_sec = float(match[1])
    except ValueError:
        duration_sec = float("nan")
    if duration_sec != duration_sec:  # NaN is not equal to itself
        warnings.append(f"{command}: Invalid duration value '{match[1]}', using default {DEFAULT_DURATION_SEC}")
        return DEFAULT_DURATION_SEC
    return bound_duration(duration_sec)
