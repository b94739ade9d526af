"""The JSON dialect: each rule of the protocol, and that no text whatever makes the reader raise."""

from __future__ import annotations

import json
import random
import time

import pytest

from terminal_task_gen.rollout.json_dialect import JsonDialect
from terminal_task_gen.rollout.protocol import (
    Turn,
    format_confirmation,
    format_error,
    format_observation,
    format_truncation,
)
from terminal_task_gen.trajectory import Command

DIALECT = JsonDialect()
GOOD = {"analysis": "a", "plan": "p", "commands": [{"keystrokes": "ls\n", "duration": 0.1}], "task_complete": False}
LS = (Command(keystrokes="ls\n", duration_sec=0.1),)


def parse(text: str) -> Turn:
    return DIALECT.parse(text)


def reply(**changes: object) -> str:
    return json.dumps({**GOOD, **changes})


def read_commands(*commands: object, **changes: object) -> Turn:
    return parse(reply(commands=list(commands), **changes))


def test_a_clean_reply_has_commands_and_nothing_to_say() -> None:
    assert parse(reply()) == Turn(LS, task_complete=False, error=None, warnings=())


def test_task_complete_may_be_missing_and_commands_empty() -> None:
    assert parse('{"analysis": "", "plan": "", "commands": []}') == Turn()


@pytest.mark.parametrize(
    ("value", "complete"),
    [
        (True, True),
        ("true", True),
        ("True", True),
        ("1", True),
        ("YES", True),
        (False, False),
        ("no", False),
        ("", False),
    ],
)
def test_task_complete_as_truth_or_text(value: object, complete: bool) -> None:
    turn = parse(reply(task_complete=value))
    assert (turn.task_complete, turn.warnings) == (complete, ())


@pytest.mark.parametrize(("value", "complete"), [(1, True), (0, False), ([], False), ({"x": 1}, True)])
def test_task_complete_of_another_type_is_warned_of(value: object, complete: bool) -> None:
    turn = parse(reply(task_complete=value))
    assert turn.task_complete is complete
    assert turn.warnings == ("Field 'task_complete' should be a boolean or string",)


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("Here it is: " + reply(), ["before"]),
        (reply() + "\nDone.", ["after"]),
        ("```json\n" + reply() + "\n```", ["before", "after"]),
        ("  \n" + reply() + "\n\n", []),
    ],
)
def test_text_around_the_object_is_warned_of(text: str, warnings: list[str]) -> None:
    turn = parse(text)
    assert turn.commands == LS
    assert turn.warnings == tuple(f"Extra text detected {where} JSON object" for where in warnings)


@pytest.mark.parametrize(
    "text",
    [
        '<think>maybe {x} or "y" {</think>\n\n' + reply(),
        "\n <think>\nlong\n</think>" + reply(),
        "the template opened the tag {</think>\n" + reply(),
    ],
)
def test_thinking_is_not_text_around_the_object(text: str) -> None:
    assert parse(text) == Turn(LS)


DRAFT = reply(commands=[{"keystrokes": "rm -rf /app\n", "duration": 1}])


@pytest.mark.parametrize(
    "text",
    [
        f"<think>maybe {DRAFT}</think>\n{reply()}",
        f"<thinking>maybe {DRAFT}</thinking>\n{reply()}",
        f"<Think>maybe {DRAFT}</Think>\n{reply()}",
        f"Ok.\n<think>maybe {DRAFT}</think>\nNow:\n{reply()}",
        f"<think>a</think>\n<think>maybe {DRAFT}</think>\n{reply()}",
        f"maybe {DRAFT} no.</think>\n\nHere is my reply:\n{reply()}",
        f"maybe {{x}} no.</think>\n**Reply**\n```json\n{reply()}\n```",
        f"<think>maybe {DRAFT}</think>\n{reply()}\n</think>",
        f"Sure.\n{reply()}\n<think>then {DRAFT}",
    ],
)
def test_what_is_drafted_in_the_thinking_is_not_carried_out(text: str) -> None:
    turn = parse(text)
    assert (turn.error, turn.commands) == (None, LS)


@pytest.mark.parametrize(
    "text",
    [
        f"<think>maybe {DRAFT}",
        f"Well.\n<Thinking>maybe {DRAFT}",
        f"<think>a</think>\n<think>maybe {DRAFT}",
        f"<think>maybe {DRAFT}</think>\nI am done.",
        f"maybe {DRAFT}, no.</think>\n",
    ],
)
def test_thinking_without_a_reply_after_it_is_an_error(text: str) -> None:
    turn = parse(text)
    assert (turn.error, turn.commands) == ("No valid JSON found in response", ())


@pytest.mark.parametrize(
    "lead", ["", "```json\n", "Here it is: ", "<think>hm {</think>\n", "I strip the <think> tags: "]
)
@pytest.mark.parametrize("keystrokes", ["echo '</think>'\n", "echo '</think>{}'\n", "echo '<think>{}</THINKING> {'\n"])
def test_a_think_tag_inside_keystrokes_stays(lead: str, keystrokes: str) -> None:
    text = lead + reply(commands=[{"keystrokes": keystrokes, "duration": 1}])
    assert parse(text).commands == (Command(keystrokes=keystrokes, duration_sec=1.0),)


@pytest.mark.parametrize("missing", [1, 2])
def test_missing_closing_braces_are_added_with_a_warning(missing: int) -> None:
    whole = '{"analysis":"a","plan":"p","commands":[],"more":{"x":{}}}'
    turn = parse(whole[:-missing])
    assert turn.error is None
    assert turn.warnings == (
        "AUTO-CORRECTED: Fixed incomplete JSON by adding missing closing brace - please fix this in future responses",
    )


def test_an_object_is_found_in_mixed_content() -> None:
    turn = parse("I would use {placeholders} here.\n" + reply())
    assert turn.commands == LS
    assert turn.warnings == ("AUTO-CORRECTED: Extracted JSON from mixed content - please fix this in future responses",)


def test_braces_and_quotes_inside_strings_do_not_end_the_object() -> None:
    keystrokes = 'awk \'{print "}\\"" $1}\' <<< "{"\n'
    turn = read_commands({"keystrokes": keystrokes, "duration": 0.5})
    assert turn == Turn((Command(keystrokes=keystrokes, duration_sec=0.5),))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "No valid JSON found in response"),
        ("I am done.", "No valid JSON found in response"),
        ("[1, 2]", "No valid JSON found in response"),
        ('{"analysis": "a", "commands": []}', "Missing required fields: plan"),
        ("{}", "Missing required fields: analysis, plan, commands"),
        (reply(commands={}), "Field 'commands' must be an array"),
        (reply(commands="ls"), "Field 'commands' must be an array"),
        (reply(commands=["ls\n"]), "Command 1 must be an object"),
        (reply(commands=[GOOD["commands"][0], {}]), "Command 2 missing required 'keystrokes' field"),  # type: ignore[index]
        (reply(commands=[{"keystrokes": 3}]), "Command 1 'keystrokes' must be a string"),
    ],
)
def test_errors_name_what_is_wrong_and_execute_nothing(text: str, error: str) -> None:
    turn = parse(text)
    assert (turn.error, turn.commands, turn.task_complete) == (error, (), False)


def test_bad_json_is_quoted_back_and_long_bad_json_only_begun() -> None:
    assert parse('{"a": nope}').error == (
        "Invalid JSON: Expecting value: line 1 column 7 (char 6) | Content: '{\"a\": nope}'"
    )
    long = parse("{" + "x" * 500 + "}").error
    assert long is not None
    assert long.endswith("| Content preview: '{" + "x" * 99 + "'...")


def test_a_raw_newline_in_a_string_is_bad_json() -> None:
    error = parse('{"analysis": "a\nb", "plan": "", "commands": []}').error
    assert error is not None
    assert error.startswith("Invalid JSON: Invalid control character")


def test_with_task_complete_a_command_error_is_a_warning_and_the_completion_counts() -> None:
    turn = read_commands({"keys": "x"}, task_complete=True)
    assert turn == Turn((), True, None, ("Command 1 missing required 'keystrokes' field",))


@pytest.mark.parametrize(
    ("duration", "seconds"), [(0.1, 0.1), (3, 3.0), (60, 60.0), (99, 60.0), (-5, 0.0), (10**400, 60.0), (True, 1.0)]
)
def test_durations_are_held_between_0_and_60(duration: float, seconds: float) -> None:
    turn = read_commands({"keystrokes": "", "duration": duration})
    assert turn == Turn((Command(keystrokes="", duration_sec=seconds),))


@pytest.mark.parametrize("duration", ['"5"', "null", "[1]", "NaN"])
def test_a_duration_that_is_no_number_becomes_1_with_a_warning(duration: str) -> None:
    turn = parse(f'{{"analysis":"","plan":"","commands":[{{"keystrokes":"x\\n","duration":{duration}}}]}}')
    assert turn.commands == (Command(keystrokes="x\n", duration_sec=1.0),)
    assert turn.warnings == ("Command 1: Invalid duration value, using default 1.0",)


def test_infinity_is_a_long_duration() -> None:
    turn = parse('{"analysis":"","plan":"","commands":[{"keystrokes":"x\\n","duration":Infinity}]}')
    assert turn == Turn((Command(keystrokes="x\n", duration_sec=60.0),))


def test_a_missing_duration_becomes_1_with_a_warning() -> None:
    turn = read_commands({"keystrokes": "ls\n"})
    assert turn.commands == (Command(keystrokes="ls\n", duration_sec=1.0),)
    assert turn.warnings == ("Command 1: Missing duration field, using default 1.0",)


def test_unknown_fields_of_a_command_are_warned_of() -> None:
    turn = read_commands({"keystrokes": "ls\n", "duration": 0.1, "is_blocking": True, "note": ""})
    assert (turn.commands, turn.warnings) == (LS, ("Command 1: Unknown fields: is_blocking, note",))


def test_fields_out_of_order_are_warned_of() -> None:
    turn = parse('{"plan": "p", "analysis": "a", "commands": []}')
    assert turn.warnings == (
        "Fields appear in wrong order. Found: plan → analysis → commands, expected: analysis → plan → commands",
    )


def test_analysis_and_plan_should_be_strings() -> None:
    turn = parse(reply(analysis=None, plan=["x"]))
    assert turn.commands == LS
    assert turn.warnings == ("Field 'analysis' should be a string", "Field 'plan' should be a string")


def test_a_missing_newline_is_warned_of_except_in_the_last_and_in_empty_keystrokes() -> None:
    turn = read_commands(*({"keystrokes": keys, "duration": 0.1} for keys in ("vim x\n", ":q", "", "Enter")))
    assert len(turn.commands) == 4
    assert turn.warnings == (
        "Command 2 should end with newline when followed by another command. "
        "Otherwise the two commands will be concatenated together on the same line.",
    )


def test_half_a_character_is_mended() -> None:
    turn = parse('{"analysis":"","plan":"","commands":[{"keystrokes":"echo \\ud83d\\n","duration":1}]}')
    assert turn.commands == (Command(keystrokes="echo \ufffd\n", duration_sec=1.0),)


# ------------------------------------------------------------------------------------------------ feedback


def test_an_error_is_told_in_the_standards_words() -> None:
    turn = Turn(error="Missing required fields: plan", warnings=("w1", "w2"))
    assert format_error(turn, DIALECT) == (
        "Previous response had parsing errors:\nERROR: Missing required fields: plan\nWARNINGS: - w1\n- w2\n\n"
        "Please fix these issues and provide a proper JSON response."
    )


def test_warnings_stand_before_the_output() -> None:
    assert format_observation(Turn(), "out") == "out"
    assert format_observation(Turn(warnings=("a", "b")), "out") == (
        "Previous response had warnings:\nWARNINGS: - a\n- b\n\nout"
    )


def test_the_confirmation_is_asked_in_the_standards_words() -> None:
    assert format_confirmation("out", DIALECT) == (
        "Current terminal state:\nout\n\nAre you sure you want to mark the task as complete? This will trigger your "
        "solution to be graded and you won't be able to make any further corrections. If so, include "
        '"task_complete": true in your JSON response again.'
    )


def test_a_truncated_reply_is_told_that_nothing_was_done() -> None:
    plain = format_truncation(Turn(error="x"))
    assert plain.startswith("ERROR!! NONE of the actions you just requested were performed because you exceeded")
    assert format_truncation(Turn(error="x", warnings=("w",))) == (
        plain + "\n\nParser warnings from your truncated response:\n- w"
    )


def test_the_first_message_holds_instruction_and_screen_verbatim() -> None:
    text = DIALECT.render_first_message(
        instruction="Write {{ x }} & <b> to /app/x", terminal_state="root@sandbox:/app# "
    )
    assert text.endswith(
        "Task Description:\nWrite {{ x }} & <b> to /app/x\n\nCurrent terminal state:\nroot@sandbox:/app# "
    )


def test_the_example_in_the_first_message_is_itself_a_clean_reply() -> None:
    text = DIALECT.render_first_message(instruction="", terminal_state="")
    turn = parse(text[text.index("{") : text.index("\n}\n") + 2])
    assert (turn.error, turn.warnings) == (None, ())
    assert len(turn.commands) == 2


# ------------------------------------------------------------------------------------------------ any text whatever

SEEDS = [
    reply(),
    "```json\n" + reply(task_complete=True) + "\n```",
    "<think>x</think>" + reply(commands=[{"keystrokes": "awk '{print}'\n"}, {"keystrokes": "C-c", "duration": 9e9}]),
    '{"analysis":"\\ud83d","plan":"\\\\","commands":[{"keystrokes":"\\u0000","duration":-1e999,"\\udc00":1}]}',
    '{"a":{"b":{"c":[[[{}]]]}}}',
]
SHARDS = [
    *'{}[]",:\\\n \x00é中😀0-.eE',
    *("<think>", "</think>", "```", '"commands"', '"keystrokes":', "\\ud800", "\\u"),
    *("true", "null", "NaN", "Infinity", "9" * 5000),
]


def mutate(text: str, rng: random.Random) -> str:
    for _ in range(rng.randint(1, 6)):
        at = rng.randint(0, len(text))
        match rng.randint(0, 4):
            case 0:
                text = text[:at]
            case 1:
                text = text[:at] + rng.choice(SHARDS) + text[at:]
            case 2:
                text = text[:at] + text[at + rng.randint(1, 12) :]
            case 3:
                text = text[:at] + rng.choice(SEEDS) + text[at:]
            case _:
                text = text[at:] + text[:at]
    return text


def test_mutated_replies_never_raise_and_always_give_a_usable_turn() -> None:
    rng = random.Random(20_260)
    seen = {"error": 0, "commands": 0}
    for _ in range(4_000):
        turn = parse(mutate(rng.choice(SEEDS), rng))
        assert turn.error is None or (turn.error and not turn.commands)
        assert all(0 <= command.duration_sec <= 60 for command in turn.commands)
        told = format_error(turn, DIALECT) + "".join(command.keystrokes for command in turn.commands)
        assert told.encode()
        seen["error" if turn.error else "commands"] += 1
    assert min(seen.values()) > 400  # the mutations reach both sides


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 50_000,
        '{"a":' * 50_000 + "1" + "}" * 50_000,
        '{"a":' + "[" * 50_000 + "]" * 50_000 + "}",
        "{" * 100_000,
        "{" + "{}" * 50_000,
        "{{" + "x" * 100_000,
        '"' * 99_999 + "{",
        "\\" * 99_999,
        "</think>" * 10_000 + "{",
        "hm " + '{"plan":' * 20_000 + "</think>" * 5_000 + "{",
        "hm\n" + '{"plan":0} ' * 2_000 + "\n<think>" * 5_000,
    ],
    ids=range(11),
)
def test_hostile_replies_are_refused_quickly(text: str) -> None:
    begun = time.monotonic()
    assert parse(text).error
    assert time.monotonic() - begun < 2.0
