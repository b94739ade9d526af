"""What both drivers promise: commands, files, and being the machine that the port describes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from terminal_task_gen.sandbox import Sandbox, SandboxFactory, SandboxFile, SandboxSpec

ALL_BYTES = bytes(range(256))


async def run(sandbox: Sandbox, script: str) -> str:
    """stdout of a bash script that must succeed."""
    result = await sandbox.exec(["bash", "-c", script], timeout_sec=60)
    assert result.exit_code == 0, result.text
    return result.stdout.decode()


async def test_both_streams_come_apart(sandbox: Sandbox) -> None:
    result = await sandbox.exec(["bash", "-c", "echo out; echo err >&2; exit 3"], timeout_sec=30)
    assert (result.exit_code, result.stdout, result.stderr) == (3, b"out\n", b"err\n")
    assert not result.timed_out
    assert not result.truncated
    assert result.text == "out\nerr\n"


async def test_binary_stdin_comes_back_whole(sandbox: Sandbox) -> None:
    data = ALL_BYTES * 4000
    result = await sandbox.exec(["cat"], stdin=data, timeout_sec=60, max_output_bytes=len(data))
    assert result.stdout == data
    assert not result.truncated


async def test_a_command_need_not_read_its_stdin(sandbox: Sandbox) -> None:
    result = await sandbox.exec(["true"], stdin=b"x" * 3_000_000, timeout_sec=30)
    assert (result.exit_code, result.stdout) == (0, b"")


async def test_stdin_is_empty_when_not_given(sandbox: Sandbox) -> None:
    result = await sandbox.exec(["wc", "-c"], timeout_sec=30)
    assert result.stdout.strip() == b"0"


@pytest.mark.parametrize("redirect", ["", ">&2"])
async def test_output_over_the_limit_is_cut_and_the_command_ends_well(sandbox: Sandbox, redirect: str) -> None:
    script = f"head -c 20000000 /dev/zero {redirect}; exit 5"
    result = await sandbox.exec(["bash", "-c", script], timeout_sec=60, max_output_bytes=1000)
    assert result.exit_code == 5
    assert (result.stderr if redirect else result.stdout) == bytes(1000)
    assert result.truncated


async def test_output_of_exactly_the_limit_is_not_cut(sandbox: Sandbox) -> None:
    result = await sandbox.exec(["head", "-c", "1000", "/dev/zero"], timeout_sec=30, max_output_bytes=1000)
    assert len(result.stdout) == 1000
    assert not result.truncated


async def test_exit_codes(sandbox: Sandbox) -> None:
    await sandbox.upload([SandboxFile(path="/app/plain", content=b"#!/bin/sh\n")])
    missing = await sandbox.exec(["no-such-command"], timeout_sec=30)
    assert missing.exit_code == 127
    assert b"no-such-command" in missing.stderr
    assert (await sandbox.exec(["/app/plain"], timeout_sec=30)).exit_code == 126
    await sandbox.upload([SandboxFile(path="/app/bare", content=b"exit 9\n", mode=0o755)])
    assert (await sandbox.exec(["/app/bare"], timeout_sec=30)).exit_code == 9
    assert (await sandbox.exec(["bash", "-c", "kill -TERM $$"], timeout_sec=30)).exit_code == 143
    suicide = await sandbox.exec(["bash", "-c", "echo last; kill -KILL $$"], timeout_sec=30)
    assert (suicide.exit_code, suicide.stdout, suicide.timed_out) == (137, b"last\n", False)


async def test_working_directory(sandbox: Sandbox) -> None:
    assert (await sandbox.exec(["pwd"], timeout_sec=30)).stdout == b"/app\n"
    assert (await sandbox.exec(["pwd"], timeout_sec=30, workdir="/tmp")).stdout == b"/tmp\n"
    assert (await sandbox.exec(["pwd"], timeout_sec=30, workdir="/no/such")).exit_code == 126


async def test_arguments_arrive_as_they_are(sandbox: Sandbox) -> None:
    argv = ["a b", "", "$HOME", "'\"", "new\nline", "*", "--", "-x", "é☃"]
    script = "import sys, json; print(json.dumps(sys.argv[1:]))"
    result = await sandbox.exec(["python3", "-c", script, *argv], timeout_sec=30)
    assert json.loads(result.stdout) == argv


async def test_environment_is_clean(factory: SandboxFactory, build_spec: Callable[..., SandboxSpec]) -> None:
    with pytest.MonkeyPatch.context() as environment:
        for name in ("OPENAI_API_KEY", "HTTPS_PROXY", "http_proxy", "TTG_ANYTHING", "LD_LIBRARY_PATH"):
            environment.setenv(name, "of-the-host")
        sandbox = await factory.start(build_spec())
        told = await sandbox.exec(["env", "-0"], timeout_sec=30, env={"EXTRA": "a=b\nc", "LANG": "C"})
    variables = dict(entry.split("=", 1) for entry in told.stdout.decode().split("\0") if entry)
    assert variables.pop("EXTRA") == "a=b\nc"
    assert variables.pop("LANG") == "C"
    expected = {"HOME": "/root", "USER": "root", "TERM": "xterm-256color"}
    assert expected.items() <= variables.items()
    assert variables["PATH"].startswith("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    assert set(variables) - set(expected) <= {"PATH", "PWD", "HOSTNAME", "LC_ALL"}
    assert "of-the-host" not in told.stdout.decode()


async def test_the_machine(sandbox: Sandbox, driver: str) -> None:
    assert sandbox.driver == driver
    assert await run(sandbox, "hostname; id -u; id -un; ls -A /app") == "sandbox\n0\nroot\n"
    await run(sandbox, "for each in bash tmux python3 tar head ps; do command -v $each; done")
    modes = await run(sandbox, "stat -c %a / /app /tmp /var/tmp /dev/shm")
    assert modes.split() == ["755", "755", "1777", "1777", "1777"]
    writable = "for each in /app /tmp /root /dev/shm /data; do mkdir -p $each; touch $each/file; done"
    await run(sandbox, writable)


async def test_no_network_by_default(sandbox: Sandbox) -> None:
    devices = await run(sandbox, "tail -n +3 /proc/net/dev | cut -d: -f1")
    assert devices.split() == ["lo"]
    script = "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname())"
    await run(sandbox, f'python3 -c "{script}"')


async def test_overlapping_commands_run_at_once(sandbox: Sandbox) -> None:
    script = "touch /app/at.$1; until [ $(ls /app | grep -c at) = 6 ]; do sleep 0.02; done; echo $1"
    argvs = [["bash", "-c", script, "bash", str(number)] for number in range(6)]
    results = await asyncio.gather(*(sandbox.exec(argv, timeout_sec=30) for argv in argvs))
    assert [result.stdout for result in results] == [b"%d\n" % number for number in range(6)]


async def test_background_processes_do_not_hold_a_command(sandbox: Sandbox) -> None:
    result = await sandbox.exec(["bash", "-c", "sleep 777 & echo done"], timeout_sec=30)
    assert (result.exit_code, result.stdout, result.timed_out) == (0, b"done\n", False)
    assert "sleep" in await run(sandbox, "cat /proc/[0-9]*/comm")


async def test_time_limit_kills_the_command_and_its_children(sandbox: Sandbox) -> None:
    script = "echo begun; (sleep 777 &) ; timeout 777 sleep 777 | sleep 777"
    result = await sandbox.exec(["bash", "-c", script], timeout_sec=0.5)
    assert (result.exit_code, result.stdout, result.timed_out) == (137, b"begun\n", True)
    assert "sleep" not in await run(sandbox, "cat /proc/[0-9]*/comm")


async def test_time_limit_holds_for_a_command_that_never_stops_talking(sandbox: Sandbox) -> None:
    result = await sandbox.exec(["yes"], timeout_sec=0.5, max_output_bytes=10)
    assert (result.exit_code, result.stdout, result.timed_out) == (137, b"y\n" * 5, True)
    assert result.truncated


async def test_orphans_are_reaped(sandbox: Sandbox) -> None:
    await run(sandbox, "for i in $(seq 20); do (sleep 0.01 &); done")
    script = "until ! grep -q sleep /proc/[0-9]*/comm; do sleep 0.02; done 2>/dev/null"
    assert (await sandbox.exec(["bash", "-c", script], timeout_sec=20)).exit_code in (0, 1)
    states = await run(sandbox, "cat /proc/[0-9]*/status 2>/dev/null | grep ^State || true")
    assert "zombie" not in states


async def test_upload_makes_parents_sets_modes_and_replaces(sandbox: Sandbox) -> None:
    await run(sandbox, "mkdir -m 700 /app/kept; echo old >/app/kept/data; ln -s /app/kept/data /app/link")
    long_name = "/app/" + "n" * 180 + "/" + "m" * 180
    await sandbox.upload(
        [
            SandboxFile(path="/app/new/deep/tool.sh", content=b"#!/bin/sh\necho ran\n", mode=0o755),
            SandboxFile(path="/app/kept/data", content=ALL_BYTES, mode=0o600),
            SandboxFile(path="/app/link", content=b"file now"),
            SandboxFile(path="/tests/ünï code.txt", content=b""),
            SandboxFile(path=long_name, content=b"long"),
        ]
    )
    assert await run(sandbox, "/app/new/deep/tool.sh") == "ran\n"
    facts = "stat -c '%a %u %g' /app/new /app/new/deep /app/new/deep/tool.sh /app/kept /app/kept/data /tests /tmp"
    assert (await run(sandbox, facts)).splitlines() == [
        *("755 0 0", "755 0 0", "755 0 0", "700 0 0", "600 0 0", "755 0 0", "1777 0 0")
    ]
    assert await sandbox.download("/app/kept/data") == ALL_BYTES
    assert await sandbox.download("/app/link") == b"file now"
    assert await sandbox.download("/tests/ünï code.txt") == b""
    assert await sandbox.download(long_name) == b"long"
    await sandbox.upload([])


async def test_upload_of_many_files(sandbox: Sandbox) -> None:
    files = [SandboxFile(path=f"/app/d{i % 50}/f{i}", content=b"%d\n" % i) for i in range(5000)]
    await sandbox.upload(files)
    assert await run(sandbox, "find /app -type f | wc -l; cat /app/d49/f4999") == "5000\n4999\n"


async def test_upload_of_a_big_file(sandbox: Sandbox) -> None:
    content = ALL_BYTES * (50 * 1024 * 4)
    await sandbox.upload([SandboxFile(path="/app/big", content=content)])
    assert await run(sandbox, "stat -c %s /app/big") == f"{len(content)}\n"
    assert await sandbox.download("/app/big", max_bytes=len(content)) == content


async def test_utf8_split_across_reads_comes_whole(sandbox: Sandbox) -> None:
    stream = await sandbox.open_stream(["bash", "-c", r"printf 'a\303'; sleep 0.3; printf '\251\342\230'; read -r _"])
    said = b""
    while len(said) < 5:
        said += await stream.read(1)
    assert said == b"a\xc3\xa9\xe2\x98"
    await stream.write(b"\n")
    assert await stream.read() == b""


async def test_a_sandbox_without_its_programs_is_alive(sandbox: Sandbox) -> None:
    await sandbox.exec(["bash", "-c", "rm -rf /bin/true /usr/bin/true"], timeout_sec=30)
    await sandbox.check_alive()


async def test_download_is_cut(sandbox: Sandbox) -> None:
    await run(sandbox, "head -c 30000000 /dev/zero >/app/zeros")
    for _ in range(5):
        assert await sandbox.download("/app/zeros", max_bytes=100) == bytes(100)


async def test_download_of_what_is_not_a_regular_file(sandbox: Sandbox) -> None:
    await run(sandbox, "mkdir d; echo x >d/file; ln -s d/file link; mkfifo pipe; ln -s loop loop")
    missing = ("/app/none", "/app/none/none", "/app/d/file/x", "/app/loop", "/app/loop/x", "/app/" + "n" * 300)
    for path in ("/app/d", "/app/link", "/app/pipe", "/dev/zero", *missing):
        assert await sandbox.download(path) is None, path
    assert await sandbox.download("/app/d/file") == b"x\n"


async def test_process_limit_contains_a_fork_bomb(
    factory: SandboxFactory, build_spec: Callable[..., SandboxSpec]
) -> None:
    sandbox = await factory.start(build_spec(max_processes=40))
    script = """
import os, time
made = 0
try:
    for made in range(400):
        if os.fork() == 0:
            time.sleep(600)
except OSError as error:
    print(made, error.errno == 11, flush=True)
    time.sleep(600)
"""
    result = await sandbox.exec(["python3", "-c", script], timeout_sec=3)
    made, refused = result.stdout.split()
    assert result.timed_out
    assert refused == b"True"
    assert 20 <= int(made) < 40
    assert await run(sandbox, "echo usable again") == "usable again\n"


async def test_file_size_limit(factory: SandboxFactory, build_spec: Callable[..., SandboxSpec]) -> None:
    sandbox = await factory.start(build_spec(disk_mb=16))
    result = await sandbox.exec(["bash", "-c", "head -c 40000000 /dev/zero >/app/big"], timeout_sec=30)
    assert result.exit_code != 0
    assert int(await run(sandbox, "stat -c %s /app/big")) <= 16 * 1024 * 1024


async def test_check_passes_and_digest_has_its_form(factory: SandboxFactory, driver: str) -> None:
    await factory.check(["base"])
    digest = await factory.get_image_digest("base")
    assert factory.name == driver
    assert digest == "" if driver == "bubblewrap" else digest.startswith("sha256:")
