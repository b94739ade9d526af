"""Values that are short one by one, but tell when they stand together as the tests expect them together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from terminal_task_gen.generate.expected_values import ExpectedTable, count_digits
from terminal_task_gen.generate.shown_texts import ShownText

MIN_TABLE_BITS = 20.0
"""Of the numbers of a table that stands somewhere in order; a digit has 3.3. Fewer come together by chance."""
MIN_TABLE_NUMBERS = 3
MAX_TABLE_GAP = 2
"""Other numbers between two of the table's."""
MIN_STRINGS = 3
MAX_STRING_GAP = 12
"""Characters between strings of a list that stands somewhere in order."""
MIN_TOLD_PAIRS = 2
MIN_TOLD_PART = 0.75
"""Of a dictionary's pairs."""
MAX_PAIR_CHARS = 24
"""Between a key and its value."""


def holds_table(text: ShownText, table: ExpectedTable) -> bool:
    return _holds_pairs(text, table.pairs) or _holds_sequence(text, table.values)


def _holds_pairs(text: ShownText, pairs: Sequence[tuple[str, str | float]]) -> bool:
    telling = [(key, value) for key, value in pairs if len(key) > 1 and weigh(value) > 3]
    told = [value for key, value in telling if stands_beside(text.text, key, value)]
    return len(told) >= max(MIN_TOLD_PAIRS, MIN_TOLD_PART * len(pairs)) and sum(map(weigh, set(told))) >= MIN_TABLE_BITS


def stands_beside(text: str, key: str, value: str | float) -> bool:
    shown = re.escape(value) if isinstance(value, str) else rf"{re.escape(f'{value:.15g}')}(?:\.?0*)"
    return (
        re.search(rf"(?<!\w){re.escape(key)}(?!\w)\D{{0,{MAX_PAIR_CHARS}}}?(?<![\w.]){shown}(?![\w.]*\d)", text)
        is not None
    )


def _holds_sequence(text: ShownText, values: Sequence[str | float]) -> bool:
    wanted = [abs(value) for value in values if not isinstance(value, str)]
    if len(wanted) < MIN_TABLE_NUMBERS or len(wanted) < len(values) / 2 or _is_count(wanted):
        return False
    if sum(map(weigh, dict.fromkeys(wanted))) < MIN_TABLE_BITS:
        return False
    starts = (place for place, number in enumerate(text.numbers) if number == wanted[0])
    return any(_runs_on(text.numbers, start, wanted) for start in starts)


def holds_strings(text: ShownText, values: Sequence[str | float]) -> bool:
    """A list of names in its order, one after the other; in an instruction that may be a list of choices."""
    wanted = [value for value in values if isinstance(value, str) and len(value) > 1]
    if len(wanted) < MIN_STRINGS or len(wanted) < len(values) / 2 or sum(map(weigh, set(wanted))) < MIN_TABLE_BITS:
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


def weigh(value: str | float) -> float:
    """Bits, roughly: what it would take to guess it."""
    if isinstance(value, str):
        return 2.0 * len(value)
    return 3.3 * count_digits(value)


def is_said(table: ExpectedTable, solution: ShownText | None) -> bool:
    """Most of its values stand in the solution: settings to be made, not results."""
    if solution is None or not table.values:
        return solution is not None
    return sum(solution.holds(value) for value in table.values) >= MIN_TOLD_PART * len(table.values)
