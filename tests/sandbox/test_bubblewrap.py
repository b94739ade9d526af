"""The bubblewrap driver's own ground: what is hidden, what is read-only, its limits, and ordinary users."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from terminal_task_gen.errors import PrerequisiteError, SandboxError
from terminal_task_gen.sandbox import Sandbox, SandboxFile, SandboxSpec
from terminal_task_gen.sandbox.bubblewrap import BubblewrapFactory
from terminal_task_gen.sandbox.bubblewrap_process import explain_refusal

pytestmark = pytest.mark.bubblewrap

BuildSpec = Callable[..., SandboxSpec]
NOBODY = 65534
ORDINARY_USER = """
import asyncio, os
from terminal_task_gen.sandbox import SandboxSpec
from terminal_task_gen.sandbox.bubblewrap import BubblewrapFactory

async def main():
    factory = BubblewrapFactory()
    await factory.check([])
    sandbox = await factory.start(SandboxSpec(image="", run_id="r", item_id="i", max_processes=30))
    script = "touch /app/x /root/y; id -u; stat -c %u /app/x; tmux -V >/dev/null && echo tmux"
    print(os.getuid(), (await sandbox.exec(["bash", "-c", script], timeout_sec=30)).text.split())
    await factory.close()

asyncio.run(main())
"""


@pytest.fixture
async def factory() -> AsyncIterator[BubblewrapFactory]:
    made = BubblewrapFactory()
    yield made
    await made.close()


async def run(sandbox: Sandbox, script: str) -> str:
    return (await sandbox.exec(["bash", "-c", script], timeout_sec=60)).stdout.decode()


def list_open_files() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def list_network_devices() -> list[str]:
    return [line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]]


async def test_nothing_of_the_user_is_seen(
    factory: BubblewrapFactory, build_spec: BuildSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/of-the-host")
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-host")
    sandbox = await factory.start(build_spec())
    assert await run(sandbox, "find /root /home /tmp /var/tmp /app /opt /mnt /srv /tests /logs -mindepth 1") == ""
    assert await run(sandbox, "ls /etc/shadow /etc/ssh /etc/resolv.conf /etc/ssl/private /sys 2>/dev/null") == ""
    assert (await run(sandbox, "cut -d: -f1 /etc/passwd")).split() == ["root", "nobody"]
    assert "of-the-host" not in await run(sandbox, "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'")
    assert (await run(sandbox, "cat /proc/[0-9]*/comm; :")).split() == ["python3", "bash"]


async def test_the_system_cannot_be_changed(factory: BubblewrapFactory, build_spec: BuildSpec) -> None:
    sandbox = await factory.start(build_spec())
    for path in ("/usr/x", "/bin/x", "/etc/ld.so.preload", "/etc/passwd", "/dev/x", "/usr/local/bin/x", "/proc/sys/x"):
        result = await sandbox.exec(["sh", "-c", 'echo x >>"$1"', "sh", path], timeout_sec=30)
        assert result.exit_code != 0, path
    for command in (
        "mount -o remount,rw /usr",
        "mount -t tmpfs none /usr",
        "umount /etc",
        "chroot / true",
        "nsenter -t 1 -m",
    ):
        assert (await sandbox.exec(["sh", "-c", command], timeout_sec=30)).exit_code != 0, command
    assert await sandbox.list_changes() == ()


async def test_root_inside_works_like_root_on_its_own_files(factory: BubblewrapFactory, build_spec: BuildSpec) -> None:
    sandbox = await factory.start(build_spec())
    await sandbox.upload([SandboxFile(path="/app/locked", content=b"read\n", mode=0)])
    assert (
        await run(sandbox, "cat locked; chown 0:0 locked && chmod 6755 locked && stat -c %a locked") == "read\n6755\n"
    )


async def test_all_that_is_written_shares_one_limit(factory: BubblewrapFactory, build_spec: BuildSpec) -> None:
    sandbox = await factory.start(build_spec(disk_mb=16))
    script = "for d in app tmp root var/tmp; do head -c 6000000 /dev/zero >/$d/fill || echo full; done 2>/dev/null"
    assert "full" in await run(sandbox, script)
    assert int(await run(sandbox, "cat /app/fill /tmp/fill /root/fill /var/tmp/fill | wc -c")) <= 16 * 1024 * 1024
    with pytest.raises(SandboxError, match="No space left"):
        await sandbox.upload([SandboxFile(path="/app/more", content=bytes(6_000_000))])


async def test_memory_limit_holds_for_a_process(factory: BubblewrapFactory, build_spec: BuildSpec) -> None:
    sandbox = await factory.start(build_spec(memory_mb=128))
    result = await sandbox.exec(["python3", "-c", "x = bytearray(500_000_000)"], timeout_sec=60)
    assert result.exit_code == 1
    assert b"MemoryError" in result.stderr


async def test_process_1_is_out_of_reach(factory: BubblewrapFactory, build_spec: BuildSpec) -> None:
    sandbox = await factory.start(build_spec())
    await run(sandbox, "kill -KILL -1; kill -KILL 1; kill -TERM 1; kill -STOP 1; kill -INT 1")
    assert await run(sandbox, "echo alive") == "alive\n"


async def test_network_when_asked(factory: BubblewrapFactory, build_spec: BuildSpec) -> None:
    sandbox = await factory.start(build_spec(network=True))
    seen = (await run(sandbox, "tail -n +3 /proc/net/dev | cut -d: -f1")).split()
    assert seen == list_network_devices()


async def test_interrupt_at_the_terminal_is_not_for_the_sandbox(
    factory: BubblewrapFactory, build_spec: BuildSpec
) -> None:
    sandbox = await factory.start(build_spec())
    assert os.getpgid(sandbox.pid) == sandbox.pid != os.getpgid(0)
    assert await run(sandbox, "ps -o tty= -p 1") == "?\n"


async def test_given_up_commands_are_killed(factory: BubblewrapFactory, build_spec: BuildSpec) -> None:
    sandbox = await factory.start(build_spec())
    running = asyncio.create_task(sandbox.exec(["bash", "-c", "touch begun; sleep 600"], timeout_sec=600))
    await run(sandbox, "until [ -e begun ]; do sleep 0.01; done")
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    await run(sandbox, "while grep -q sleep /proc/[0-9]*/comm 2>/dev/null; do read -rt 0.01 <> <(:); done")


async def test_sandboxes_leave_no_file_descriptor_behind(factory: BubblewrapFactory, build_spec: BuildSpec) -> None:
    await factory.check([])
    before = list_open_files()
    for _ in range(3):
        sandbox = await factory.start(build_spec())
        stream = await sandbox.open_stream(["cat"])
        await stream.write(b"x")
        await sandbox.exec(["bash", "-c", "sleep 60 &"], timeout_sec=0.2)
        await sandbox.close()
    assert list_open_files() == before


async def test_programs_that_are_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, build_spec: BuildSpec
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    factory = BubblewrapFactory()
    with pytest.raises(PrerequisiteError) as caught:
        await factory.check([])
    assert str(caught.value) == "bwrap not found; run: sudo apt-get install bubblewrap"
    with pytest.raises(SandboxError) as failed:
        await factory.start(build_spec())
    assert failed.value.reason == "sandbox_start"


async def test_a_refusal_names_what_bwrap_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, build_spec: BuildSpec
) -> None:
    refusing = tmp_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    refusing.chmod(0o755)
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    factory = BubblewrapFactory()
    with pytest.raises(PrerequisiteError) as caught:
        await factory.check([])
    message = str(caught.value)
    assert message.startswith("bwrap cannot make a sandbox here (bwrap: No permissions to create new namespace): ")
    assert "\n" not in message
    with pytest.raises(SandboxError, match="No permissions to create new namespace"):
        await factory.start(build_spec())


def test_a_refusal_has_a_remedy() -> None:
    assert "--sandbox docker" in explain_refusal("bwrap: x") or "sudo sysctl" in explain_refusal("bwrap: x")


async def test_an_ordinary_user_needs_nothing_more() -> None:
    if os.geteuid() != 0:
        pytest.skip("the whole suite runs as an ordinary user already")
    python = find_python_for_everybody()
    if python is None:
        pytest.skip("no interpreter of this version that another user could run")
    finished = await asyncio.to_thread(
        subprocess.run,
        [python, "-c", ORDINARY_USER],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.stdout == f"{NOBODY} ['0', '0', 'tmux']\n", finished.stderr


def find_python_for_everybody() -> str | None:
    wanted = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (str(Path(sys.executable).resolve()), shutil.which(wanted, path="/usr/bin:/usr/local/bin")):
        if candidate and is_open_to_all(candidate):
            return candidate
    return None


def is_open_to_all(path: str) -> bool:
    return all(parent.stat().st_mode & 0o005 == 0o005 for parent in (Path(path), *Path(path).parents))


async def test_a_sandbox_dies_with_bwrap(factory: BubblewrapFactory, build_spec: BuildSpec) -> None:
    sandbox = await factory.start(build_spec())
    os.kill(sandbox.pid, signal.SIGKILL)
    with pytest.raises(SandboxError):
        await sandbox.exec(["sleep", "600"], timeout_sec=10)
