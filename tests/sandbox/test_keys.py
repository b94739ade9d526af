"""Keystrokes become exactly the bytes they should, and the shell's answer to them is foreseen."""

from __future__ import annotations

from itertools import chain

import pytest

from terminal_task_gen.sandbox.keys import CHUNK_BYTES, Keys, encode_keystrokes


def encode(keystrokes: str, *, at_prompt: bool = True) -> Keys:
    return encode_keystrokes(keystrokes, "%0", at_prompt=at_prompt)


def get_typed(keys: Keys) -> bytes:
    prefix = "send-keys -t %0 -H "
    commands = list(chain.from_iterable(keys.lines))
    assert all(command.startswith(prefix) for command in commands)
    return b"".join(bytes.fromhex(command.removeprefix(prefix)) for command in commands)


@pytest.mark.parametrize(
    "text",
    [
        "ls\n",
        "for i in 1 2 3; do echo $i;",
        "a\nb\n",
        "'\"\\`$HOME` #{x} ~ %if",
        "é中😀\n",
        "\t\x1b[A\x7f",
        " ",
        "C-c\n",
        "Enter ",
    ],
)
def test_text_is_typed_byte_for_byte(text: str) -> None:
    assert get_typed(encode(text)) == text.encode()


def test_long_text_is_cut_into_commands_and_whole() -> None:
    text = "".join(f"line {i} é\n" for i in range(10_000))
    keys = encode(text)
    assert get_typed(keys) == text.encode()
    assert max(map(len, chain.from_iterable(keys.lines))) < 4 * CHUNK_BYTES
    assert keys.expected_prompts == 10_000


@pytest.mark.parametrize(
    ("text", "typed"),
    [("yes\n", b"yes\r"), ("\n", b"\r"), ("a\nb\n", b"a\nb\n"), ("ab", b"ab"), ("", b""), ("a\nb", b"a\nb")],
)
def test_one_line_to_a_program_ends_as_with_the_enter_key(text: str, typed: bytes) -> None:
    assert get_typed(encode(text, at_prompt=False)) == typed


@pytest.mark.parametrize(
    "key",
    [
        "C-c",
        "C-d",
        "Enter",
        "Escape",
        "Up",
        "M-x",
        "C-M-x",
        "S-Left",
        "F12",
        "^C",
        "BSpace",
        "PPage",
        "c-c",
        "C-\\",
        "C-;",
    ],
)
def test_a_key_name_is_that_key(key: str) -> None:
    assert encode(key).lines == ((f"send-keys -t %0 '{key}'",),)


@pytest.mark.parametrize("text", ["C-", "C-cc", "Upwards", "F13", "0x41", "x", ";", "-l", "C-c C-c", "C-\n"])
def test_what_only_looks_like_a_key_name_is_text(text: str) -> None:
    assert get_typed(encode(text)) == text.encode()


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("ls\n", 1),
        ("ls", 0),
        ("", 0),
        ("a\nb\n", 2),
        ("C-c", 1),
        ("C-d", 0),
        ("Enter", 1),
        ("C-m", 1),
        ("Up", 0),
        ("\x03", 1),
    ],
)
def test_prompts_to_expect(text: str, prompts: int) -> None:
    assert encode(text).expected_prompts == prompts


@pytest.mark.parametrize(
    ("text", "background"),
    [
        ("sleep 9 &\n", True),
        ("(server &)\n", True),
        ("a & b\n", True),
        ("nohup x >log 2>&1 &", True),
        ("make 2>&1 | tee log\n", False),
        ("a && b\n", False),
        ("a &> log\n", False),
        ("curl 'http://x/?a=1&b=2'\n", False),
        ("a |& b\n", False),
    ],
)
def test_background_jobs_are_told_from_other_ampersands(text: str, background: bool) -> None:
    assert encode(text).starts_background is background


def test_half_characters_do_not_break_the_encoding() -> None:
    assert get_typed(encode("a\ud800b\n")) == b"a?b\n"
