"""Real sandboxes of both drivers. A missing engine, image or program fails the tests that need it."""

from __future__ import annotations

import asyncio
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
PATIENCE_SEC = 15.0
FACTORIES: dict[str, Callable[[], SandboxFactory]] = {"bubblewrap": BubblewrapFactory, "docker": DockerFactory}


@pytest.fixture
def run_id() -> str:
    """Unique to a test, so that what it leaves can be told from what others have."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture(
    params=[
        pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
        pytest.param("docker", marks=pytest.mark.docker),
    ]
)
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def factory(driver: str) -> AsyncIterator[SandboxFactory]:
    made = FACTORIES[driver]()
    yield made
    await made.close()


@pytest.fixture
async def sandbox(factory: SandboxFactory, build_spec: Callable[..., SandboxSpec]) -> Sandbox:
    return await factory.start(build_spec())


@pytest.fixture
def build_spec(run_id: str) -> Callable[..., SandboxSpec]:
    def build(**limits: float) -> SandboxSpec:
        return SandboxSpec.model_validate({"image": IMAGE, "run_id": run_id, "item_id": "item", **limits})

    return build


@pytest.fixture
def kill_from_outside() -> Callable[[Sandbox], None]:
    """Ends a sandbox as an operator or the kernel would, without its driver's knowledge."""

    def kill(sandbox: Sandbox) -> None:
        if isinstance(sandbox, BubblewrapSandbox):
            os.kill(sandbox.pid, signal.SIGKILL)
        else:
            assert isinstance(sandbox, DockerSandbox)
            client = docker.from_env()
            client.api.kill(sandbox.container_id)
            client.close()

    return kill


@pytest.fixture
def list_host_processes() -> Callable[[str], list[str]]:
    """Command lines, as the host sees them, that hold a marker; processes in sandboxes are among them."""

    def find(marker: str) -> list[str]:
        lines = [read_or_nothing(entry / "cmdline") for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [line.decode(errors="replace") for line in lines if marker.encode() in line]

    return find


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], Awaitable[bool]]:
    """Polls; False when it does not come true in time."""

    async def wait(is_true: Callable[[], bool]) -> bool:
        for _ in range(int(PATIENCE_SEC / 0.02)):
            if is_true():
                return True
            await asyncio.sleep(0.02)
        return False

    return wait


def read_or_nothing(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
