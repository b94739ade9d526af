"""What both drivers promise about the end: death is an error and never output, and nothing is left behind."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable

import pytest

from terminal_task_gen.errors import SandboxError
from terminal_task_gen.sandbox import ByteStream, Sandbox, SandboxFactory, SandboxFile, SandboxSpec

Kill = Callable[[Sandbox], None]
ListProcesses = Callable[[str], list[str]]
WaitUntil = Callable[[Callable[[], bool]], Awaitable[bool]]

CHILD = """
import asyncio, sys
from terminal_task_gen.sandbox import SandboxSpec
from terminal_task_gen.sandbox.{driver} import {factory}

async def main():
    factory = {factory}()
    for marker in sys.argv[2:]:
        sandbox = await factory.start(SandboxSpec(image="base", run_id=sys.argv[1], item_id="item"))
        await sandbox.open_stream(["bash", "-c", f"setsid sleep {{marker}} & echo; cat"])
        stream = await sandbox.open_stream(["bash", "-c", f"exec -a sleep-{{marker}} sleep 900 & echo on; wait"])
        await stream.read()
    print("ready", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""
FACTORY_CLASSES = {"docker": "DockerFactory", "bubblewrap": "BubblewrapFactory"}


async def read_exactly(stream: ByteStream, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = await stream.read(count - len(data))
        assert chunk, "the stream ended early"
        data += chunk
    return data


async def wait_for_file(sandbox: Sandbox, path: str) -> None:
    script = 'until [ -e "$1" ]; do sleep 0.02; done'
    assert (await sandbox.exec(["bash", "-c", script, "bash", path], timeout_sec=20)).exit_code == 0


async def test_stream_carries_every_byte_both_ways(sandbox: Sandbox) -> None:
    stream = await sandbox.open_stream(["cat"])
    everything = bytes(range(256))
    await stream.write(everything)
    assert await read_exactly(stream, 256) == everything
    big = everything * 8000
    writing = asyncio.create_task(stream.write(big))
    assert await read_exactly(stream, len(big)) == big
    await writing
    await stream.close()
    await stream.close()
    assert await stream.read() == b""
    with pytest.raises(SandboxError):
        await stream.write(b"x")


async def test_stream_has_the_place_and_environment_of_a_command(sandbox: Sandbox) -> None:
    stream = await sandbox.open_stream(["bash", "-c", "echo $PWD $HOME $EXTRA; echo lost >&2"], env={"EXTRA": "more"})
    assert await read_exactly(stream, 16) == b"/app /root more\n"
    assert await stream.read() == b""
    with pytest.raises(SandboxError):
        for _ in range(100):
            await stream.write(b"nobody reads this" * 1000)


async def test_a_read_may_be_given_up_without_losing_anything(sandbox: Sandbox) -> None:
    stream = await sandbox.open_stream(["cat"])
    for number in range(20):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.read(), 0.005)
        await stream.write(b"%02d" % number)
        assert await asyncio.wait_for(read_exactly(stream, 2), 10) == b"%02d" % number


async def test_closing_a_stream_ends_a_process_that_reads(
    sandbox: Sandbox, wait_until: WaitUntil, list_host_processes: ListProcesses, run_id: str
) -> None:
    stream = await sandbox.open_stream(["bash", "-c", f"echo on; while read -r _; do :; done; : {run_id}"])
    await stream.read()
    assert list_host_processes(run_id)
    await stream.close()
    assert await wait_until(lambda: not list_host_processes(run_id))


async def test_streams_end_when_the_sandbox_dies(sandbox: Sandbox, kill_from_outside: Kill) -> None:
    stream = await sandbox.open_stream(["cat"])
    await stream.write(b"x")
    assert await stream.read() == b"x"
    reading = asyncio.create_task(stream.read())
    await asyncio.to_thread(kill_from_outside, sandbox)
    assert await asyncio.wait_for(reading, 10) == b""
    with pytest.raises(SandboxError):
        for _ in range(100):
            await stream.write(b"x" * 10_000)
            await asyncio.sleep(0.01)


async def test_death_in_the_middle_of_a_command_is_an_error(sandbox: Sandbox, kill_from_outside: Kill) -> None:
    script = "echo some output; touch /app/begun; sleep 600"
    running = asyncio.create_task(sandbox.exec(["bash", "-c", script], timeout_sec=60))
    await wait_for_file(sandbox, "/app/begun")
    await asyncio.to_thread(kill_from_outside, sandbox)
    with pytest.raises(SandboxError) as caught:
        await asyncio.wait_for(running, 20)
    assert caught.value.reason == "sandbox_died"


async def test_everything_is_an_error_after_death(sandbox: Sandbox, kill_from_outside: Kill) -> None:
    await asyncio.to_thread(kill_from_outside, sandbox)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: sandbox.exec(["true"], timeout_sec=10),
        lambda: sandbox.download("/etc/passwd"),
        lambda: sandbox.upload([SandboxFile(path="/app/x", content=b"")]),
    ]
    for call in calls:
        with pytest.raises(SandboxError):
            await call()
    with pytest.raises(SandboxError):
        stream = await sandbox.open_stream(["cat"])
        for _ in range(100):
            await stream.write(b"x" * 10_000)
            await asyncio.sleep(0.01)
    await sandbox.close()


async def test_close_may_be_repeated_and_overlap(factory: SandboxFactory, sandbox: Sandbox) -> None:
    await asyncio.gather(sandbox.close(), sandbox.close())
    await sandbox.close()
    with pytest.raises(SandboxError):
        await sandbox.exec(["true"], timeout_sec=10)
    await factory.close()
    await factory.close()


async def test_close_in_the_middle_of_a_command(sandbox: Sandbox) -> None:
    running = asyncio.create_task(sandbox.exec(["bash", "-c", "touch /app/begun; sleep 600"], timeout_sec=60))
    await wait_for_file(sandbox, "/app/begun")
    await sandbox.close()
    with pytest.raises(SandboxError):
        await asyncio.wait_for(running, 20)


async def test_nothing_is_left_after_close(
    sandbox: Sandbox, list_host_processes: ListProcesses, wait_until: WaitUntil, run_id: str
) -> None:
    script = f"exec -a {run_id} sleep 900 & setsid bash -c 'exec -a {run_id} sleep 900' &"
    await sandbox.exec(["bash", "-c", f"{{ {script} }} >/dev/null 2>&1; trap '' TERM HUP"], timeout_sec=30)
    assert await wait_until(lambda: len(list_host_processes(run_id)) == 2)
    await sandbox.close()
    assert list_host_processes(run_id) == []


async def test_factory_closes_what_is_open(
    factory: SandboxFactory,
    build_spec: Callable[..., SandboxSpec],
    list_host_processes: ListProcesses,
    wait_until: WaitUntil,
    run_id: str,
) -> None:
    sandboxes = await asyncio.gather(*(factory.start(build_spec()) for _ in range(3)))
    for sandbox in sandboxes:
        await sandbox.exec(["bash", "-c", f"exec -a {run_id} sleep 900 >/dev/null 2>&1 &"], timeout_sec=30)
    assert await wait_until(lambda: len(list_host_processes(run_id)) == 3)
    await factory.close()
    assert list_host_processes(run_id) == []


async def test_nothing_outlives_a_killed_owner(
    factory: SandboxFactory,
    driver: str,
    list_host_processes: ListProcesses,
    wait_until: WaitUntil,
    run_id: str,
) -> None:
    script = CHILD.format(driver=driver, factory=FACTORY_CLASSES[driver])
    markers = [str(900 + int(run_id[-6:], 16) * 2 + number) for number in range(2)]
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, run_id, *markers, stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    assert await owner.stdout.readline() == b"ready\n"
    sleeping = [f"sleep\0{marker}" for marker in markers] + [f"sleep-{marker}\0900" for marker in markers]
    assert await wait_until(lambda: all(list_host_processes(line) for line in sleeping))
    assert await factory.sweep(run_id) == 0, "a sweep must leave the living alone"
    owner.send_signal(signal.SIGKILL)
    await owner.wait()
    assert await wait_until(lambda: not any(list_host_processes(line) for line in sleeping))
    await factory.sweep(run_id)
    assert await factory.sweep(run_id) == 0
