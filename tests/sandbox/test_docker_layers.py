"""What a container's layer tells of its changes, held against what the engine tells."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import docker
import pytest

from terminal_task_gen.sandbox import SandboxSpec
from terminal_task_gen.sandbox.docker import DockerFactory
from terminal_task_gen.sandbox.docker_engine import Engine
from terminal_task_gen.sandbox.docker_layers import Layers, UnreadableError, read_changes
from terminal_task_gen.sandbox.docker_sandbox import DockerSandbox
from terminal_task_gen.sandbox.docker_stream import Endpoint

pytestmark = pytest.mark.docker
BuildSpec = Callable[..., SandboxSpec]

EDITS = """
echo x >> /etc/passwd; rm /etc/debian_version; rm -rf /usr/share/doc; rm -rf /usr/lib/tmpfiles.d
mkdir -p /usr/lib/tmpfiles.d/new; echo y > /usr/lib/tmpfiles.d/new/file
mkdir -p /app/a/b/c; touch /app/a/b/c/d; ln -s /etc /app/link; mkfifo /app/pipe; ln /app/a/b/c/d /app/hard
chmod 700 /usr/lib/apt; chown 1:1 /etc/fstab; touch /etc/issue; cp /bin/true /bin/false; rm -r /opt; ln -s / /opt
rm -rf /usr/lib/mime; echo file > /usr/lib/mime; rm /etc/os-release; mkdir /etc/os-release
mv /etc/apt /etc/apt2; touch "/app/$(printf 'a\\377b')" '/app/new
line'
"""
FORGERY = """
cp -p /usr/bin/env /app/env; printf X | dd of=/usr/bin/env bs=1 seek=100 conv=notrunc; touch -r /app/env /usr/bin/env
"""


@pytest.fixture
async def factory() -> AsyncIterator[DockerFactory]:
    made = DockerFactory()
    yield made
    await made.close()


@pytest.fixture
async def sandbox(factory: DockerFactory, build_spec: BuildSpec) -> DockerSandbox:
    return await factory.start(build_spec())


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    made = docker.from_env()
    yield made
    made.close()


async def run(sandbox: DockerSandbox, script: str) -> None:
    result = await sandbox.exec(["bash", "-c", script], timeout_sec=60)
    assert result.exit_code == 0, result.text


def ask_engine(client: docker.DockerClient, sandbox: DockerSandbox) -> list[str]:
    return sorted(change["Path"] for change in client.api.diff(sandbox.container_id) if change["Path"] != "/etc/hosts")


async def test_every_kind_of_change_is_told_as_the_engine_tells_it(
    sandbox: DockerSandbox, client: docker.DockerClient
) -> None:
    await run(sandbox, EDITS)
    assert list(await sandbox.list_changes()) == ask_engine(client, sandbox)


async def test_what_was_only_opened_or_put_back_is_no_change(sandbox: DockerSandbox) -> None:
    await run(sandbox, ": >> /etc/passwd; cp -p /usr/bin/env /app/x; echo y > /usr/bin/env; mv /app/x /usr/bin/env")
    assert await sandbox.list_changes() == ()


async def test_an_edit_with_size_and_time_put_back_is_seen(sandbox: DockerSandbox, client: docker.DockerClient) -> None:
    await run(sandbox, FORGERY)
    assert "/usr/bin/env" in await sandbox.list_changes()
    assert "/usr/bin/env" not in ask_engine(client, sandbox)


async def test_the_engine_is_asked_where_the_layer_cannot_be_read(
    sandbox: DockerSandbox, client: docker.DockerClient
) -> None:
    await run(sandbox, EDITS)
    told = ask_engine(client, sandbox)
    elsewhere = {"GraphDriver": {"Name": "vfs", "Data": None}}
    setattr(client.api, "inspect_container", lambda _: elsewhere)  # noqa: B010
    engine = Engine(client, Endpoint())
    assert sorted(change.path for change in await engine.list_changes(sandbox.container_id)) == told
    await engine.close()


def test_other_ways_to_keep_files_are_not_read(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="vfs"):
        Layers.from_inspected({"GraphDriver": {"Name": "vfs", "Data": None}})
    with pytest.raises(UnreadableError, match="nowhere"):
        read_changes(Layers(str(tmp_path / "nowhere"), ()))


def test_a_deep_tree_is_cut_and_a_link_is_not_followed(tmp_path: Path) -> None:
    deep = tmp_path / "upper" / "/".join("d" * 150)
    deep.mkdir(parents=True)
    (tmp_path / "upper" / "link").symlink_to("/")
    paths = [change.path for change in read_changes(Layers(str(tmp_path / "upper"), ()))]
    assert len(paths) == 101
    assert paths[-1] == "/link"
