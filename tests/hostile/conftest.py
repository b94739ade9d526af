"""Rollouts of hostile agents: real containers with small limits, and a neighbour that must not notice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from terminal_task_gen.sandbox import SandboxSpec
from terminal_task_gen.sandbox.docker import DockerFactory
from terminal_task_gen.sandbox.docker_sandbox import DockerSandbox
from tests.rollout.rollout_bench import Bench, open_bench

DISK_MB = 96
MEMORY_MB = 256
MAX_PROCESSES = 128


class SmallDocker(DockerFactory):
    """Containers whose limits a bomb reaches soon."""

    async def start(self, spec: SandboxSpec) -> DockerSandbox:
        limits = {"disk_mb": DISK_MB, "memory_mb": MEMORY_MB, "max_processes": MAX_PROCESSES}
        return await super().start(spec.model_copy(update=limits))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    (tmp_path / "attacker").mkdir()
    async with open_bench(SmallDocker(), tmp_path / "attacker") as opened:
        yield opened


@pytest.fixture
async def neighbour(tmp_path: Path) -> AsyncIterator[Bench]:
    (tmp_path / "neighbour").mkdir()
    async with open_bench(SmallDocker(), tmp_path / "neighbour") as opened:
        yield opened
