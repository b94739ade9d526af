"""The Docker driver's own ground: limits, sweeping, images, and the words for what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import docker
import pytest

from terminal_task_gen.errors import PrerequisiteError, SandboxError
from terminal_task_gen.sandbox import Sandbox, SandboxFile, SandboxSpec
from terminal_task_gen.sandbox.docker import DockerFactory
from terminal_task_gen.sandbox.docker_owner import Owner
from terminal_task_gen.sandbox.docker_sandbox import DockerSandbox
from terminal_task_gen.sandbox.docker_stream import Endpoint

pytestmark = pytest.mark.docker

BuildSpec = Callable[..., SandboxSpec]


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    made = docker.from_env()
    yield made
    made.close()


@pytest.fixture
async def factory() -> AsyncIterator[DockerFactory]:
    made = DockerFactory()
    yield made
    await made.close()


async def run(sandbox: Sandbox, script: str) -> str:
    return (await sandbox.exec(["bash", "-c", script], timeout_sec=60)).stdout.decode()


async def test_a_container_may_do_little(
    factory: DockerFactory, build_spec: BuildSpec, client: docker.DockerClient, run_id: str
) -> None:
    sandbox = await factory.start(build_spec(memory_mb=256, cpus=0.5, max_processes=99, disk_mb=64))
    facts = client.api.inspect_container(sandbox.container_id)
    host = facts["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert host["CapDrop"] == ["ALL"]
    assert sorted(host["CapAdd"]) == ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert (host["Memory"], host["MemorySwap"]) == (256 * 1024 * 1024, 256 * 1024 * 1024)
    assert (host["NanoCpus"], host["PidsLimit"], host["Privileged"], host["Binds"]) == (500_000_000, 99, False, None)
    assert facts["Config"]["Labels"]["ttg.run"] == run_id
    assert facts["Config"]["Labels"]["ttg.item"] == "item"
    assert not Owner.from_labels(facts["Config"]["Labels"]).is_dead()
    assert await run(sandbox, "ulimit -c; ulimit -f; ulimit -n") == "0\n65536\n8192\n"
    assert (await run(sandbox, "grep NoNewPrivs /proc/self/status")).split()[-1] == "1"


async def test_network_when_asked(factory: DockerFactory, build_spec: BuildSpec) -> None:
    sandbox = await factory.start(build_spec(network=True))
    assert "eth0" in await run(sandbox, "cat /proc/net/dev")


async def test_more_cpus_than_there_are_is_all_there_are(factory: DockerFactory, build_spec: BuildSpec) -> None:
    sandbox = await factory.start(build_spec(cpus=4096))
    assert await run(sandbox, "echo up") == "up\n"


async def test_running_out_of_memory_is_the_commands_own_end(factory: DockerFactory, build_spec: BuildSpec) -> None:
    sandbox = await factory.start(build_spec(memory_mb=64))
    result = await sandbox.exec(["python3", "-c", "x = bytearray(500_000_000); print(len(x))"], timeout_sec=60)
    assert (result.exit_code, result.stdout, result.timed_out) == (137, b"", False)
    assert await run(sandbox, "echo alive") == "alive\n"


async def test_the_first_output_is_never_lost(factory: DockerFactory, build_spec: BuildSpec) -> None:
    sandbox = await factory.start(build_spec())
    results = await asyncio.gather(*(sandbox.exec(["echo", str(i)], timeout_sec=60) for i in range(30)))
    assert [result.stdout for result in results] == [b"%d\n" % i for i in range(30)]


# Until it has been full for a while: what was there for a moment when a try failed may be gone by the next.
FILL = """
import os, time
failures = 0
while failures < 50:
    try:
        if os.fork() == 0:
            break
    except OSError:
        failures += 1
        time.sleep(0.01)
else:
    print(1, flush=True)
time.sleep(600)
"""


async def test_a_full_process_table_does_not_keep_the_driver_out(factory: DockerFactory, build_spec: BuildSpec) -> None:
    sandbox = await factory.start(build_spec(max_processes=16))
    stream = await sandbox.open_stream(["python3", "-c", FILL])
    assert await stream.read()
    assert (await sandbox.exec(["echo", "hello"], timeout_sec=10)).stdout == b"hello\n"
    assert (await sandbox.exec(["sleep", "600"], timeout_sec=0.2)).timed_out
    assert b"fork" in (await sandbox.exec(["sh", "-c", "true | true"], timeout_sec=10)).stderr


async def test_changes_are_what_the_engine_sees(factory: DockerFactory, build_spec: BuildSpec) -> None:
    sandbox = await factory.start(build_spec())
    assert await sandbox.list_changes() == ()
    await sandbox.upload([SandboxFile(path="/tests/t.py", content=b"")])
    await run(sandbox, "rm /etc/debian_version; echo x >>/etc/passwd; echo y >/app/new")
    changes = await sandbox.list_changes()
    assert list(changes) == sorted(changes)
    assert {"/tests/t.py", "/etc/debian_version", "/etc/passwd", "/app/new"} <= set(changes)
    assert not [path for path in changes if path.startswith("/usr")]


async def test_sweep_takes_only_what_the_dead_have_left(
    factory: DockerFactory, build_spec: BuildSpec, client: docker.DockerClient, run_id: str
) -> None:
    mine = await factory.start(build_spec())
    alive = Owner.read_own()
    owners = {
        "alive": alive,
        "elsewhere": alive._replace(host="another-host", pid="1", start="1"),
        "dead": alive._replace(start="1"),
        "gone": alive._replace(pid="999999999"),
        "before the reboot": alive._replace(boot="another-boot"),
    }
    made = {
        case: client.containers.create("ttg-base:latest", labels={"ttg.run": run_id, **owner.build_labels()})
        for case, owner in owners.items()
    }
    try:
        assert await factory.sweep("another-run-than-any") == 0
        assert await factory.sweep(run_id) == 3
        left = {entry["Id"] for entry in client.api.containers(all=True, filters={"label": f"ttg.run={run_id}"})}
        assert left == {mine.container_id, made["alive"].id, made["elsewhere"].id}
    finally:
        for container in client.containers.list(all=True, filters={"label": f"ttg.run={run_id}"}):
            container.remove(force=True)


async def test_start_given_up_leaves_no_container(
    factory: DockerFactory, build_spec: BuildSpec, client: docker.DockerClient, run_id: str
) -> None:
    await factory.check([])
    for delay_sec in (0.0, 0.02, 0.1):
        starting = asyncio.create_task(factory.start(build_spec()))
        await asyncio.sleep(delay_sec)
        starting.cancel()
        await asyncio.wait({starting})
        assert starting.cancelled()
    assert client.api.containers(all=True, filters={"label": f"ttg.run={run_id}"}) == []


async def test_images_that_are_not_built(build_spec: BuildSpec) -> None:
    factory = DockerFactory(image_prefix="registry.example:5000/ttg", image_tag="v0")
    with pytest.raises(PrerequisiteError) as caught:
        await factory.check(["security", "base", "security"])
    assert str(caught.value) == (
        "images registry.example:5000/ttg-security:v0, registry.example:5000/ttg-base:v0 are not built; "
        "run: ttg images build security base"
    )
    with pytest.raises(PrerequisiteError, match="ttg-base:v0 is not built; run: ttg images build base"):
        await factory.get_image_digest("base")
    with pytest.raises(SandboxError) as failed:
        await factory.start(build_spec())
    assert failed.value.reason == "sandbox_start"
    await factory.close()


async def test_engine_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, build_spec: BuildSpec
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    factory = DockerFactory()
    with pytest.raises(PrerequisiteError) as caught:
        await factory.check(["base"])
    assert str(caught.value) == (
        f"no Docker engine answers at unix://{tmp_path}/none.sock: start it (sudo systemctl start docker) "
        "or use --sandbox bubblewrap"
    )
    with pytest.raises(SandboxError):
        await factory.start(build_spec())
    await factory.close()


async def test_engine_that_goes_away_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server that takes connections and hangs up on them, as a restarting engine does."""
    server = await asyncio.start_unix_server(lambda _reader, writer: writer.close(), tmp_path / "engine.sock")
    endpoint = Endpoint.parse(f"unix://{tmp_path}/engine.sock")
    with pytest.raises(SandboxError) as caught:
        await endpoint.hijack("/v1.41/exec/x/start")
    assert caught.value.reason == "engine"
    monkeypatch.setenv("DOCKER_HOST", str(endpoint))
    with pytest.raises(PrerequisiteError, match="no Docker engine answers"):
        await DockerFactory().check([])
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("url", ["ssh://user@host", "npipe:////./pipe/docker_engine"])
async def test_transports_that_cannot_be_taken_over(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", url)
    with pytest.raises(PrerequisiteError, match="not supported: use unix:///path or tcp://host:port"):
        await DockerFactory().check([])


async def test_nothing_inside_can_end_the_container(factory: DockerFactory, build_spec: BuildSpec) -> None:
    sandbox = await factory.start(build_spec())
    assert isinstance(sandbox, DockerSandbox)
    await run(sandbox, "kill -KILL -1; kill -KILL 1; kill -TERM 1; kill -STOP 1")
    assert await run(sandbox, "echo alive") == "alive\n"
