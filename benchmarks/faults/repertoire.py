"""Scripts of an author for a campaign of any length: one commission in 25 becomes a task, the others are refused.

The tasks take their words from the prompt (skills, scenario), so that no two are alike, and pass every gate; the others
fail at the draft or at the static gates, each last digit in its own way, so that thousands of requests need no sandbox.
"""

from __future__ import annotations

from pathlib import Path

DOMAIN = "data_processing"

_CATEGORY = rf"^Task category: {DOMAIN}$"
_NUMBER = r"^Commission number: (?P<number>\d*%s)$"
_SKILLS = r"^# Skills to combine\n\n- (?P<first>.*)\n- (?P<second>.*)\n- (?P<third>.*)$"
_SCENARIO = r"^- Scenario: (?P<scenario>.*)$"

_TASK = """\
<task>
<title>Total {{number}}</title>
<instruction>
Working for {{scenario}}, somebody wants one figure out of /app/entries-{{number}}.txt: the sum of its whole numbers.

It comes from a longer job: {{first}}; {{second}}; {{third}}.

Write the sum as a plain integer on one line to /app/out/sum-{{number}}.txt.
</instruction>
<files>
<file path="entries-{{number}}.txt">
{{number}}
2000
not a number
17
</file>
</files>
<tests>
from pathlib import Path

RESULT = Path("/app/out/sum-{{number}}.txt")


def test_the_file_is_written():
    assert RESULT.is_file(), "no result"


def test_the_sum_is_right():
    assert int(RESULT.read_text()) == int("{{number}}") + 2017
</tests>
<weights>{"test_the_file_is_written": 0.2, "test_the_sum_is_right": 0.8}</weights>
<metadata>{"difficulty": "easy", "skills": [], "tags": ["campaign"]}</metadata>
<solution>
#!/bin/bash
mkdir -p /app/out
grep -E '^[0-9]+$' /app/entries-{{number}}.txt | awk '{ sum += $1 } END { print sum }' > /app/out/sum-{{number}}.txt
</solution>
</task>
"""
_REFUSED = {
    "prose": ("[1-3]", "I would rather talk about commission {{number}} than write it.\n"),
    "weights": ("[4-6]", _TASK.replace('"test_the_sum_is_right": 0.8', '"test_another": 0.8')),
    "trivial": ("[7-9]", _TASK.replace('== int("{{number}}") + 2017', "or True")),
    "unclosed": ("[05]", _TASK.replace("</tests>", "")),
}


def write_repertoire(folder: Path) -> None:
    _write(folder / "campaign" / "task", "(?:00|25|50|75)", _TASK, [_SKILLS, _SCENARIO])
    for name, (ending, reply) in _REFUSED.items():
        _write(folder / "campaign" / name, ending, reply, [_SKILLS, _SCENARIO] if "{{first}}" in reply else [])
    # More regexes win: without this the refusals for 0 and 5 would be as particular as the task.
    task = folder / "campaign" / "task" / "script.yaml"
    task.write_text(task.read_text().replace("template", "  - '^Mode: skill$'\ntemplate"))


def _write(folder: Path, ending: str, reply: str, more: list[str]) -> None:
    folder.mkdir(parents=True)
    regexes = [_CATEGORY, _NUMBER % ending, *more]
    lines = ["author:", "  match:", *(f"  - {_quote(regex)}" for regex in regexes), "template: true"]
    (folder / "script.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "author-1.md").write_text(reply, encoding="utf-8")


def _quote(regex: str) -> str:
    escaped = regex.replace("\n", "\\n")
    return f"'{escaped}'"
