"""The terminal in real sandboxes of both drivers: what is typed arrives, what is printed is seen, steps end in time."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from terminal_task_gen.errors import SandboxError
from terminal_task_gen.sandbox import Sandbox
from terminal_task_gen.sandbox.terminal import Observation, Terminal, TerminalOptions

PROMPT = "root@sandbox:/app#"
LONG_SEC = 30.0
"""A duration that no step may need in full; steps that end with the prompt are far faster."""
FAST_SEC = 10.0
"""What a busy machine may take for a step that should need next to nothing."""

OpenTerminal = Callable[..., Awaitable[Terminal]]


@pytest.fixture
async def open_terminal(sandbox: Sandbox) -> AsyncIterator[OpenTerminal]:
    opened: list[Terminal] = []

    async def open_one(options: TerminalOptions | None = None, *, recording: Path | None = None) -> Terminal:
        opened.append(await Terminal.open(sandbox, options, recording=recording))
        return opened[-1]

    yield open_one
    for terminal in opened:
        await terminal.close()


@pytest.fixture
async def terminal(open_terminal: OpenTerminal) -> Terminal:
    made = await open_terminal()
    await made.read_new_output()
    return made


async def run(terminal: Terminal, keystrokes: str, duration_sec: float = LONG_SEC) -> Observation:
    await terminal.send(keystrokes, duration_sec)
    return await terminal.read_new_output()


def get_rows(seen: Observation) -> list[str]:
    return seen.text.strip().splitlines()


async def test_the_first_look_is_the_screen_with_the_prompt(open_terminal: OpenTerminal) -> None:
    terminal = await open_terminal()
    seen = await terminal.read_new_output()
    assert (seen.kind, seen.text) == ("screen", PROMPT + "\n" * 40)
    assert await terminal.capture_screen() == seen.text


async def test_the_session_is_what_is_promised(terminal: Terminal) -> None:
    seen = await run(terminal, "stty size; echo $TERM; pwd; id -un; env | grep -c -e PROMPT -e 133 -e PS1\n")
    assert get_rows(seen)[1:] == ["40 160", "tmux-256color", "/app", "root", "0", PROMPT]


async def test_new_output_begins_at_the_old_prompt(terminal: Terminal) -> None:
    first = await run(terminal, "echo one\n")
    assert first.text.rstrip("\n") == f"{PROMPT} echo one\none\n{PROMPT}"
    second = await run(terminal, "echo two\n")
    assert second.kind == "new"
    assert second.text.rstrip("\n") == f"\n{PROMPT} echo two\ntwo\n{PROMPT}"


async def test_commands_end_long_before_their_durations(terminal: Terminal) -> None:
    began = time.monotonic()
    for number in range(10):
        assert get_rows(await run(terminal, f"echo n$(({number}+1))\n"))[-2:] == [f"n{number + 1}", PROMPT]
    assert time.monotonic() - began < FAST_SEC


async def test_duration_mode_waits_the_duration_whatever_comes(open_terminal: OpenTerminal) -> None:
    terminal = await open_terminal(TerminalOptions(wait="duration"))
    began = time.monotonic()
    assert "here" in (await run(terminal, "echo here\n", 0.8)).text
    assert 0.8 <= time.monotonic() - began < FAST_SEC


async def test_a_slow_command_is_cut_by_its_duration_and_seen_later(terminal: Terminal) -> None:
    began = time.monotonic()
    seen = await run(terminal, "sleep 1.5; echo late\n", 0.5)
    assert 0.5 <= time.monotonic() - began < 1.5
    assert get_rows(seen) == [f"{PROMPT} sleep 1.5; echo late"]
    seen = await run(terminal, "")
    assert get_rows(seen)[-2:] == ["late", PROMPT]
    assert time.monotonic() - began < FAST_SEC


async def test_patience_outlasts_a_short_duration_but_not_the_prompt(open_terminal: OpenTerminal) -> None:
    terminal = await open_terminal(TerminalOptions(patience_sec=20.0))
    began = time.monotonic()
    seen = await run(terminal, "sleep 1.5; echo late\n", 0.1)
    assert get_rows(seen)[-2:] == ["late", PROMPT]
    assert 1.5 <= time.monotonic() - began < FAST_SEC
    began = time.monotonic()
    await run(terminal, "{ sleep 30; echo up; } &\n", 0.5)
    assert time.monotonic() - began < FAST_SEC


async def test_a_poll_at_the_prompt_waits(terminal: Terminal) -> None:
    await run(terminal, "(sleep 0.6; echo from behind) & disown\n", 0.1)
    began = time.monotonic()
    seen = await run(terminal, "", 1.2)
    assert time.monotonic() - began >= 1.2
    assert "from behind" in seen.text


async def test_a_background_job_gets_the_time_it_was_given(terminal: Terminal) -> None:
    began = time.monotonic()
    seen = await run(terminal, "{ sleep 0.5; echo up; } &\n", 1.0)
    assert time.monotonic() - began >= 1.0
    assert "up" in get_rows(seen)[-1] + get_rows(seen)[-2]


async def test_an_interrupt_ends_a_program(terminal: Terminal) -> None:
    await run(terminal, "sleep 600\n", 0.3)
    began = time.monotonic()
    seen = await run(terminal, "C-c")
    assert get_rows(seen)[-2:] == ["^C", PROMPT]
    assert time.monotonic() - began < FAST_SEC


async def test_a_trailing_semicolon_is_typed(terminal: Terminal) -> None:
    await terminal.send("for i in 1 2 3; do echo $i;", 1.0)
    assert get_rows(await run(terminal, " done\n"))[-4:] == ["1", "2", "3", PROMPT]


async def test_text_arrives_as_it_was_written(terminal: Terminal, sandbox: Sandbox) -> None:
    text = "é 中 😀 'single' \"double\" `tick` \\ \\n #{x} ~ %if -l C-c; $HOME !;"
    await run(terminal, f"cat > said <<'END'\n{text}\nEND\n")
    assert await sandbox.download("/app/said") == f"{text}\n".encode()
    assert text in (await run(terminal, "clear; cat said\n")).text


async def test_control_characters_arrive_in_a_raw_terminal(terminal: Terminal, sandbox: Sandbox) -> None:
    await run(terminal, "stty raw -echo; head -c 9 > raw; stty sane\n", 0.5)
    await terminal.send("\x00\x1b[A\x7f\né", 0.3)
    await terminal.send("\n", 5.0)
    assert await sandbox.download("/app/raw") == b"\x00\x1b[A\x7f\n\xc3\xa9\r"


async def test_a_line_typed_ahead_reaches_the_program_that_reads_it(terminal: Terminal) -> None:
    await run(terminal, "read x\nfoo bar\n")
    assert get_rows(await run(terminal, 'echo "<$x>"\n'))[-2:] == ["<foo bar>", PROMPT]


@pytest.mark.parametrize("size", [34_000, 100_000])
async def test_a_long_here_document_is_intact(terminal: Terminal, size: int) -> None:
    body = "".join(f"line {i} 'q' \"d\" $HOME ; \\ é\n" for i in range(size))[:size].rpartition("\n")[0] + "\n"
    body += "x" * 3000 + "\n"
    seen = await run(terminal, f"cat > long <<'END'\n{body}END\n", 60.0)
    assert get_rows(seen)[-1] == PROMPT
    assert hashlib.sha256(body.encode()).hexdigest() in (await run(terminal, "sha256sum long\n")).text


async def test_twenty_thousand_lines_come_whole(terminal: Terminal) -> None:
    seen = await run(terminal, "seq 1 20000\n")
    assert seen.kind == "new"
    assert get_rows(seen) == [f"{PROMPT} seq 1 20000", *map(str, range(1, 20_001)), PROMPT]


async def test_one_line_of_300_kilobytes_comes_whole(terminal: Terminal) -> None:
    seen = await run(terminal, "head -c 300000 /dev/zero | tr '\\0' Z; echo\n")
    assert seen.kind == "new"
    assert seen.text.count("Z") == 300_001


async def test_more_than_the_history_holds_shows_the_screen(open_terminal: OpenTerminal) -> None:
    terminal = await open_terminal(TerminalOptions(history_lines=1000))
    await terminal.read_new_output()
    assert get_rows(await run(terminal, "seq 1 940\n"))[1] == "1"
    seen = await run(terminal, "seq -f new-%g 1 500\n")
    assert (seen.kind, get_rows(seen)[1], len(get_rows(seen))) == ("new", "new-1", 502)
    seen = await run(terminal, "seq 1 5000\n")
    assert (seen.kind, get_rows(seen)[-2:]) == ("screen", ["5000", PROMPT])


async def test_a_flood_is_bounded_and_can_be_stopped(open_terminal: OpenTerminal, tmp_path: Path) -> None:
    terminal = await open_terminal(recording=tmp_path / "flood.cast")
    await terminal.read_new_output()
    seen = await run(terminal, "yes 0123456789012345678901234567890123456789 | head -c 30000000\n", 60.0)
    assert get_rows(seen)[-1].endswith(PROMPT)
    await run(terminal, "yes\n", 2.0)
    began = time.monotonic()
    assert get_rows(await run(terminal, "C-c"))[-1].endswith(PROMPT)
    assert get_rows(await run(terminal, "echo still here\n"))[-2:] == ["still here", PROMPT]
    assert time.monotonic() - began < 2 * FAST_SEC
    await terminal.close()
    # How much passes before tmux holds its output back goes with what else the machine does; this is the limit.
    assert (tmp_path / "flood.cast").stat().st_size < TerminalOptions().max_recording_bytes
    assert "output skipped" in (tmp_path / "flood.cast").read_text()


async def test_a_cleared_screen_is_shown_and_nothing_after_it_lost(terminal: Terminal) -> None:
    seen = await run(terminal, "echo before; clear; echo after\n")
    assert (seen.kind, get_rows(seen)) == ("screen", ["after", PROMPT])
    seen = await run(terminal, "seq 1 90; clear; seq 1 100\n")
    assert get_rows(seen) == [*map(str, range(1, 101)), PROMPT]
    seen = await run(terminal, "echo on\n")
    assert (seen.kind, get_rows(seen)[-2:]) == ("new", ["on", PROMPT])


async def test_a_full_screen_program_is_shown_as_a_screen(terminal: Terminal) -> None:
    await run(terminal, "seq 1 100\n")
    seen = await run(terminal, "seq 1 500 | less\n", 0.7)
    assert (seen.kind, get_rows(seen)[0], get_rows(seen)[38]) == ("screen", "1", "39")
    seen = await run(terminal, "G", 0.7)
    assert (seen.kind, get_rows(seen)[38]) == ("screen", "500")
    seen = await run(terminal, "q")
    assert (seen.kind, get_rows(seen)[-1]) == ("new", PROMPT)
    assert "500" not in seen.text.replace("1 500", "")


async def test_the_alternate_screen_of_any_program(terminal: Terminal) -> None:
    seen = await run(terminal, "tput smcup; tput clear; echo inside; sleep 600\n", 0.7)
    assert (seen.kind, get_rows(seen)) == ("screen", ["inside"])
    assert get_rows(await run(terminal, "C-c"))[-1].endswith(PROMPT)


async def test_an_interpreter_and_back(terminal: Terminal) -> None:
    assert get_rows(await run(terminal, "python3 -q\n", 2.0))[-1] == ">>>"
    assert "42" in get_rows(await run(terminal, "6 * 7\n", 1.0))
    assert "9" in get_rows(await run(terminal, "def f():\n    return 9\n\nf()\n", 1.0))
    assert get_rows(await run(terminal, "C-d"))[-1] == PROMPT


async def test_a_password_is_asked_for_and_not_shown(terminal: Terminal) -> None:
    seen = await run(terminal, "read -rsp 'Password: ' word; echo; echo \"${#word} letters\"\n", 0.7)
    assert get_rows(seen)[-1] == "Password:"
    seen = await run(terminal, "hunter22\n")
    assert get_rows(seen)[-2:] == ["8 letters", PROMPT]
    assert "hunter22" not in await terminal.capture_screen()


async def test_a_nested_shell_waits_its_duration_and_exits_at_once(terminal: Terminal) -> None:
    await run(terminal, "bash --norc\n", 1.0)
    assert "5" in get_rows(await run(terminal, "echo $((2+3))\n", 1.0))
    began = time.monotonic()
    assert get_rows(await run(terminal, "exit\n"))[-1] == PROMPT
    assert time.monotonic() - began < FAST_SEC


async def test_a_prompt_with_something_before_it_is_still_a_prompt(terminal: Terminal) -> None:
    began = time.monotonic()
    assert get_rows(await run(terminal, 'PS1="(venv) $PS1"\n'))[-1] == f"(venv) {PROMPT}"
    assert get_rows(await run(terminal, "echo here\n"))[-2:] == ["here", f"(venv) {PROMPT}"]
    assert time.monotonic() - began < FAST_SEC


async def test_a_step_ends_at_a_continuation_prompt(terminal: Terminal) -> None:
    began = time.monotonic()
    assert get_rows(await run(terminal, "cat <<END\n"))[-1] == ">"
    assert get_rows(await run(terminal, "text\nEND\n"))[-2:] == ["text", PROMPT]
    assert time.monotonic() - began < FAST_SEC


async def test_emptying_tmp_does_no_harm(terminal: Terminal) -> None:
    await run(terminal, "rm -rf /tmp/* /tmp/.[a-z]* /var/tmp/*\n")
    assert get_rows(await run(terminal, "echo alive\n"))[-2:] == ["alive", PROMPT]


async def test_work_goes_on_after_the_terminal_is_closed(terminal: Terminal, sandbox: Sandbox) -> None:
    await run(terminal, "sleep 612 &\n", 0.3)
    await terminal.close()
    await terminal.close()
    # pgrep is not everywhere.
    find = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null | grep -c '^sleep 612'"
    result = await sandbox.exec(["bash", "-c", find], timeout_sec=10.0)
    assert result.stdout == b"1\n"


@pytest.mark.parametrize(
    "last", ["exit\n", "C-d", "tmux kill-server\n", "kill -9 $PPID\n", "tmux new-window -d; exit\n"]
)
async def test_the_end_of_the_session_is_not_the_death_of_the_sandbox(terminal: Terminal, last: str) -> None:
    began = time.monotonic()
    await terminal.send(last, 2.0)
    seen = await terminal.read_new_output()
    assert (terminal.alive, seen.text) == (False, "")
    await terminal.send("echo x\n", LONG_SEC)
    assert await terminal.capture_screen() == ""
    assert time.monotonic() - began < FAST_SEC


async def test_the_death_of_the_sandbox_is_an_error(
    terminal: Terminal, sandbox: Sandbox, kill_from_outside: Callable[[Sandbox], None]
) -> None:
    waiting = asyncio.create_task(terminal.send("sleep 600\n", LONG_SEC))
    await asyncio.sleep(0.3)
    kill_from_outside(sandbox)
    with pytest.raises(SandboxError):
        await asyncio.wait_for(waiting, FAST_SEC * 2)
    with pytest.raises(SandboxError):
        await terminal.read_new_output()


async def test_a_death_between_two_calls_is_not_an_ended_session(
    terminal: Terminal, sandbox: Sandbox, kill_from_outside: Callable[[Sandbox], None]
) -> None:
    kill_from_outside(sandbox)
    await asyncio.sleep(0.3)
    assert terminal.alive
    with pytest.raises(SandboxError):
        await terminal.send("echo x\n", 1.0)
    assert terminal.alive


async def test_a_sandbox_without_tmux_says_so(open_terminal: OpenTerminal, terminal: Terminal) -> None:
    # A second session in one sandbox is refused by tmux, which is the nearest failure at hand.
    with pytest.raises(SandboxError, match="duplicate session"):
        await open_terminal()
