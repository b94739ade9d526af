"""The draft parser: tolerant of dress, exact in its complaints."""

from __future__ import annotations

import pytest

from terminal_task_gen.generate.draft import DraftError, parse_draft

TESTS = (
    'def test_a():\n    assert open("/app/out.txt").read() == "</tests>", "text"\n\n\ndef test_b():\n    assert 1 < 2\n'
)


def build(**changed: str | None) -> str:
    sections: dict[str, str | None] = {
        "title": "A title",
        "instruction": "\nWrite `/app/out.txt`.\n",
        "files": '\n<file path="data/in.csv">\na,b\n1,2\n</file>\n',
        "tests": f"\n{TESTS}",
        "weights": '\n{"test_a": 0.4, "test_b": 0.6}\n',
        "metadata": '\n{"difficulty": "easy", "skills": ["one  skill"], "tags": ["csv"]}\n',
        "solution": "\n#!/bin/bash\necho x > /app/out.txt\n",
        **changed,
    }
    return "<task>\n" + "".join(f"<{k}>{v}</{k}>\n" for k, v in sections.items() if v is not None) + "</task>"


def list_complaints(text: str) -> list[tuple[str, str]]:
    with pytest.raises(DraftError) as caught:
        parse_draft(text)
    return [(complaint.reason, complaint.text) for complaint in caught.value.complaints]


def test_reads_every_part() -> None:
    draft = parse_draft(f"Let me think.\n\n{build()}\n\nThat is all.")
    assert draft.title == "A title"
    assert draft.instruction == "Write `/app/out.txt`.\n"
    assert [(f.path, f.content) for f in draft.files] == [("data/in.csv", "a,b\n1,2\n")]
    assert draft.tests == TESTS
    assert draft.weights == {"test_a": 0.4, "test_b": 0.6}
    assert (draft.skills, draft.tags) == (("one skill",), ("csv",))
    assert draft.solution == "#!/bin/bash\necho x > /app/out.txt\n"
    assert draft.notes == ()


def test_last_complete_block_counts() -> None:
    text = f"{build(title='First')}\nBetter:\n{build(title='Second')}\n<task>\n<instruction>cut o"
    assert parse_draft(text).title == "Second"


def test_a_block_in_the_reasoning_does_not_count() -> None:
    assert parse_draft(f"<think>{build(title='Idea')}</think>\n{build(title='Final')}").title == "Final"
    assert list_complaints(f"<think>{build(title='Idea')}</think>\nI cannot.")[0][0] == "no_task_block"
    assert parse_draft(f"hm, <task> maybe\n</think>\n{build()}").title == "A title"


def test_tags_in_capitals_fences_and_crlf() -> None:
    fenced = build(
        tests=f"\n```python\n{TESTS}```\n",
        weights='\n```json\n{"test_a": 0.4, "test_b": 0.6,}\n```\n',
        solution="\n```bash\necho x\n```\n",
    )
    for tag in ("task", "tests", "weights", "instruction"):
        fenced = fenced.replace(f"<{tag}>", f"<{tag.upper()}>").replace(f"\n</{tag}>", f"\n</{tag.upper()}>")
    draft = parse_draft(fenced.replace("\n", "\r\n"))
    assert draft.tests == TESTS
    assert draft.solution == "echo x\n"
    assert draft.weights == {"test_a": 0.4, "test_b": 0.6}


def test_xml_about_tasks_within_the_files_is_left_alone() -> None:
    xml = "<tasks>\n<task>\n<file>a</file>\n</task>\n</tasks>\n"
    draft = parse_draft(build(files=f'\n<file path="plan.xml">\n{xml}</file>\n<file path="b">\nb\n</file>\n'))
    assert [f.path for f in draft.files] == ["plan.xml", "b"]
    assert draft.files[0].content == xml


@pytest.mark.parametrize(
    ("raw", "content"),
    [
        ("\na\n", "a\n"),
        ("\n\na\n\n", "\na\n\n"),
        ("a", "a\n"),
        ("\n", ""),
        ("", ""),
        ("\n  indented\n  ", "  indented\n"),
        ("\n\n\n", "\n\n"),
        ("\n<![CDATA[<x/>]]>\n", "<x/>\n"),
        ("\n<![CDATA[\na]]]]><![CDATA[>b\n]]>\n", "a]]>b\n"),
        ("  \na\n", "a\n"),
        ("\n```csv\na,b\n```\n", "a,b\n"),
        ("\n```\na\n```\nb\n```\nc\n```\n", "```\na\n```\nb\n```\nc\n```\n"),
    ],
)
def test_file_content_is_verbatim_between_the_tags(raw: str, content: str) -> None:
    draft = parse_draft(build(files=f'\n<file path="f">{raw}</file>\n'))
    assert draft.files[0].content == content


@pytest.mark.parametrize("path", ["README.md", "docs/index.rst"])
def test_a_fence_is_contents_of_a_document(path: str) -> None:
    draft = parse_draft(build(files=f'\n<file path="{path}">\n```\nmake\n```\n</file>\n'))
    assert draft.files[0].content == "```\nmake\n```\n"


def test_cdata_around_every_part() -> None:
    parts = {
        "instruction": "Write `/app/out.txt`.",
        "tests": TESTS,
        "weights": '{"test_a": 0.4, "test_b": 0.6}',
        "metadata": '{"skills": ["one skill"], "tags": ["csv"]}',
        "solution": "```bash\n#!/bin/bash\necho x > /app/out.txt\n```",
    }
    dressed = {name: f"\n<![CDATA[\n{text}\n]]>\n" for name, text in parts.items()}
    assert parse_draft(build(**dressed)) == parse_draft(build())


def test_a_fence_around_the_instruction_goes_and_its_own_examples_stay() -> None:
    assert parse_draft(build(instruction="\n```\nWrite it.\n```\n")).instruction == "Write it.\n"
    example = "```\na\n```\nWrite it like\n```\nb\n```"
    assert parse_draft(build(instruction=f"\n{example}\n")).instruction == f"{example}\n"
    assert parse_draft(build(instruction=f"\n```markdown\n{example}\n```\n")).instruction == f"{example}\n"


def test_prose_around_fenced_tests_is_left_out() -> None:
    draft = parse_draft(build(tests=f"\nFirst\n```sh\npytest it\n```\nHere they are:\n```python\n{TESTS}```\nDone.\n"))
    assert draft.tests == TESTS
    assert draft.notes == ("what stood around the fenced tests was left out",)
    unreadable = "Here:\n```python\ndef (:\n```"
    assert parse_draft(build(tests=unreadable)).tests == f"{unreadable}\n"


def test_attributes_however_quoted() -> None:
    files = (
        "\n<file path='a b.sh' executable='yes'>\nx\n</file>\n"
        "<file path=/app/c.bin encoding=base64>\naGVs\nbG8=\n</file>\n"
        '<file executable path="./d">\ny\n</file>\n<file path="empty"/>\n'
    )
    draft = parse_draft(build(files=files))
    assert [(f.path, f.executable, f.to_bytes()) for f in draft.files] == [
        ("a b.sh", True, b"x\n"),
        ("c.bin", False, b"hello"),
        ("d", True, b"y\n"),
        ("empty", False, b""),
    ]


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ('<file path="../etc/passwd">', "leaves /app"),
        ('<file path="a/../../b">', "leaves /app"),
        ('<file path="/etc/passwd">', "relative to /app"),
        ('<file path="/app//etc/x">', "relative to /app"),
        ("<file>", "no path"),
        ('<file path="a//b">', "empty part"),
        ('<file path="dir/">', "empty part"),
        ('<file path="a\0b">', "control character"),
        (f'<file path="{"x" * 300}">', "longer than"),
        ('<file path="a" mode="0777">', "unknown attribute 'mode'"),
        ('<file path="a" encoding="rot13">', "encoding='rot13'"),
        ('<file path="a" encoding="base64">', "not valid base64"),
    ],
)
def test_bad_files_are_refused(tag: str, said: str) -> None:
    complaints = list_complaints(build(files=f"\n{tag}\n%%%\n</file>\n"))
    assert [reason for reason, _ in complaints] == ["bad_file"]
    assert said in complaints[0][1]


def test_clashing_oversized_and_too_many_files_are_refused() -> None:
    files = "".join(f'\n<file path="{p}">\nx\n</file>\n' for p in ("a", "a", "b", "b/c"))
    texts = [text for _, text in list_complaints(build(files=files))]
    assert texts == ["'a' is given twice", "'b' is a file and, because of 'b/c', a folder"]
    with pytest.raises(DraftError, match="at most 3 are allowed") as caught:
        parse_draft(build(), max_file_bytes=3, max_files=0)
    assert [c.reason for c in caught.value.complaints] == ["bad_file", "too_many_files"]


@pytest.mark.parametrize(
    "raw",
    ["test_a: 0.4\ntest_b: 0.6", "- `test_a` = 0.4\n- `test_b` = 0.6", '{"test_a": "0.4", "test_b": 0.6}'],
)
def test_weights_in_other_dress(raw: str) -> None:
    assert parse_draft(build(weights=raw)).weights == {"test_a": 0.4, "test_b": 0.6}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ('{"test_a": 0.4 "test_b": 0.6}', "line 1 column 16"),
        ("[0.4, 0.6]", "not list"),
        ('{"test_a": true}', "not a number"),
        ('{"test_a": NaN}', "not a number"),
        ('{"test_a": 0.5, "test_a": 0.5}', "given twice"),
    ],
)
def test_bad_weights_say_where(raw: str, said: str) -> None:
    complaints = list_complaints(build(weights=raw))
    assert complaints[0][0] == "bad_weights"
    assert said in complaints[0][1]


def test_thirds_are_scaled_and_noted_but_miscounted_weights_are_left_to_the_gate() -> None:
    draft = parse_draft(build(weights='{"test_a": 0.33, "test_b": 0.66}'))
    assert sum(draft.weights.values()) == pytest.approx(1.0, abs=1e-9)
    assert "summed to 0.99" in draft.notes[0]
    assert parse_draft(build(weights='{"test_a": 0.5, "test_b": 0.6}')).weights["test_b"] == 0.6


def test_all_complaints_come_at_once() -> None:
    text = build(instruction=None, weights="{", files='\n<file path="..">\n</file>\n').replace("</solution>", "")
    reasons = [reason for reason, _ in list_complaints(text)]
    assert reasons == ["missing_tag", "missing_tag", "bad_file", "bad_weights"]


def test_metadata_and_title_are_never_worth_a_refusal() -> None:
    draft = parse_draft(build(metadata="{broken", title=None))
    assert draft.title == "Write `/app/out.txt`."
    assert draft.skills == ()
    assert "<metadata>" in draft.notes[0]


def test_escaped_tests_are_unescaped_only_when_they_parse_only_so() -> None:
    escaped = "\ndef test_a():\n    assert 1 &lt; 2 and &quot;a&quot;\n"
    draft = parse_draft(build(tests=escaped, solution="\na &amp;&amp; b\n"))
    assert '1 < 2 and "a"' in draft.tests
    assert draft.solution == "a && b\n"
    kept = parse_draft(build(tests='\ndef test_a():\n    assert "&lt;"\n', solution="\na &amp;&amp; b\n"))
    assert "&lt;" in kept.tests
    assert kept.solution == "a &amp;&amp; b\n"


def test_a_reply_that_was_escaped_as_a_whole_is_unescaped_as_a_whole() -> None:
    files = (
        '\n<file path="a.html">\n&lt;a&gt;x &amp;amp; y&lt;/a&gt;\n</file>\n'
        '<file path="raw.html">\n<b>&amp;</b>\n</file>\n'
        '<file path="b" encoding="base64">\naGVsbG8=\n</file>\n'
    )
    # Escaped, this line is still Python: `assert n & gt`, then `3`.
    tests = "\ndef test_a():\n    assert n &gt; 3\n"
    draft = parse_draft(build(title="A &amp; B", instruction="Keep a &lt; 3.", files=files, tests=tests))
    assert "n > 3" in draft.tests
    assert (draft.title, draft.instruction) == ("A & B", "Keep a < 3.\n")
    assert [f.to_bytes() for f in draft.files] == [b"<a>x &amp; y</a>\n", b"<b>&amp;</b>\n", b"hello"]
    kept = parse_draft(build(title="A &amp; B", instruction="Keep a &lt; 3.", files=files))
    assert (kept.title, kept.instruction) == ("A &amp; B", "Keep a &lt; 3.\n")
    assert kept.files[0].content.startswith("&lt;a&gt;")


def test_a_solution_is_neither_needed_nor_kept_when_not_asked_for() -> None:
    assert parse_draft(build(solution=None), with_solution=False).solution is None
    assert parse_draft(build(), with_solution=False).solution is None
    assert list_complaints(build(solution=None)) == [
        ("missing_tag", "there is no <solution>…</solution> in the <task> block")
    ]


@pytest.mark.parametrize(
    "text", ["", "no tags", "<task>", "<task></task" * 3, "</task><task>", "<task>\n</task>\n" * 50]
)
def test_noise_is_a_draft_error_and_nothing_else(text: str) -> None:
    assert list_complaints(text)[0][0] in ("no_task_block", "missing_tag")
