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
from itertools import pairwise

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
from terminal_task_gen.generate.shown_texts import ShownText, list_told, read_file, read_instruction
from terminal_task_gen.generate.static_case import StaticCase
from terminal_task_gen.task import TaskFile

MIN_TABLE_BITS = 20.0
"""Of the numbers of a table that stands somewhere in order; a digit has 3.3. Fewer come together by chance."""
MIN_TABLE_NUMBERS = 3
MAX_TABLE_GAP = 2
"""Other numbers between two of the table's."""
MIN_CHANCE_BITS = 5.5
"""By which a value must be rarer than one figure of the text it stands in."""
MIN_STRINGS = 3
MAX_STRING_GAP = 12
"""Characters between strings of a list that stands somewhere in order."""
MIN_KEYED_DIGITS = 2
MIN_TOLD_PAIRS = 2
MIN_TOLD_PART = 0.75
"""Of a dictionary's pairs."""
MAX_PAIR_CHARS = 24
"""Between a key and its value."""

_CODE_SPAN = re.compile(r"```.*?```|~~~.*?~~~|`[^`\n]*`", re.DOTALL)
_CHANGE_FOLDER = re.compile(r"^\s*(?:cd|mkdir)\b[^;&|\n]*", re.MULTILINE)
_AS_A_WHOLE = r"""/?(?:[\s"';)]|\Z|[^\s"']*[*?\[{$%])"""
"""What follows a folder's name when its contents are meant: nothing more, or a pattern."""
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
    tables = [t for t in list_expected_tables(case.suite.tree) if not _is_said(t, solution)]
    instruction = read_instruction(draft.instruction)
    complaints = check_code(draft)
    complaints += _tell(_find_told(instruction, constants, unsaid, solution), instruction)
    if solution is not None:
        texts = [(text, _is_reached(file, draft.solution or "")) for file in draft.files for text in read_file(file)]
        complaints += _check_tables(instruction, tables)
        complaints += _tell(_find_keyed(instruction, case, solution), instruction)
        complaints += _check_disguises(instruction, unsaid)
        unread = [text for text, is_read in texts if not is_read]
        complaints += _check_unread(unread, texts, unsaid, tables, instruction)
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
        and _stands_beside(text.text, key, one.value)
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
    unread: list[ShownText],
    texts: list[tuple[ShownText, bool]],
    unsaid: list[ExpectedValue],
    tables: list[ExpectedTable],
    instruction: ShownText,
) -> list[Complaint]:
    """An answer in a file that the solution does without is an answer lying about; elsewhere it is input.

    What the instruction names is likely a specification, whose words and examples the tests rightly expect.
    """
    read = [text for text, is_read in texts if is_read]
    input_values = {e.value for text in read for e in list_told(text, unsaid)}
    lying = [e for e in unsaid if e.value not in input_values]
    complaints: list[Complaint] = []
    for text in unread:
        is_named = text.where.partition("!")[0].rpartition("/")[2] in instruction.text
        judge = _is_no_specification if is_named else _is_no_chance
        for value, line in list_told(text, [e for e in lying if judge(e.value, text)]):
            told = f"{value!r}, which line {line} of the tests expects, stands in {text.where}, which the solution does"
            complaints.append(Complaint("leak_literal", f"{told} not read"))
        unknown = [t for t in tables if not any(_holds_table(r, t) or _holds_strings(r, t.values) for r in read)]
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
        if _holds_table(text, table) or (with_strings and _holds_strings(text, table.values))
    ]


def _holds_table(text: ShownText, table: ExpectedTable) -> bool:
    return _holds_pairs(text, table.pairs) or _holds_sequence(text, table.values)


def _holds_pairs(text: ShownText, pairs: Sequence[tuple[str, str | float]]) -> bool:
    telling = [(key, value) for key, value in pairs if len(key) > 1 and _weigh(value) > 3]
    told = [value for key, value in telling if _stands_beside(text.text, key, value)]
    return (
        len(told) >= max(MIN_TOLD_PAIRS, MIN_TOLD_PART * len(pairs)) and sum(map(_weigh, set(told))) >= MIN_TABLE_BITS
    )


def _stands_beside(text: str, key: str, value: str | float) -> bool:
    shown = re.escape(value) if isinstance(value, str) else rf"{re.escape(f'{value:.15g}')}(?:\.?0*)"
    return (
        re.search(rf"(?<!\w){re.escape(key)}(?!\w)\D{{0,{MAX_PAIR_CHARS}}}?(?<![\w.]){shown}(?![\w.]*\d)", text)
        is not None
    )


def _holds_sequence(text: ShownText, values: Sequence[str | float]) -> bool:
    wanted = [abs(value) for value in values if not isinstance(value, str)]
    if len(wanted) < MIN_TABLE_NUMBERS or len(wanted) < len(values) / 2 or _is_count(wanted):
        return False
    if sum(map(_weigh, dict.fromkeys(wanted))) < MIN_TABLE_BITS:
        return False
    starts = (place for place, number in enumerate(text.numbers) if number == wanted[0])
    return any(_runs_on(text.numbers, start, wanted) for start in starts)


def _holds_strings(text: ShownText, values: Sequence[str | float]) -> bool:
    """A list of names in its order, one after the other; in an instruction that may be a list of choices."""
    wanted = [value for value in values if isinstance(value, str) and len(value) > 1]
    if len(wanted) < MIN_STRINGS or len(wanted) < len(values) / 2 or sum(map(_weigh, set(wanted))) < MIN_TABLE_BITS:
        return False
    pattern = f"[^\\w]{{1,{MAX_STRING_GAP}}}".join(map(re.escape, wanted))
    return re.search(pattern, text.text) is not None


def _runs_on(numbers: Sequence[float], place: int, wanted: Sequence[float]) -> bool:
    for number in wanted[1:]:
        window = numbers[place + 1 : place + 2 + MAX_TABLE_GAP]
        if number not in window:
            return False
        place += 1 + window.index(number)
    return True


def _is_count(numbers: Sequence[float]) -> bool:
    """1, 2, 3 or 10, 20, 30: anybody's numbers."""
    return len({b - a for a, b in pairwise(numbers)}) == 1


def _weigh(value: str | float) -> float:
    """Bits, roughly: what it would take to guess it."""
    if isinstance(value, str):
        return 2.0 * len(value)
    return 3.3 * count_digits(value)


def _is_said(table: ExpectedTable, solution: ShownText | None) -> bool:
    """Most of its values stand in the solution: settings to be made, not results."""
    if solution is None or not table.values:
        return solution is not None
    return sum(solution.holds(value) for value in table.values) >= MIN_TOLD_PART * len(table.values)


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
    return is_tellable(value) and _weigh(value) >= MIN_CHANCE_BITS + math.log2(1 + len(text.numbers))


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
    if not draft.files or any(_is_reached(file, solution.text) for file in draft.files):
        return []
    given = read_instruction(draft.instruction)
    found = [e for e in constants if is_tellable(e.value) and not given.holds(e.value)]
    written = [e for e in found if solution.holds(e.value)]
    if not written or len(written) < MIN_TOLD_PART * len(found):
        return []
    text = f"the solution reads no file and writes down what the tests expect, as {written[0].value!r}; it must work"
    return [Complaint("hardcoded_solution", f"{text} it out")]


def _is_reached(file: TaskFile, solution: str) -> bool:
    """The solution names the file, or one like it (`*.log`), or a folder above it in whole or with a pattern."""
    path = file.path
    name = path.rsplit("/", 1)[-1]
    _, dot, suffix = name.rpartition(".")
    named = re.findall(rf"[\w./-]*(?<![\w.-]){re.escape(name)}(?!\w)", solution)
    # `out/sums.csv` is another file than this `old/sums.csv`; a bare `sums.csv` may be either.
    if any(f"/{path}".endswith(f"/{place.removeprefix('/app').strip('./')}") for place in named):
        return True
    if dot and f"*.{suffix}" in solution:
        return True
    commands = _CHANGE_FOLDER.sub("", solution)
    folders = ["/app", *path.split("/")[:-1]]
    return any(re.search(rf"{re.escape(folder)}{_AS_A_WHOLE}", commands) for folder in folders)
