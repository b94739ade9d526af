"""Math problems: the answer goes to /app/solution.txt (paper §4), and a known answer is what the test compares with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from terminal_task_gen.errors import GateError
from terminal_task_gen.generate.adapters import math_suite
from terminal_task_gen.generate.adapters.adapted import Adapted, fill_suite, write_file_script

MAX_ANSWER_CHARS = 200
"""A longer answer is a proof or a discussion."""
MAX_ANSWER_WORDS = 3
CONTRACT = """
Work the problem out, with the tools of this machine where they help, and write the final answer to `/app/solution.txt`.

The file holds the answer alone, on one line: an exact value (an integer, a fraction, a closed form, plain or LaTeX) or,
where there is none, a decimal number with at least eight significant digits. Several values are separated by commas.
"""


def adapt_math(row: Mapping[str, Any], max_cases: int) -> Adapted:
    """See the module's head."""
    prompt = str(row.get("prompt", "")).strip()
    if not prompt:
        raise GateError("row_no_prompt", "the problem is missing or empty")
    instruction = f"{prompt}\n{CONTRACT}"
    answer = str(row.get("answer", "")).strip()
    why = find_uncheckable(answer)
    if why:
        return Adapted(instruction=instruction, no_outcome=why)
    return Adapted(
        instruction=instruction,
        tests=fill_suite("math_suite.py", answer),
        weights={"test_answer_is_right": 1.0},
        solution=write_file_script("/app/solution.txt", f"{answer}\n"),
    )


def find_uncheckable(answer: str) -> str:
    """Why no program can tell whether another answer is the same; empty when one can."""
    if not answer or answer.casefold() in ("none", "n/a", "nan", "null", "proof"):
        return "the row has no answer"
    if len(answer) > MAX_ANSWER_CHARS or "\n" in answer.strip():
        return f"the answer is longer than a result: {len(answer)} characters"
    shown = math_suite.normalise(answer)
    words = re.findall(r"[a-zA-Z]{3,}", shown)
    known = {*math_suite.FUNCTIONS, *math_suite.NAMES, "infty", "cup", "cap", "emptyset", "mid"}
    if not shown or len([word for word in words if word not in known]) > MAX_ANSWER_WORDS:
        return "the answer is prose"
    return ""
