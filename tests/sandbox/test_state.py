"""Carrying what a sandbox was made into over to a fresh one, on both drivers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import pytest

from terminal_task_gen.sandbox import Sandbox, SandboxFactory, SandboxSpec
from terminal_task_gen.sandbox.state import is_carried, list_roots

MAKE = """
mkdir -p /app/d /data && cd /app && echo x >d/file && chmod 750 d && (chown 12:34 d/file || true) && chmod 6711 d/file
ln -s d/file link && ln d/file hard && mkfifo pipe && ln -s loop loop && : >"$(printf 'n\\303\\274\\nline')"
touch -d 2020-02-02T02:02:02.5Z d/file; head -c 3000000 /dev/zero | tr '\\0' z >big; mkdir empty; echo t >/tmp/t
echo d >/data/d; mkdir -p /run/x /tests; echo r >/run/x/r; echo t >/tests/t; echo no >/app/refused
name=$(printf 'n%.0s' $(seq 150)); mkdir -p /app/$name; echo long >/app/$name/m$name
"""
LOOK = """
cd /app && find . /data /tmp/t ! -name . ! -path './bin*' -printf '%p %y %m %U %G %s %l %TY%Tm%Td%TH%TM\\n' \
    | grep -v ' d ' | sort; find /app -type d | sort; cat big | sha256sum; cat d/file /data/d; stat -c %h hard
"""


async def run(sandbox: Sandbox, script: str) -> str:
    result = await sandbox.exec(["bash", "-c", script], timeout_sec=60)
    assert result.exit_code == 0, result.text
    return result.stdout.decode()


async def carry(factory: SandboxFactory, before: Sandbox, spec: SandboxSpec) -> Sandbox:
    with tempfile.SpooledTemporaryFile(max_size=1000) as state:
        gone = await before.save_state(state, refuse=lambda path: path == "/app/refused")
        after = await factory.start(spec)
        await after.load_state(state, gone=gone)
    return after


async def test_a_state_is_carried_over(factory: SandboxFactory, build_spec: Callable[..., SandboxSpec]) -> None:
    before = await factory.start(build_spec())
    await run(before, MAKE)
    after = await carry(factory, before, build_spec())
    assert (await run(after, "cat /app/refused /run/x/r /tests/t 2>/dev/null || true")) == ""
    await run(before, "rm /app/refused")
    assert await run(after, LOOK) == await run(before, LOOK)


async def test_an_untouched_state_is_carried_over(
    factory: SandboxFactory, build_spec: Callable[..., SandboxSpec]
) -> None:
    after = await carry(factory, await factory.start(build_spec()), build_spec())
    assert await run(after, "ls -A /app") == ""


@pytest.mark.docker
@pytest.mark.parametrize("driver", ["docker"])
async def test_what_the_image_had_is_gone_or_changed(
    factory: SandboxFactory, build_spec: Callable[..., SandboxSpec]
) -> None:
    before = await factory.start(build_spec())
    script = "rm /etc/debian_version; rm -rf /root; echo x >>/etc/passwd; rm -rf /var/tmp; ln -s /usr/lib /var/tmp"
    await run(before, script)
    after = await carry(factory, before, build_spec())
    look = "ls -d /etc/debian_version /root 2>&1; tail -n 1 /etc/passwd; readlink /var/tmp; ls /etc | wc -l"
    said = await run(after, look)
    assert said == await run(before, look)
    assert "x\n/usr/lib\n" in said


def test_what_is_carried() -> None:
    assert [
        path
        for path in ("/", "/usr", "/usr/x", "/app", "/etc/ld.so.cache", "/run/x", "/tests/t", "/x/usr")
        if is_carried(path)
    ] == ["/app", "/x/usr"]
    changes = ["/app", "/app/a", "/usr/bin", "/opt/t/a", "/opt/t/b/c", "/file"]
    assert list_roots(changes) == ["/app", "/file", "/opt/t"]
