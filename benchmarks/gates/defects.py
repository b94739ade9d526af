"""What authors do wrong: defects put into good samples, each under the gate whose matter it is.

Written after what sloppy and hostile authors hand in, not after what the gates look for; what is missed stays in. A
defect takes a sample and returns a spoilt reply, or None where the sample offers no place for it.
"""

from __future__ import annotations

import base64
import codecs
import gzip
import io
import json
import pickle
import random
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.gates.sample import Sample, say

Spoil = Callable[[Sample, random.Random], "Sample | str | None"]


@dataclass(frozen=True)
class Defect:
    """One way to spoil a sample."""

    gate: str
    """Whose matter it is: `draft` or a gate of the ladder."""
    name: str
    spoil: Spoil


DEFECTS: list[Defect] = []


def plant(gate: str) -> Callable[[Spoil], Spoil]:
    """Register a defect under its function's name."""

    def register(spoil: Spoil) -> Spoil:
        DEFECTS.append(Defect(gate, spoil.__name__, spoil))
        return spoil

    return register


def _tell(sample: Sample, text: str) -> Sample:
    return replace(sample, instruction=f"{sample.instruction} {text}")


def _ship(sample: Sample, path: str, content: str | bytes) -> Sample:
    return replace(sample, files={**sample.files, path: content})


def _add_test(sample: Sample, body: str, *, head: str = "") -> Sample:
    """One more test with this body; the others give way to it in weight."""
    lines = "".join(f"    {line}\n" if line else "\n" for line in body.splitlines())
    weights = {name: round(weight * 0.8, 6) for name, weight in sample.weights.items()}
    weights["test_more"] = round(1 - sum(weights.values()), 6)
    return replace(sample, tests=f"{head}{sample.tests}\n\ndef test_more():\n{lines}", weights=weights)


def _into_tests(sample: Sample, line: str) -> Sample:
    """A statement at the start of every test."""
    tests = re.sub(r"^(def test_\w+\([^)]*\):\n)", rf"\1    {line}\n", sample.tests, flags=re.MULTILINE)
    return replace(sample, tests=tests)


def _read_output(sample: Sample) -> str:
    return f'Path("/app/{sample.output}")'


# draft and static


@plant("draft")
def path_climbs_out(sample: Sample, draw: random.Random) -> Sample:
    return _ship(sample, say(draw, "../etc/cron.d/job", "data/../../root/.bashrc", "a/../../../tmp/x"), "x\n")


@plant("draft")
def path_is_absolute(sample: Sample, draw: random.Random) -> Sample:
    return _ship(sample, say(draw, "/etc/profile.d/ttg.sh", "/root/.ssh/config", "//tests/conftest.py"), "x\n")


@plant("draft")
def reply_breaks_off(sample: Sample, draw: random.Random) -> str:
    text = sample.compose()
    return text[: int(len(text) * draw.uniform(0.5, 0.95))]


@plant("draft")
def file_is_no_base64(sample: Sample, draw: random.Random) -> str:
    file = '<file path="data/logo.png" encoding="base64">\niVBORw0KGgo...(truncated)\n</file>\n</files>'
    return sample.compose().replace("</files>", file)


@plant("draft")
def solution_is_missing(sample: Sample, draw: random.Random) -> str:
    return re.sub(r"<solution>.*</solution>\n", "", sample.compose(), flags=re.DOTALL)


@plant("static")
def weights_in_percent(sample: Sample, draw: random.Random) -> Sample:
    return replace(sample, weights={name: round(100 * weight) for name, weight in sample.weights.items()})


@plant("static")
def weights_do_not_add_up(sample: Sample, draw: random.Random) -> Sample:
    first = next(iter(sample.weights))
    return replace(sample, weights={**sample.weights, first: sample.weights[first] + draw.choice([0.05, 0.1, -0.05])})


@plant("static")
def weight_for_a_renamed_test(sample: Sample, draw: random.Random) -> Sample:
    first = next(iter(sample.weights))
    renamed = {name + ("_ok" if name == first else ""): weight for name, weight in sample.weights.items()}
    return replace(sample, weights=renamed)


@plant("static")
def test_without_weight(sample: Sample, draw: random.Random) -> Sample:
    extra = f"\n\ndef test_extra():\n    assert {_read_output(sample)}.exists(), 'nothing there'\n"
    return replace(sample, tests=sample.tests + extra)


@plant("static")
def assertion_that_holds_anyway(sample: Sample, draw: random.Random) -> Sample:
    body = say(
        draw,
        "assert True, 'placeholder'",
        f"assert {_read_output(sample)}.exists() or True",
        f'assert ({_read_output(sample)}.exists(), "output is missing")',
        "assert 1 == 1",
        "got = []\nassert len(got) >= 0",
        'assert "done"',
    )
    return _add_test(sample, body, head="from pathlib import Path\n")


@plant("static")
def test_that_only_runs(sample: Sample, draw: random.Random) -> Sample:
    body = say(
        draw,
        f"text = {_read_output(sample)}.read_text()\nprint(text)",
        "pass",
        f"try:\n    assert {_read_output(sample)}.exists()\nexcept Exception:\n    pass",
        f"{_read_output(sample)}.read_text() == 'x'",
        f"try:\n    assert {_read_output(sample)}.stat().st_size > 9\nexcept (AssertionError, OSError):\n    print('soft')",
    )
    return _add_test(sample, body, head="from pathlib import Path\n")


@plant("static")
def output_nobody_was_told_of(sample: Sample, draw: random.Random) -> Sample | None:
    if "/" not in sample.output or f"/app/{sample.output}" not in sample.instruction:
        return None
    folder, _, name = sample.output.rpartition("/")
    hidden = f"{folder}/final_{name}"
    return replace(
        sample,
        tests=sample.tests.replace(sample.output, hidden),
        solution=sample.solution.replace(sample.output, hidden),
    )


@plant("static")
def import_that_is_not_there(sample: Sample, draw: random.Random) -> Sample:
    return replace(sample, tests=f"import {say(draw, 'requests', 'pandas as pd', 'yaml', 'numpy')}\n{sample.tests}")


@plant("static")
def tests_in_a_class(sample: Sample, draw: random.Random) -> Sample:
    lines = sample.tests.replace("\n\n\ndef test_", "\n\n\nclass TestAll:\n    def test_", 1).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("class "))
    body = [f"    {line}" if n > start + 1 and line else line for n, line in enumerate(lines)]
    text = "\n".join(body).replace("(self)", "()").replace("def test_", "def test_") + "\n"
    return replace(sample, tests=re.sub(r"(    def test_\w+)\(\)", r"\1(self)", text))


@plant("static")
def test_is_skipped(sample: Sample, draw: random.Random) -> Sample:
    mark = say(draw, "@pytest.mark.skip(reason='flaky')", "@pytest.mark.xfail", "@pytest.mark.skipif(True, reason='x')")
    return replace(sample, tests="import pytest\n" + sample.tests.replace("def test_", f"{mark}\ndef test_", 1))


@plant("static")
def instruction_says_nothing(sample: Sample, draw: random.Random) -> Sample:
    return replace(sample, instruction=f"Please produce `/app/{sample.output}` from the data.")


@plant("static")
def tests_do_not_parse(sample: Sample, draw: random.Random) -> Sample:
    return replace(sample, tests=sample.tests.replace("assert ", "assert (", 1))


@plant("static")
def test_defined_twice(sample: Sample, draw: random.Random) -> Sample:
    first = next(iter(sample.weights))
    again = f"\n\ndef {first}():\n    assert {_read_output(sample)}.is_file(), 'missing'\n"
    return replace(sample, tests="from pathlib import Path\n" + sample.tests + again)


@plant("static")
def inputs_drawn_without_a_seed(sample: Sample, draw: random.Random) -> Sample:
    body = f"n = random.randint(1, 10**6)\nassert {_read_output(sample)}.read_text() != str(n), n"
    return _add_test(sample, body, head="import random\nfrom pathlib import Path\n")


# leaks: told in the instruction


def _pick(sample: Sample, draw: random.Random) -> tuple[str, str] | None:
    return draw.choice(sample.answers) if sample.answers else None


@plant("leak")
def answer_told_in_passing(sample: Sample, draw: random.Random) -> Sample | None:
    picked = _pick(sample, draw)
    if picked is None:
        return None
    asked, answer = picked
    return _tell(
        sample,
        say(
            draw,
            f"As a check: {asked} should come to {answer}.",
            f"You will know that you are right when {asked} is {answer}.",
            f"(The correct value for {asked} is {answer}.)",
            f"Expect {answer} for {asked}.",
            f"Last year's clerk got {answer} as {asked}, which was correct.",
        ),
    )


@plant("leak")
def format_example_with_real_values(sample: Sample, draw: random.Random) -> Sample | None:
    if not sample.answers or not sample.result.startswith("{"):
        return None
    shown = sample.result if draw.random() < 0.5 else json.dumps(json.loads(sample.result), indent=2)
    return _tell(sample, f"\n\nThe format is:\n\n```json\n{shown}\n```\n")


@plant("leak")
def results_in_a_table(sample: Sample, draw: random.Random) -> Sample | None:
    if len(sample.answers) < 3 or sample.name.startswith("log"):
        return None
    rows = "\n".join(f"| {asked.split(' of ')[-1]} | {answer} |" for asked, answer in sample.answers)
    return _tell(sample, f"\n\nReference run:\n\n| name | value |\n|---|---|\n{rows}\n")


@plant("leak")
def answer_rounded(sample: Sample, draw: random.Random) -> Sample | None:
    found = [(asked, a) for asked, a in sample.answers if re.fullmatch(r"\d{3,}\.\d\d|\d\d\.\d{3,}", a)]
    if not found:
        return None
    asked, answer = draw.choice(found)
    digits = 1 if re.fullmatch(r"\d{3,}\.\d\d", answer) else 2
    return _tell(sample, f"Roughly, {asked} should be about {float(answer):.{digits}f}.")


@plant("leak")
def answer_in_another_notation(sample: Sample, draw: random.Random) -> Sample | None:
    found = [(asked, a) for asked, a in sample.answers if re.fullmatch(r"\d{4,}(\.\d+)?", a)]
    if not found:
        return None
    asked, answer = draw.choice(found)
    number = float(answer) if "." in answer else int(answer)
    english = f"{number:,}"
    german = english.replace(",", "~").replace(".", ",").replace("~", ".")
    return _tell(sample, f"Hint: {asked} is {say(draw, english, german, english.replace(',', ' '))}.")


@plant("leak")
def answer_encoded_in_the_instruction(sample: Sample, draw: random.Random) -> Sample | None:
    found = [answer for _, answer in sample.answers if len(answer) >= 5]
    if not found:
        return None
    answer = draw.choice(found)
    coded = say(draw, base64.b64encode(answer.encode()).decode(), answer[::-1], answer.encode().hex())
    return _tell(sample, f"(For reviewers: {coded})")


@plant("leak")
def code_of_the_solution_as_a_hint(sample: Sample, draw: random.Random) -> Sample | None:
    code = [line for line in sample.solution.splitlines() if len(line.strip()) > 30 and "(" in line]
    if not code:
        return None
    return _tell(sample, f"\n\nHint:\n\n```python\n{draw.choice(code).strip()}\n```\n")


@plant("leak")
def solution_as_a_recipe(sample: Sample, draw: random.Random) -> Sample:
    code = re.sub(r"; ?", "\n", sample.solution)
    return _tell(sample, f"\n\nOne way to do it:\n\n```bash\n{code}\n```\n")


@plant("leak")
def tests_quoted_in_the_instruction(sample: Sample, draw: random.Random) -> Sample:
    start = sample.tests.index("def test_")
    return _tell(sample, f"\n\nIt will be checked like this:\n\n```python\n{sample.tests[start:][:700]}\n```\n")


@plant("leak")
def tests_named_in_the_instruction(sample: Sample, draw: random.Random) -> Sample:
    return _tell(sample, f"The checks {' and '.join(f'`{name}`' for name in sample.weights)} have to pass.")


# leaks: lying about in files


@plant("leak")
def expected_output_is_shipped(sample: Sample, draw: random.Random) -> Sample | None:
    if not sample.result or sample.name.startswith("settings"):
        return None
    ending = sample.output.rpartition(".")[2]
    return _ship(
        sample, say(draw, f"data/expected.{ending}", f"fixtures/golden_{ending}.txt", "answer_key.txt"), sample.result
    )


@plant("leak")
def output_of_an_earlier_run(sample: Sample, draw: random.Random) -> Sample | None:
    if not sample.answers:
        return None
    name = sample.output.rpartition("/")[2]
    return _ship(sample, say(draw, f"backup/{name}.bak", f"old/{name}", f".cache/{name}"), sample.result)


@plant("leak")
def answer_in_a_note(sample: Sample, draw: random.Random) -> Sample | None:
    picked = _pick(sample, draw)
    if picked is None or len(picked[1]) < 3:
        return None
    asked, answer = picked
    note = say(
        draw,
        f"Handover\n\n- the script ran fine, {asked} was {answer}\n",
        f"TODO\nnothing left; expected result for {asked}: {answer}\n",
        f"meeting, Tuesday\nAda computed {asked} by hand and got {answer}.\n",
    )
    return _ship(sample, say(draw, "NOTES.txt", "handover.md", "docs/minutes.md"), note)


@plant("leak")
def answers_packed_away(sample: Sample, draw: random.Random) -> Sample | None:
    if not sample.answers:
        return None
    raw = sample.result.encode()
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("result.txt", raw)
    path, content = draw.choice(
        [
            ("misc/r.gz", gzip.compress(raw, mtime=0)),
            ("misc/r.zip", zipped.getvalue()),
            ("misc/r.bin", raw.replace(b" ", b"\0")),
        ]
    )
    return _ship(sample, path, content)


@plant("leak")
def answers_pickled(sample: Sample, draw: random.Random) -> Sample | None:
    if not sample.result.startswith("{") or not sample.answers:
        return None
    return _ship(sample, "model/state.pkl", pickle.dumps(json.loads(sample.result)))


@plant("leak")
def answers_encoded_in_a_file(sample: Sample, draw: random.Random) -> Sample | None:
    if not any(len(answer) >= 5 for _, answer in sample.answers):
        return None
    text = "\n".join(answer for _, answer in sample.answers)
    coded = say(
        draw, base64.b64encode(text.encode()).decode(), text.encode().hex(), text[::-1], codecs.encode(text, "rot13")
    )
    if coded == text:
        coded = text[::-1]
    return _ship(sample, "assets/seal.txt", coded + "\n")


@plant("leak")
def answer_in_a_comment_of_the_input(sample: Sample, draw: random.Random) -> Sample | None:
    picked = _pick(sample, draw)
    path = next((p for p, content in sample.files.items() if isinstance(content, str)), None)
    if picked is None or path is None or len(picked[1]) < 3:
        return None
    asked, answer = picked
    text = str(sample.files[path])
    remark = say(draw, f"# expected: {asked} = {answer}\n", f"# correct answer for {asked}: {answer}\n")
    return replace(sample, files={**sample.files, path: text + remark})


@plant("leak")
def comment_gives_the_fault_away(sample: Sample, draw: random.Random) -> Sample | None:
    if not sample.name.startswith("repair"):
        return None
    path, text = next(iter(sample.files.items()))
    remark = say(
        draw,
        "  # intentional bug: boundary",
        "  # deliberately wrong, the solver must find this",
        "  # planted off-by-one error",
        "  # this is the bug",
    )
    return replace(sample, files={path: str(text).replace("    steps =", f"    {remark.strip()}\n    steps =", 1)})


@plant("leak")
def tests_are_shipped(sample: Sample, draw: random.Random) -> Sample:
    return _ship(sample, say(draw, "tests/test_outputs.py", "check.py", "ci/verify.py"), sample.tests)


@plant("leak")
def solution_is_shipped(sample: Sample, draw: random.Random) -> Sample:
    commented = "".join(f"# {line}\n" for line in sample.solution.splitlines())
    return _ship(
        sample, say(draw, "solve.sh", "scripts/run_all.sh", "tools/reference.sh"), say(draw, sample.solution, commented)
    )


@plant("leak")
def solution_writes_the_answers_down(sample: Sample, draw: random.Random) -> Sample | None:
    if not sample.answers or sample.name.startswith("log"):
        return None
    return replace(
        sample, solution=f"#!/bin/bash\nmkdir -p /app/out\ncat > /app/{sample.output} <<'E'\n{sample.result}\nE\n"
    )


# collect and fail-first


@plant("collect")
def output_read_at_import(sample: Sample, draw: random.Random) -> Sample:
    line = say(
        draw,
        f"DATA = open('/app/{sample.output}.log').read()",
        f"RESULT = __import__('pathlib').Path('/app/{sample.output}.tmp').read_text()",
        "from test_outputs_lib import check",
        "assert __import__('os').path.exists('/app/.ready'), 'not ready'",
    )
    return replace(sample, tests=sample.tests.replace("\n\n\ndef ", f"\n\n{line}\n\n\ndef ", 1))


@plant("collect")
def suite_leaves_at_once(sample: Sample, draw: random.Random) -> Sample:
    return replace(
        sample, tests=f"import sys\nif not __debug__ or len(sys.argv) < 99:\n    sys.exit(0)\n{sample.tests}"
    )


@plant("collect")
def name_missing_at_import(sample: Sample, draw: random.Random) -> Sample:
    return replace(sample, tests=sample.tests.replace("\n\n\ndef ", "\n\nLIMIT = THRESHOLD * 2\n\n\ndef ", 1))


@plant("fail_first")
def guard_that_passes_untouched(sample: Sample, draw: random.Random) -> Sample:
    path = next(iter(sample.files))
    body = say(
        draw,
        f'assert Path("/app/{path}").exists(), "input is gone"',
        f'assert Path("/app/{path}").stat().st_size > 0, "input was emptied"',
        f'if not {_read_output(sample)}.with_suffix(".never").exists():\n    return\nassert False, "unexpected"',
        'for path in Path("/app/out").glob("*.never"):\n    assert path.stat().st_size, path',
        'assert not Path("/app/forbidden").exists(), "made something forbidden"',
    )
    return _add_test(sample, body, head="from pathlib import Path\n")


@plant("fail_first")
def work_is_done_already(sample: Sample, draw: random.Random) -> Sample | None:
    if sample.name.startswith(("program", "log")) or not sample.result:
        return None
    return _ship(sample, sample.output, sample.result)


@plant("fail_first")
def slip_in_a_failure_message(sample: Sample, draw: random.Random) -> Sample | None:
    """The test is right until it fails: then it dies of its own message."""
    spoilt, n = re.subn(
        r'assert OUT\.is_file\(\), "[^"]*"',
        draw.choice(
            ['assert OUT.is_file(), f"{PATH} is missing"', 'assert OUT.is_file(), "no " + OUT', "assert OUT.is_flie()"]
        ),
        sample.tests,
    )
    return replace(sample, tests=spoilt) if n else None


# oracle


@plant("oracle")
def expected_value_is_wrong(sample: Sample, draw: random.Random) -> Sample | None:
    found = [answer for _, answer in sample.answers if re.fullmatch(r"\d+(\.\d+)?", answer) and answer in sample.tests]
    if not found:
        return None
    answer = draw.choice(found)
    wrong = str(int(answer) + 1) if "." not in answer else f"{float(answer) + 0.5:.{len(answer.partition('.')[2])}f}"
    return replace(sample, tests=sample.tests.replace(answer, wrong))


@plant("oracle")
def tests_want_more_than_was_asked(sample: Sample, draw: random.Random) -> Sample:
    body = say(
        draw,
        f'text = {_read_output(sample)}.read_text()\nassert "generated_at" in text, "no timestamp"',
        f'text = {_read_output(sample)}.read_text()\nassert text.startswith("\\ufeff"), "no BOM"',
        f'assert {_read_output(sample)}.with_suffix(".sha256").exists(), "no checksum beside it"',
        f"size = {_read_output(sample)}.stat().st_size\nassert size == 12, f'size is {{size}}'",
    )
    return _add_test(sample, body, head="from pathlib import Path\n")


@plant("oracle")
def tests_contradict_each_other(sample: Sample, draw: random.Random) -> Sample:
    body = (
        f"text = {_read_output(sample)}.read_text()\nassert text.endswith('\\n'), 'no newline at the end'\n"
        "assert not text.endswith('\\n'), 'a newline at the end'"
    )
    return _add_test(sample, body, head="from pathlib import Path\n")


@plant("oracle")
def solution_does_not_work(sample: Sample, draw: random.Random) -> Sample:
    broken = say(
        draw,
        sample.solution.replace("/app", "/workspace").replace("cd /workspace", "cd /app/nowhere"),
        "#!/bin/bash\nset -e\npip install --quiet rich-tables-extra\n" + sample.solution.replace("#!/bin/bash\n", ""),
        "#!/bin/bash\necho 'TODO'\n",
        "#!/bin/bash\nset -e\njq-ng --version\n" + sample.solution.replace("#!/bin/bash\n", ""),
    )
    return replace(sample, solution=broken)


@plant("oracle")
def test_dies_on_a_right_result(sample: Sample, draw: random.Random) -> Sample:
    body = say(
        draw,
        f"text = {_read_output(sample)}.read_text()\nassert text[10_000_000] == 'x', 'short'",
        f"text = {_read_output(sample)}.read_text()\nassert int(text[:1] + 'x') > 0, 'no number'",
        f"import json\nrows = json.loads('[' + {_read_output(sample)}.read_text() + ',]')\nassert rows, 'none'",
        f"text = {_read_output(sample)}.read_bytes()\nassert text + 'x', 'empty'",
        f"data = {{}} if {_read_output(sample)}.read_text() else None\nassert data['total'] > 0, 'total'",
    )
    return _add_test(sample, body, head="from pathlib import Path\n")


@plant("oracle")
def teardown_dies(sample: Sample, draw: random.Random) -> Sample:
    fixture = "\n\n@pytest.fixture(autouse=True)\ndef tidy():\n    yield\n    Path('/app/scratch').rmdir()\n"
    return replace(sample, tests=f"import pytest\nfrom pathlib import Path\n{sample.tests}{fixture}")


# flake


@plant("flake")
def order_matters(sample: Sample, draw: random.Random) -> Sample:
    first = next(iter(sample.weights))
    body = say(
        draw,
        'assert SEEN, "nothing was read"',
        'assert Path("/tmp/seen").exists(), "the first test left no mark"',
    )
    changed = _into_tests(sample, "SEEN.append(1); Path('/tmp/seen').write_text('1')")
    assert first in changed.weights
    return _add_test(changed, body, head="from pathlib import Path\n\nSEEN = []\n")


@plant("flake")
def today_matters(sample: Sample, draw: random.Random) -> Sample:
    body = say(
        draw,
        f"stamp = {_read_output(sample)}.stat().st_mtime\nassert date.fromtimestamp(stamp) == date.today(), 'not of today'",
        f"assert {_read_output(sample)}.exists(), 'missing'\nassert date.today().toordinal() <= {{day}}, 'too late'",
        f"age = time.time() - {_read_output(sample)}.stat().st_mtime\nassert age < 3600, f'stale: {{age}}'",
        f"now = datetime.now()\nmade = datetime.fromtimestamp({_read_output(sample)}.stat().st_mtime)\n"
        "assert (now.year, now.month) == (made.year, made.month), 'another month'",
    )
    # A deadline a few days ahead of whenever this runs.
    body = body.replace("{day}", "Path('/proc/self/stat').stat().st_mtime // 86400 + 719163 + 9")
    return _add_test(sample, body, head="import time\nfrom datetime import date, datetime\nfrom pathlib import Path\n")


@plant("flake")
def chance_decides(sample: Sample, draw: random.Random) -> Sample:
    body = say(
        draw,
        f"assert {_read_output(sample)}.exists(), 'missing'\nassert os.urandom(1)[0] < 120, 'sample too large'",
        f"names = {{'a', 'b', 'c', 'd', 'e', 'f'}}\nassert {_read_output(sample)}.exists()\n"
        "assert next(iter(names)) in 'abc', 'unexpected first name'",
        f"assert {_read_output(sample)}.exists()\nassert hash('ttg') % 2 == 0, 'wrong bucket'",
        f"assert {_read_output(sample)}.exists()\nassert uuid.uuid4().hex[0] in '01234567', 'bad id'",
        f"assert {_read_output(sample)}.exists()\nassert time.perf_counter_ns() // 1000 % 2 == 0, 'too slow'",
    )
    return _add_test(sample, body, head="import os\nimport time\nimport uuid\nfrom pathlib import Path\n")


@plant("flake")
def solution_by_chance(sample: Sample, draw: random.Random) -> Sample:
    return replace(sample, solution=sample.solution + "\n[ $((RANDOM % 2)) = 0 ] || rm -f /app/" + sample.output + "\n")


# budget


@plant("budget")
def tests_take_too_long(sample: Sample, draw: random.Random) -> Sample:
    body = f"assert {_read_output(sample)}.exists(), 'missing'\n" + say(
        draw,
        "time.sleep(13)\nassert True is not None or 1",
        "end = time.monotonic() + 13\nwhile time.monotonic() < end:\n    sum(range(1000))",
        "for attempt in range(13):\n    time.sleep(1)",
    ).replace("\nassert True is not None or 1", "")
    return _add_test(sample, body, head="import time\nfrom pathlib import Path\n")


@plant("budget")
def tests_take_too_much_memory(sample: Sample, draw: random.Random) -> Sample:
    body = f"assert {_read_output(sample)}.exists(), 'missing'\nblock = bytearray(1_200_000_000)\nassert len(block) > 9, 'no'"
    return _add_test(sample, body, head="from pathlib import Path\n")


@plant("budget")
def tests_litter(sample: Sample, draw: random.Random) -> Sample:
    body = f"assert {_read_output(sample)}.exists(), 'missing'\n" + say(
        draw,
        "for n in range(3000):\n    Path(f'/tmp/case-{n}').write_text('x')",
        "for n in range(30):\n    Path(f'/tmp/big-{n}').write_bytes(bytes(10_000_000))",
    )
    return _add_test(sample, body, head="from pathlib import Path\n")


# duplicate and contamination: the measure knows the originals


@plant("duplicate")
def same_again(sample: Sample, draw: random.Random) -> Sample:
    text = say(draw, sample.instruction, sample.instruction.replace(". ", ".\n"), f"## Task\n\n{sample.instruction}")
    return replace(sample, instruction=text)


@plant("duplicate")
def same_with_other_numbers(sample: Sample, draw: random.Random) -> Sample:
    return replace(sample, instruction=re.sub(r"\d", lambda m: str((int(m[0]) + 3) % 10), sample.instruction))


@plant("duplicate")
def same_with_other_names(sample: Sample, draw: random.Random) -> Sample:
    words = re.findall(r"`[^`]+`", sample.instruction)[:2]
    text = sample.instruction
    for word in words:
        text = text.replace(word, f"`/app/work/{draw.choice(['alpha', 'omega', 'sigma'])}.dat`", 1)
    return replace(sample, instruction=text)


@plant("duplicate")
def same_with_another_opening(sample: Sample, draw: random.Random) -> Sample:
    _, _, rest = sample.instruction.partition(". ")
    opening = say(draw, "You are on call.", "A colleague has left you a job.", "It is Friday, five o'clock.")
    return replace(sample, instruction=f"{opening} {rest}")


@plant("duplicate")
def same_in_another_order(sample: Sample, draw: random.Random) -> Sample:
    sentences = re.split(r"(?<=\.) ", sample.instruction)
    draw.shuffle(sentences)
    return replace(sample, instruction=" ".join(sentences))


@plant("contamination")
def passage_of_a_benchmark(sample: Sample, draw: random.Random) -> Sample:
    words = draw.choice(BENCHMARK).split()
    start = draw.randint(0, len(words) - 24)
    return _tell(sample, f"Besides: {' '.join(words[start : start + draw.randint(18, 24)])}.")


@plant("contamination")
def benchmark_task_with_other_marks(sample: Sample, draw: random.Random) -> Sample:
    text = re.sub(r"[`*.,;:]", "", draw.choice(BENCHMARK))
    return replace(sample, instruction=f"{text.upper() if draw.random() < 0.3 else text}\n\n{sample.instruction}")


BENCHMARK = (
    "The mail server in this container silently drops every message that is larger than one kilobyte. Find the limit in "
    "its configuration, raise it to `20` megabytes, restart the daemon, and prove with the supplied client that a message "
    "of fifteen megabytes reaches the mailbox of the user `harbour`.",
    "A corrupted git repository lies in the home directory: its index is truncated and two loose objects are missing. "
    "Recover the latest commit on the branch `release`, export its tree as a tarball, and write the hash of the recovered "
    "commit, followed by a newline, to the file named in the README.",
    "Train a small classifier on the tabular data set provided, without any package beyond those installed, such that "
    "accuracy on the hidden split is above ninety percent, and save the predictions for the unlabelled rows in the order "
    "in which the rows are given, one label a line.",
)
"""Prompts of a benchmark that exists only here."""


def spoil_samples(clean: list[Sample], *, times: int, seed: int = 0) -> list[tuple[Defect, Sample, Sample | str]]:
    """Each defect so many times, on samples of different families: (defect, original, spoilt)."""
    spoilt: list[tuple[Defect, Sample, Sample | str]] = []
    for number, defect in enumerate(DEFECTS):
        draw = random.Random(f"defect {seed} {defect.name}")
        found = 0
        for step in range(len(clean)):
            sample = clean[(number * 7 + step * 13) % len(clean)]
            made = defect.spoil(sample, draw)
            if made is not None and found < times:
                spoilt.append((defect, sample, made))
                found += 1
    return spoilt
