"""The mechanical leak scan: nothing that the solution does or the tests expect may lie before the actor.

Looked for are expected values, told plainly, in another notation, rounded, packed or in disguise; answers in comments;
and code (leak_code.py). How distinctive a value must be depends on where it stands: nearly any will do behind "the
answer is", none that is shorter than a token elsewhere. What is natural is let through: parameters, which an honest
solution holds as well; answers picked from the input, for what the solution reads may hold them; digests.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from terminal_task_gen.generate.complaint import Complaint
from terminal_task_gen.generate.disguises import list_disguises
from terminal_task_gen.generate.draft import Draft
from terminal_task_gen.generate.expected_values import (
    ExpectedTable,
    ExpectedValue,
    count_digits,
    is_digest,
    is_distinctive,
    is_notable,
    is_revealing,
    is_secret_like,
    is_tellable,
    list_expected_constants,
    list_expected_tables,
    list_keyed_values,
)
from terminal_task_gen.generate.leak_code import check_code
from terminal_task_gen.generate.leak_tables import (
    MIN_TOLD_PART,
    holds_strings,
    holds_table,
    is_said,
    stands_beside,
    weigh,
)
from terminal_task_gen.generate.reach import list_read_files
from terminal_task_gen.generate.shown_texts import ShownText, list_told, read_file, read_instruction
from terminal_task_gen.generate.static_case import StaticCase
from terminal_task_gen.generate.untouched import list_untouched
from terminal_task_gen.task import TaskFile

MIN_CHANCE_BITS = 5.5
"""By which a value must be rarer than one figure of the text it stands in."""
MIN_KEYED_DIGITS = 2
_CODE_SPAN = re.compile(r"```.*?```|~~~.*?~~~|`[^`\n]*`", re.DOTALL)
_ANNOUNCED = re.compile(
    r"\b(?:answers?|expect(?:ed|s)?|solutions?|correct(?:ly)?|results?|ground.truth|golden|hints?|spoiler|right|reviewers?"
    r"|as a check|sanity|for reference|reference run|roughly|about|approximately|got|computed|by hand"
    r"|(?:should|must|will|ought to|you'll|you should) (?:be|get|equal|yield|come|find|see|give|end|turn)\w*"
    r"|comes? (?:out|to)|turns? out|works? out|it is|there are|namely|exactly)\b",
    re.IGNORECASE,
)
_CALLED = r"\b(?:answer|solution|culprit|spoiler|turns out|correct (?:\w+ ){1,3}is)\b[^.\n]{0,40}?\W"
"""What stands right before a word that is told as the answer."""
_SENTENCE = re.compile(r"(?<=[.!?:])\s+(?=[A-Z`*\-])|\n\s*\n|\n\s*[-*]\s")
_COMMENT = re.compile(r"(?:^|\s)(?:#|//|--|;|<!--|/\*|REM\b|%)(?=[\s\w])(.*)$", re.MULTILINE)
_REMARK = re.compile(
    r"\b(?:answer|expected|solution|correct|ground.truth|golden|spoiler|hint"
    r"|should (?:be|get|equal|yield|come|give)\w*|comes? (?:out|to)|result)\b",
    re.IGNORECASE,
)
_GIVEN_AWAY = re.compile(
    r"\b(?:intentional(?:ly)?|deliberate(?:ly)?|on purpose|planted|injected|seeded|introduced)\W+(?:\w+\W+){0,2}?"
    r"(?:bugs?|faults?|errors?|wrong|broken|mistakes?|incorrect|malformed|corrupt(?:ed)?|trap|flaw(?:ed)?|off.by.one"
    r"|duplicates?|invalid|vulnerab\w+)\b|\b(?:this|here) is the (?:bug|catch|trap|trick|flaw|vulnerability)\b"
    r"|\b(?:trap|catch) for the (?:solver|agent|model)\b|\bthe (?:agent|solver) (?:should|must|has to)\b",
    re.IGNORECASE,
)


def check_leaks(case: StaticCase) -> list[Complaint]:
    draft = case.draft
    solution = None if draft.solution is None else ShownText("the solution", draft.solution)
    constants = list_expected_constants(case.suite.tree)
    # An honest solution holds a parameter too, but never a value that is to be found.
    unsaid = [one for one in constants if solution is None or not solution.holds(one.value)]
    tables = [t for t in list_expected_tables(case.suite.tree) if not is_said(t, solution)]
    instruction = read_instruction(draft.instruction)
    complaints = check_code(draft)
    complaints += _tell(_find_told(instruction, constants, unsaid, solution), instruction)
    if solution is not None:
        read = list_read_files(draft)
        texts = [(text, file.path in read) for file in draft.files for text in read_file(file)]
        complaints += _check_tables(instruction, tables)
        complaints += _tell(_find_keyed(instruction, case, solution), instruction)
        complaints += _check_disguises(instruction, unsaid)
        untouched = list_untouched(case.suite.tree, draft.files)
        complaints += _check_unread(texts, unsaid, tables, instruction, untouched)
        complaints += _check_hardcoding(draft, constants, solution)
    complaints += [complaint for file in draft.files for complaint in _check_remarks(file, draft, unsaid)]
    return list({(c.reason, c.text): c for c in complaints}.values())


def _find_told(
    instruction: ShownText, constants: list[ExpectedValue], unsaid: list[ExpectedValue], solution: ShownText | None
) -> list[ExpectedValue]:
    """Expected values in the instruction."""
    prose = read_instruction(_CODE_SPAN.sub(" ", instruction.text))
    told = [e for e in constants if is_distinctive(e.value) and prose.holds(e.value)]
    told += [e for e in constants if is_secret_like(e.value) and instruction.holds(e.value)]
    if solution is not None:
        told += [e for e in unsaid if is_notable(e.value) and not is_digest(e.value) and prose.holds(e.value)]
        told += [e for e in unsaid if is_revealing(e.value) and not is_digest(e.value) and instruction.holds(e.value)]
        told += [e for e in unsaid if is_notable(e.value) and prose.holds_rounded(e.value)]
        announced = [s for s in _SENTENCE.split(instruction.text) if _ANNOUNCED.search(s)]
        candidates = [e for e in unsaid if is_tellable(e.value) and not is_digest(e.value)]
        told += [e for s in announced for e in list_told(read_instruction(s), candidates) if _is_answer(s, e.value)]
    return list(dict.fromkeys(told))


def _find_keyed(text: ShownText, case: StaticCase, solution: ShownText) -> list[ExpectedValue]:
    """Figures that stand beside the key under which the tests look for them, as in an example of the format."""
    return [
        one
        for key, one in list_keyed_values(case.suite.tree)
        if not isinstance(one.value, str)
        and len(key) > 1
        and count_digits(one.value) >= MIN_KEYED_DIGITS
        and not solution.holds(one.value)
        and stands_beside(text.text, key, one.value)
    ]


def _is_answer(sentence: str, value: str | float) -> bool:
    """A word must be called the answer; that it stands in a sentence about results says nothing."""
    if not isinstance(value, str):
        return True
    return re.search(rf"(?i:{_CALLED}){re.escape(str(value))}\b", sentence) is not None


def _tell(told: list[ExpectedValue], text: ShownText) -> list[Complaint]:
    return [
        Complaint(
            "leak_literal",
            f"{value!r}, which line {line} of the tests expects, stands in {text.where}; a value to be found must "
            "not be told, and a parameter that is given belongs in a file or in backticks",
        )
        for value, line in told
    ]


def _check_unread(
    texts: list[tuple[ShownText, bool]],
    unsaid: list[ExpectedValue],
    tables: list[ExpectedTable],
    instruction: ShownText,
    untouched: set[tuple[str, str]],
) -> list[Complaint]:
    """An answer in a file that the solution does without is an answer lying about; elsewhere it is input.

    What the instruction names is likely a specification, whose words and examples the tests rightly expect; the whole
    of a file is expected where it must not be touched.
    """
    read = [text for text, is_read in texts if is_read]
    input_values = {e.value for text in read for e in list_told(text, unsaid)}
    lying = [e for e in unsaid if e.value not in input_values]
    complaints: list[Complaint] = []
    for text in (text for text, is_read in texts if not is_read):
        is_named = text.where.partition("!")[0].rpartition("/")[2] in instruction.text
        judge = _is_no_specification if is_named else _is_no_chance
        suspected = [e for e in lying if judge(e.value, text) and (text.where, e.value) not in untouched]
        for value, line in list_told(text, suspected):
            told = f"{value!r}, which line {line} of the tests expects, stands in {text.where}, which the solution does"
            complaints.append(Complaint("leak_literal", f"{told} not read"))
        unknown = [t for t in tables if not any(holds_table(r, t) or holds_strings(r, t.values) for r in read)]
        complaints += _check_tables(text, unknown, with_strings=True)
        complaints += _check_disguises(text, lying)
    return complaints


def _check_tables(text: ShownText, tables: Sequence[ExpectedTable], *, with_strings: bool = False) -> list[Complaint]:
    """Values that are short one by one, but stand together as the tests expect them together."""
    return [
        Complaint(
            "leak_literal",
            f"the values that line {table.line} of the tests expects together stand together in {text.where}: "
            f"{', '.join(map(str, table.values[:6]))}",
        )
        for table in tables
        if holds_table(text, table) or (with_strings and holds_strings(text, table.values))
    ]


def _check_disguises(text: ShownText, values: list[ExpectedValue]) -> list[Complaint]:
    return [
        Complaint("leak_encoded", f"{value!r}, which line {line} of the tests expects, stands {kind} in {text.where}")
        for value, line in values
        if (is_notable(value) or (is_tellable(value) and not isinstance(value, str))) and not is_digest(value)
        for kind, coded in list_disguises(value)
        if coded in text.text
    ]


def _is_no_specification(value: str | float, text: ShownText) -> bool:
    return is_secret_like(value) or (not isinstance(value, str) and is_distinctive(value))


def _is_no_chance(value: str | float, text: ShownText) -> bool:
    """The more figures a text holds, the more digits a value needs not to be among them by chance."""
    if isinstance(value, str):
        return is_distinctive(value) or is_notable(value)
    return is_tellable(value) and weigh(value) >= MIN_CHANCE_BITS + math.log2(1 + len(text.numbers))


def _check_remarks(file: TaskFile, draft: Draft, unsaid: list[ExpectedValue]) -> Iterator[Complaint]:
    """Comments that tell a value or give the catch away, in whatever file: also in what the solution reads."""
    for text in read_file(file):
        for comment in _COMMENT.findall(text.text):
            if _GIVEN_AWAY.search(comment):
                yield Complaint("leak_hint", f"a comment in {text.where} gives the catch away: {comment.strip()[:120]}")
            if draft.solution is not None and _REMARK.search(comment):
                for value, line in list_told(ShownText(text.where, comment), unsaid):
                    if is_notable(value) or (is_tellable(value) and _is_answer(comment, value)):
                        told = f"{value!r}, which line {line} of the tests expects, stands in a comment in {text.where}"
                        yield Complaint("leak_literal", told)


def _check_hardcoding(draft: Draft, constants: list[ExpectedValue], solution: ShownText) -> list[Complaint]:
    """A solution that reads none of the files and writes down what the tests expect proves nothing."""
    if not draft.files or list_read_files(draft):
        return []
    given = read_instruction(draft.instruction)
    found = [e for e in constants if is_tellable(e.value) and not given.holds(e.value)]
    written = [e for e in found if solution.holds(e.value)]
    if not written or len(written) < MIN_TOLD_PART * len(found):
        return []
    text = f"the solution reads no file and writes down what the tests expect, as {written[0].value!r}; it must work"
    return [Complaint("hardcoded_solution", f"{text} it out")]
