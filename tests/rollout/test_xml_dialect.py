"""The XML dialect: each rule of the protocol, and that no text whatever makes the reader raise."""

from __future__ import annotations

import random

import pytest

from terminal_task_gen.rollout.protocol import Turn, format_confirmation, format_error
from terminal_task_gen.rollout.xml_dialect import XmlDialect
from terminal_task_gen.trajectory import Command

DIALECT = XmlDialect()
LS = '<keystrokes duration="0.1">ls\n</keystrokes>'
EMPTY = (
    "Commands section is empty; not taking any action. If you want to wait a specific amount of time please use "
    "`sleep`, but if you're waiting for a command to finish then continue to wait."
)


def reply(commands: str = f"<commands>{LS}</commands>", rest: str = "") -> str:
    return f"<response>\n<analysis>a</analysis>\n<plan>p</plan>\n{commands}\n{rest}</response>"


def run(keystrokes: str) -> str:
    return f"<commands>{keystrokes}</commands>"


def parse(text: str) -> Turn:
    return DIALECT.parse(text)


def test_a_clean_reply_has_commands_and_nothing_to_say() -> None:
    assert parse(reply()) == Turn((Command(keystrokes="ls\n", duration_sec=0.1),))


def test_keystrokes_are_typed_as_they_stand() -> None:
    raw = "cat <<'EOF' > /app/x.html\n  <b>\"a\" & b</b>\nEOF\n"
    turn = parse(reply(f'<commands><keystrokes duration="1">{raw}</keystrokes></commands>'))
    assert [command.keystrokes for command in turn.commands] == [raw]
    assert turn.warnings == ()


@pytest.mark.parametrize(
    ("mark", "complete"),
    [
        ("<task_complete>true</task_complete>", True),
        ("<task_complete> TRUE\n</task_complete>", True),
        ("<task_complete>yes</task_complete>", False),
        ("<task_complete/>", False),
        ("<task_complete></task_complete>", False),
    ],
)
def test_completion(mark: str, complete: bool) -> None:
    turn = parse(reply(rest=mark))
    assert (turn.task_complete, turn.warnings, len(turn.commands)) == (complete, (), 1)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("ls -la", "No <response> tag found"),
        ("<response></response>", "No <response> tag found"),
        ("<response><analysis>a</analysis><plan>p</plan></response>", "Missing <commands> section"),
    ],
)
def test_what_cannot_be_read_is_told_and_nothing_is_executed(text: str, error: str) -> None:
    turn = parse(text)
    assert (turn.error, turn.commands, turn.task_complete) == (error, (), False)


def test_completion_needs_no_commands() -> None:
    turn = parse(reply(commands="", rest="<task_complete>true</task_complete>"))
    assert turn == Turn(task_complete=True, warnings=("Missing <commands> section",))


@pytest.mark.parametrize("commands", ["<commands></commands>", "<commands/>", "<commands>\n</commands>"])
def test_empty_commands_wait_with_a_warning(commands: str) -> None:
    assert parse(reply(commands)) == Turn(warnings=(EMPTY,))


def test_a_missing_end_is_no_error() -> None:
    assert parse(reply().removesuffix("</response>")) == parse(reply())


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("Sure. " + reply(), "Extra text detected before <response> tag"),
        (reply() + " Done.", "Extra text detected after </response> tag"),
        (reply(f"<commands>{LS}</commands><commands>{LS}</commands>"), "You issued 2 and only the first was executed."),
        (reply(rest="<notes>n</notes>"), "Unknown tag found: <notes>, expected analysis/plan/commands/task_complete"),
        (reply().replace("<plan>p</plan>", ""), "Missing <plan> section"),
        (reply(rest="<plan>again</plan>"), "Multiple <plan> sections found"),
        (
            f"<response><plan>p</plan><analysis>a</analysis><commands>{LS}</commands></response>",
            "Sections appear in wrong order. Found: plan → analysis → commands, expected: analysis → plan → commands",
        ),
        (reply(run(LS.replace("0.1", "soon"))), "Command 1: Invalid duration value 'soon'"),
        (reply("<commands><keystrokes>ls\n</keystrokes></commands>"), "Command 1: Missing duration attribute"),
        (reply("<commands><keystrokes duration=1>ls\n</keystrokes></commands>"), 'be quoted: duration="1"'),
        (reply(run(LS.replace(" dur", ' n="1" dur'))), "Command 1: Unknown attribute 'n'"),
        (reply(run(LS.replace("ls", "a &amp;&amp; b"))), "&amp; is read verbatim"),
        (reply(run(LS.replace("\n", "") + LS)), "Command 1 should end with newline"),
    ],
)
def test_what_is_sloppy_is_warned_of_and_carried_out(text: str, warning: str) -> None:
    turn = parse(text)
    assert turn.error is None
    assert turn.commands
    assert any(warning in told for told in turn.warnings), turn.warnings


@pytest.mark.parametrize(("duration", "expected"), [("99", 60.0), ("-3", 0.0), ("1e400", 60.0), ("nan", 1.0)])
def test_durations_are_bounded(duration: str, expected: float) -> None:
    turn = parse(reply(run(LS.replace("0.1", duration))))
    assert [command.duration_sec for command in turn.commands] == [expected]


def test_thinking_is_not_read() -> None:
    drafted = (
        "<think>\nMaybe <response><commands><keystrokes>rm -rf /app\n</keystrokes></commands></response>\n</think>"
    )
    assert parse(f"{drafted}\n{reply()}") == parse(reply())
    assert parse(f"drafted in the prompt: {reply()} no.</think>{reply()}") == parse(reply())
    assert parse("<think> I will " + reply()).error == "No <response> tag found"


def test_the_feedback_names_the_dialect() -> None:
    assert format_error(parse("?"), DIALECT).endswith("Please fix these issues and provide a proper response.")
    assert format_confirmation("$", DIALECT).endswith("include <task_complete>true</task_complete> again.")


def test_the_first_message_shows_the_form_and_holds_the_task() -> None:
    message = DIALECT.render_first_message(instruction="Do {this} <b>", terminal_state="root@sandbox:/app#")
    assert "<keystrokes duration=" in message
    assert message.endswith("Task Description:\nDo {this} <b>\n\nCurrent terminal state:\nroot@sandbox:/app#")


def test_no_text_makes_it_raise() -> None:
    lot = random.Random(7)
    parts = ["<response>", "</response>", "<commands>", "</commands>", "<keystrokes", ">", "</keystrokes>", "<", "< >"]
    parts += [
        "<think>",
        "</think>",
        " duration=",
        "'",
        '"',
        "\ud800",
        "\x00",
        "\\r\\n",
        "<!--",
        "<?",
        "</",
        "/>",
        "text ",
    ]
    for _ in range(5_000):
        turn = parse("".join(lot.choice(parts) for _ in range(lot.randrange(1, 40))))
        assert turn.error is None or not turn.commands
