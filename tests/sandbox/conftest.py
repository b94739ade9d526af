"""Real sandboxes of both drivers. A missing engine, image or program fails the tests that need it."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import docker
import pytest

from terminal_task_gen.sandbox import Sandbox, SandboxFactory, SandboxSpec
from terminal_task_gen.sandbox.bubblewrap import BubblewrapFactory, BubblewrapSandbox
from terminal_task_gen.sandbox.docker import DockerFactory
from terminal_task_gen.sandbox.docker_sandbox import DockerSandbox

IMAGE = "base"
"""Folder of the image that the suite runs in; `ttg images build base` makes it."""

StartSandbox = Callable[..., Awaitable[Sandbox]]


@pytest.fixture
def run_id() -> str:
    """Unique to a test, so that what it leaves can be told from what others have."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture(
    params=[
        pytest.param(BubblewrapFactory, marks=pytest.mark.bubblewrap, id="bubblewrap"),
        pytest.param(DockerFactory, marks=pytest.mark.docker, id="docker"),
    ]
)
async def factory(request: pytest.FixtureRequest) -> AsyncIterator[SandboxFactory]:
    made: SandboxFactory = request.param()
    yield made
    await made.close()


@pytest.fixture
async def docker_factory() -> AsyncIterator[DockerFactory]:
    made = DockerFactory()
    yield made
    await made.close()


@pytest.fixture
async def bubblewrap_factory() -> AsyncIterator[BubblewrapFactory]:
    made = BubblewrapFactory()
    yield made
    await made.close()


@pytest.fixture
async def sandbox(factory: SandboxFactory, run_id: str) -> Sandbox:
    return await factory.start(build_spec(run_id))


@pytest.fixture
def kill_from_outside() -> Callable[[Sandbox], None]:
    return kill_sandbox


def build_spec(run_id: str, **limits: int | float | bool) -> SandboxSpec:
    return SandboxSpec.model_validate({"image": IMAGE, "run_id": run_id, "item_id": "item", **limits})


def kill_sandbox(sandbox: Sandbox) -> None:
    """As an operator or the kernel would, without the driver's knowledge."""
    if isinstance(sandbox, BubblewrapSandbox):
        os.kill(sandbox.pid, signal.SIGKILL)
    elif isinstance(sandbox, DockerSandbox):
        client = docker.from_env()
        client.api.kill(sandbox.container_id)
        client.close()


def list_host_processes(marker: str) -> list[int]:
    """Process ids, on the host, whose command line holds `marker`; sandboxed processes are among them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and marker.encode() in read_or_nothing(entry / "cmdline"):
            found.append(int(entry.name))
    return found


def read_or_nothing(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
