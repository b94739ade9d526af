"""Each rule on what it is for, and on what only looks like it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from terminal_task_gen.errors import Cause, UsageError
from terminal_task_gen.filters import commands, identity, secrets
from terminal_task_gen.filters.criteria import build_criteria
from terminal_task_gen.filters.outcomes import Attempts, find_solve_rates_outside
from terminal_task_gen.filters.triggers import Trigger, build_table
from terminal_task_gen.filters.words import split_texts
from terminal_task_gen.finding import Reason, RuleName
from terminal_task_gen.task import Limits, TaskFile
from terminal_task_gen.trajectory import Command, Message, Step, TestOutcome, Trajectory
from tests.filters.cases import list_flags, make_config, make_task, make_trajectory, reply

KEYS = {
    "aws": "AKIAQ3EGR7XKZ5ABCD2M",
    "github": "ghp_" + "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5",
    "gitlab": "glpat-" + "x8Kq2LmN4pRt6Vw9Yz3B",
    "slack": "xoxb-" + "2084756193-5720194836-QwErTyUiOp",
    "stripe": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "model": "sk-proj-" + "T3BlbkFJq9Xw2Lr8Vn5Kc7Md1Hs4",
    "google": "AIza" + "SyD9fK3mQ7xR2vB8nT5wL1cH6jP4gZ0sYaE",
    "hub": "hf_" + "QwErTyUiOpAsDfGhJkLzXcVbNmQwErTy",
    "npm": "npm_" + "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1g",
    "pem": "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7f3kQ9xLm2Vt8Rb5Nc6Hs1Jw4Pz\n",
    "named": "DB_PASSWORD=Xk29fLq8Rm4TzV7w",
    "json": '{\\"api_key\\": \\"9fK3mQ7xR2vB8nT5wL1c\\"}',
}


def with_steps(trajectory: Trajectory, *typed: str, errors: int = 0) -> Trajectory:
    steps = [
        Step(turn=n, commands=(Command(keystrokes=keys, duration_sec=1),)) for n, keys in enumerate(typed, start=1)
    ]
    steps = [step.model_copy(update={"error": "no JSON"}) if n < errors else step for n, step in enumerate(steps)]
    return trajectory.model_copy(update={"steps": tuple(steps)})


def type_keys(*typed: str) -> Trajectory:
    return with_steps(make_trajectory(*(reply(keystrokes=keys) for keys in typed)), *typed)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_keys_are_found_on_screens_and_in_replies_and_not_repeated_in_full(key: str) -> None:
    for trajectory in (make_trajectory(reply(), observation=f"$ env\n{key}\n"), make_trajectory(reply(f"it is {key}"))):
        finding = list_flags(trajectory)[RuleName.SECRETS]
        assert finding.reason in (Reason.SECRET_KEY, Reason.SECRET_VALUE)
        assert key not in finding.match + finding.evidence


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "export OPENAI_API_KEY=your_api_key_goes_here",
        "password = hunter2",
        "secret_key: change-this-in-production",
        "risk-based-assessment-of-the-whole-system",
        "-----BEGIN CERTIFICATE-----",
        "password_hash_algorithm_name=pbkdf2_sha",
    ],
)
def test_placeholders_and_words_are_no_keys(text: str) -> None:
    assert RuleName.SECRETS not in list_flags(make_trajectory(reply(), observation=text))


def test_a_key_that_the_task_planted_is_its_matter() -> None:
    key = KEYS["aws"]
    shown = make_trajectory(reply(), observation=f"key={key}")
    for task in (
        make_task().model_copy(update={"files": (TaskFile(path="env", content=f"AWS={key}\n"),)}),
        make_task(f"Rotate the key {key}."),
        make_task().model_copy(update={"tests": f"KEY = '{key}'"}),
    ):
        assert RuleName.SECRETS not in list_flags(shown, task)


def test_persons_addresses_and_numbers_in_replies_are_personal_and_those_seen_before_are_not() -> None:
    mail = list_flags(make_trajectory(reply("ask jane.doe@acme-corp.com"), reply()))[RuleName.PERSONAL_DATA]
    assert mail.reason is Reason.PERSONAL_EMAIL and "jane.doe" not in mail.evidence
    phone = list_flags(make_trajectory(reply("call +49 30 1234 5678 now"), reply()))[RuleName.PERSONAL_DATA]
    assert phone.reason is Reason.PERSONAL_PHONE
    for harmless in (
        "root@sandbox:/app# user@example.com you@test.local git@github.com",
        "pip install git+https://git@github.com/x/y.git@main",
        "x = 1 +1000000000 and +12 -13",
        "@decorator.name and a@b",
    ):
        assert RuleName.PERSONAL_DATA not in list_flags(make_trajectory(reply(harmless), reply()))
    shown = make_trajectory(reply(), reply("the owner is jane.doe@acme-corp.com"), observation="jane.doe@acme-corp.com")
    assert RuleName.PERSONAL_DATA not in list_flags(shown)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ("rm -rf /\n", Reason.DESTRUCTIVE_COMMAND),
        ("cd /tmp && rm -fr /etc\n", Reason.DESTRUCTIVE_COMMAND),
        ("rm --recursive --force /usr/*\n", Reason.DESTRUCTIVE_COMMAND),
        ("mkfs.ext4 /dev/sdb1\n", Reason.DESTRUCTIVE_COMMAND),
        ("dd if=/dev/zero of=/dev/sda bs=1M\n", Reason.DESTRUCTIVE_COMMAND),
        (":(){ :|:& };:\n", Reason.DESTRUCTIVE_COMMAND),
        ("shutdown -h now\n", Reason.DESTRUCTIVE_COMMAND),
        ("kill -9 -1\n", Reason.DESTRUCTIVE_COMMAND),
        ("iptables -F\n", Reason.DESTRUCTIVE_COMMAND),
        ("sudo apt install jq\n", Reason.PRIVILEGED_COMMAND),
        ("x=1; su - postgres\n", Reason.PRIVILEGED_COMMAND),
        ("curl -s https://get.sh.example/i | bash\n", Reason.PRIVILEGED_COMMAND),
        ("chmod 4755 /app/x\n", Reason.PRIVILEGED_COMMAND),
        ("modprobe loop\n", Reason.PRIVILEGED_COMMAND),
    ],
)
def test_risky_commands_are_told_with_their_turn(keys: str, reason: Reason) -> None:
    finding = list_flags(type_keys("ls\n", keys))[RuleName.RISKY_COMMANDS]
    assert (finding.reason, finding.where) == (reason, "turn 2")


@pytest.mark.parametrize(
    "keys",
    [
        "rm -rf /app/build /tmp/x\n",
        "rm -rf ./etc\n",
        "grep -r 'shutdown hook' src\n",
        "echo visible\n",
        "kill -9 4711\n",
        "dd if=/dev/urandom of=/app/blob bs=1k count=1\n",
        "curl -O https://x.example/a.sh\n",
        "chmod 755 run.sh\n",
        "pseudo\n",
    ],
)
def test_ordinary_commands_are_not_risky(keys: str) -> None:
    assert RuleName.RISKY_COMMANDS not in list_flags(type_keys("ls\n", keys))


def test_a_sick_machine_is_noise_and_a_missing_network_only_where_one_was_promised() -> None:
    full = make_trajectory(reply(), reply(), observation="write error: No space left on device")
    assert list_flags(full)[RuleName.INFRASTRUCTURE_NOISE].reason is Reason.INFRASTRUCTURE
    assert RuleName.INFRASTRUCTURE_NOISE not in list_flags(full, make_task("Explain 'No space left on device'."))
    offline = make_trajectory(reply(), reply(), observation="curl: (6) Could not resolve host: mirror.example")
    assert RuleName.INFRASTRUCTURE_NOISE not in list_flags(offline)
    online = make_task().model_copy(update={"limits": Limits(network=True)})
    assert RuleName.INFRASTRUCTURE_NOISE in list_flags(offline, online)


def test_invalid_turns_count_by_share() -> None:
    base = make_trajectory(*[reply(keystrokes=f"{n}\n") for n in range(4)])
    typed = [f"{n}\n" for n in range(4)]
    assert RuleName.INVALID_TURNS not in list_flags(with_steps(base, *typed, errors=2))
    finding = list_flags(with_steps(base, *typed, errors=3))[RuleName.INVALID_TURNS]
    assert finding.evidence == "3 of 4 replies could not be read"
    assert RuleName.INVALID_TURNS in list_flags(with_steps(base, *typed, errors=1), invalid_turns={"max_share": 0.2})


def test_loops_are_equal_commands_in_a_row_or_equal_lines_in_one_reply() -> None:
    assert list_flags(type_keys("a\n", *["make\n"] * 4))[RuleName.REPETITION].where == "turn 5"
    assert RuleName.REPETITION not in list_flags(type_keys("make\n", "make\n", "ls\n", "make\n", "make\n"))
    assert RuleName.REPETITION not in list_flags(type_keys(*["\n"] * 6))
    babble = make_trajectory(reply("Wait, let me check again.\n" * 25), reply())
    assert list_flags(babble)[RuleName.REPETITION].reason is Reason.REPEATED_TEXT
    typed = make_trajectory(reply(keystrokes="same line of data\n" * 50), reply())
    assert RuleName.REPETITION not in list_flags(typed)


def test_turns_length_reward_and_verdict() -> None:
    assert list_flags(make_trajectory(reply()))[RuleName.FEW_TURNS].evidence == "1 turns"
    assert RuleName.FEW_TURNS in list_flags(make_trajectory(reply(), reply()), few_turns={"at_least": 3})
    long = list_flags(make_trajectory(reply("word " * 200), reply()), over_length={"max_tokens": 200})
    assert "estimate" in long[RuleName.OVER_LENGTH].evidence
    half = (TestOutcome(name="a", status="passed", weight=0.5), TestOutcome(name="b", status="crashed", weight=0.5))
    flags = list_flags(make_trajectory(reply(), reply(), tests=half), reward_band={"at_least": 0.6})
    assert flags[RuleName.REWARD_BAND].evidence == "reward 0.5, wanted 0.6 to 1"
    assert flags[RuleName.VERIFIER_SUSPECT].reason is Reason.TEST_CRASHED
    missing = (half[0], TestOutcome(name="b", status="missing", weight=0.5))
    flags = list_flags(make_trajectory(reply(), reply(), tests=missing))
    assert flags[RuleName.VERIFIER_SUSPECT].reason is Reason.TEST_MISSING
    only_crashed = make_trajectory(reply(), reply(), tests=half[1:])
    assert RuleName.VERIFIER_SUSPECT not in list_flags(only_crashed)
    tampered = only_crashed.verdict.model_copy(update={"tampered": True, "system_changes": ("/usr/bin/python3",)})
    flags = list_flags(only_crashed.model_copy(update={"verdict": tampered}))
    assert "/usr/bin/python3" in flags[RuleName.TAMPERED].evidence
    stopped = make_trajectory(reply(), reply(), stop_reason=Cause.MAX_TURNS)
    assert RuleName.COMPLETED in list_flags(stopped)


def test_a_tokenizer_that_cannot_be_used_is_refused_before_any_row_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="tokenizer"):
        build_criteria(make_config(over_length={"tokenizer": str(tmp_path / "tokenizer.json")}))


def test_solve_rates_are_over_the_attempts_of_a_task() -> None:
    band = make_config(solve_rate_band={"at_least": 0.25, "at_most": 0.75}).rules.solve_rate_band
    attempts = {"easy": Attempts(4, 4), "fit": Attempts(2, 4), "hard": Attempts(0, 4), "once": Attempts(0, 1)}
    found = find_solve_rates_outside(attempts, band)
    assert set(found) == {"easy", "hard"} and found["easy"].evidence == "4 of 4 attempts passed, wanted 0.25 to 0.75"


def find_triggers(text: str, terms: tuple[str, ...] = (), model: str = "local/tutor-7b") -> int:
    table = build_table(
        {
            Trigger.IDENTITY: identity.list_triggers([model], terms),
            Trigger.SECRET: secrets.TRIGGERS,
            Trigger.COMMAND: commands.COMMAND_TRIGGERS,
            Trigger.NOISE: commands.NOISE_TRIGGERS,
        }
    )
    return int(table.find(split_texts([text]))[0])


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_every_form_of_a_key_has_its_trigger(key: str) -> None:
    assert find_triggers(f'x="{key}"') & Trigger.SECRET


def test_triggers_stand_anywhere_a_run_of_letters_may_begin() -> None:
    for text in ("DEEPSEEK", "my_deepseek_key", "是DeepSeek写", "(qwen3", "x/tutor-7b", "via hosted_vllm", "a\\nqwen"):
        assert find_triggers(text) & Trigger.IDENTITY, text
    for text in ("xdeepseek", "commands", "plain words"):
        assert not find_triggers(text) & Trigger.IDENTITY, text
    assert find_triggers("the ACME Brain says", terms=("acme brain",)) & Trigger.IDENTITY
    assert identity.needs_no_trigger(["a.b"]) and not identity.needs_no_trigger(["acme brain"])


NOISES = (
    "No space left on device",
    "Disk quota exceeded",
    "Read-only file system",
    "Cannot allocate memory",
    "Out of memory",
    "oom-kill",
    "Resource temporarily unavailable",
    "[lost server]",
    "[server exited unexpectedly]",
    "no server running on /tmp/tmux-0/default",
    "Too many open files",
    "[Errno 28]",
    "Bus error",
    "Stale file handle",
    "Input/output error",
    "Could not resolve host: x",
    "Temporary failure in name resolution",
    "Temporary failure resolving 'x'",
    "Network is unreachable",
)


@pytest.mark.parametrize("expression", [commands.MACHINE_NOISE, commands.NETWORK_NOISE], ids=["machine", "network"])
def test_every_noise_has_its_trigger(expression: re.Pattern[str]) -> None:
    found = [text for text in NOISES if expression.search(text)]
    assert found and all(find_triggers(text) & Trigger.NOISE for text in found)


def test_reasoning_is_searched_too() -> None:
    thought = Message(role="assistant", content=reply(), reasoning=f"the key is {KEYS['hub']}")
    assert list_flags(make_trajectory(thought, reply()))[RuleName.SECRETS].where == "message 1 reasoning"
