"""Docker driver: real sandboxes, from the domains' images.

Owns what a container may do: no network unless asked, few capabilities, no new privileges, limits on memory, CPU,
processes, file size. No container outlives its `ttg`: its main process reads a connection that we hold, so it ends
with us however we end, and the engine removes it; labels name the owner for `sweep`, which is for what even that missed
(a container made and never started, an engine that was killed). Limits: `disk_mb` holds for each file at once, and
for all of them within seconds (docker_disk.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from terminal_task_gen.errors import PrerequisiteError, SandboxError
from terminal_task_gen.sandbox import CAPABILITIES, ENVIRONMENT, HOSTNAME, WORKDIR, SandboxSpec
from terminal_task_gen.sandbox.docker_disk import DiskWatch
from terminal_task_gen.sandbox.docker_engine import Engine
from terminal_task_gen.sandbox.docker_owner import Owner
from terminal_task_gen.sandbox.docker_sandbox import MEBIBYTE, DockerSandbox
from terminal_task_gen.sandbox.docker_stream import Hijacked
from terminal_task_gen.sandbox.gate import PROXY_ENVIRONMENT

HOSTS = "127.0.0.1\tlocalhost\n::1\tip6-localhost ip6-loopback\n"
_HOLD = "while read -r _; do :; done"
MAIN_PROCESS = ("/bin/bash", "--norc", "-c", f"echo; {_HOLD}")
"""Says that it is there and waits for the end of its stdin. As process 1 no signal from inside can end it, and being
bash it reaps orphans, so the engine's own init program, which would end as soon as a `kill -9 -1` inside took its
child, is not wanted."""
MAIN_PROCESS_ALONE = ("/bin/bash", "--norc", "-c", f'printf %s "$1" 2>/dev/null >/etc/hosts; echo; {_HOLD}', "-", HOSTS)
"""Where the engine is told that there is no network at all. It saves its half of a container's start, namely starting
itself again to set one up; the kernel's loopback is there nevertheless, but nobody writes the name of it."""
START_TIMEOUT_SEC = 60.0
OPEN_FILES = 8192
"""Modest, since an engine refuses more than it has itself."""
LABEL = "ttg.run"


class DockerFactory:
    """Makes containers from `<image_prefix>-<image>:<image_tag>`."""

    def __init__(self, *, image_prefix: str = "ttg", image_tag: str = "latest") -> None:
        self._image_prefix = image_prefix
        self._image_tag = image_tag
        self._open: set[DockerSandbox] = set()
        self._disk_watch = DiskWatch(self._open)
        self._engine: Engine | None = None
        self._connecting = asyncio.Lock()

    @property
    def name(self) -> str:
        return "docker"

    async def check(self, images: Sequence[str]) -> None:
        engine = await self._connect()
        missing = [image for image in dict.fromkeys(images) if await engine.find_image(self._tag(image)) is None]
        if missing:
            names = ", ".join(map(self._tag, missing))
            verb = "image {} is" if len(missing) == 1 else "images {} are"
            raise PrerequisiteError(f"{verb.format(names)} not built; run: ttg images build {' '.join(missing)}")

    async def get_image_digest(self, image: str) -> str:
        digest = await (await self._connect()).find_image(self._tag(image))
        if digest is None:
            raise PrerequisiteError(f"image {self._tag(image)} is not built; run: ttg images build {image}")
        return digest

    async def ping(self) -> float:
        begun = time.monotonic()
        await (await self._reach()).ping()
        return time.monotonic() - begun

    async def start(self, spec: SandboxSpec) -> DockerSandbox:
        engine = await self._reach()
        starting = asyncio.create_task(self._start(engine, spec))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # The engine is at it already: let it finish, then take it away.
            with suppress(SandboxError):
                await (await starting).close()
            raise

    async def sweep(self, run_id: str | None = None) -> int:
        engine = await self._connect()
        removed = 0
        for leftover in await engine.list_containers(LABEL if run_id is None else f"{LABEL}={run_id}"):
            if Owner.from_labels(leftover.labels).is_dead():
                with suppress(SandboxError):
                    await engine.remove(leftover.container_id)
                    removed += 1
        return removed

    async def close(self) -> None:
        await self._disk_watch.close()
        await asyncio.gather(*(sandbox.close() for sandbox in tuple(self._open)))
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()

    async def _connect(self) -> Engine:
        async with self._connecting:
            if self._engine is None:
                self._engine = await asyncio.to_thread(Engine.connect)
            return self._engine

    async def _reach(self) -> Engine:
        """The engine, in the middle of a run: that it is away may pass."""
        try:
            return await self._connect()
        except PrerequisiteError as error:
            raise SandboxError("engine", str(error)) from error

    async def _start(self, engine: Engine, spec: SandboxSpec) -> DockerSandbox:
        try:
            container_id = await engine.create(self._tag(spec.image), build_options(spec), spec.cpus)
        except SandboxError as error:
            raise SandboxError("sandbox_start", error.evidence) from error
        lifeline = None
        try:
            lifeline = await engine.attach(container_id)
            await engine.start(container_id)
            await _wait_until_there(lifeline)
            workdir = await engine.read_workdir(container_id) if spec.foreign else WORKDIR
        except SandboxError as error:
            if lifeline is not None:
                await lifeline.close()
            with suppress(SandboxError):
                await engine.remove(container_id)
            raise SandboxError("sandbox_start", error.evidence) from error
        sandbox = DockerSandbox(
            engine,
            container_id,
            lifeline=lifeline,
            spec=spec,
            workdir=workdir,
            forget=self._open.discard,
        )
        self._open.add(sandbox)
        if _is_gated(spec):
            try:
                await sandbox.open_gate(spec.allowed_hosts)
            except SandboxError:
                await sandbox.close()
                raise
        self._disk_watch.wake()
        return sandbox

    def _tag(self, image: str) -> str:
        return f"{self._image_prefix}-{image}:{self._image_tag}"


async def _wait_until_there(lifeline: Hijacked) -> None:
    """Until the main process has said its first word."""
    with suppress(TimeoutError):
        async with asyncio.timeout(START_TIMEOUT_SEC):
            if await lifeline.read_chunk() is not None:
                return
    raise SandboxError("sandbox_start", "the container's main process (bash) does not run")


def build_options(spec: SandboxSpec) -> dict[str, Any]:
    """Everything about the container but its image and its share of CPUs."""
    memory = f"{spec.memory_mb}m"
    has_network = spec.network and not _is_gated(spec)
    file_size = spec.disk_mb * MEBIBYTE
    return {
        "entrypoint": list(MAIN_PROCESS if has_network else MAIN_PROCESS_ALONE),
        "stdin_open": True,
        "auto_remove": True,
        "hostname": HOSTNAME,
        "user": "0:0",
        **_build_surroundings(spec),
        "use_config_proxy": False,
        "network_mode": "bridge" if has_network else "none",
        "network_disabled": not has_network,
        "cap_drop": ["ALL"],
        "cap_add": list(CAPABILITIES),
        "security_opt": ["no-new-privileges"],
        "mem_limit": memory,
        "memswap_limit": memory,
        "pids_limit": spec.max_processes,
        "ulimits": [
            {"Name": "core", "Soft": 0, "Hard": 0},
            {"Name": "fsize", "Soft": file_size, "Hard": file_size},
            {"Name": "nofile", "Soft": OPEN_FILES, "Hard": OPEN_FILES},
        ],
        "log_config": {"type": "none"},
        "labels": {LABEL: spec.run_id, "ttg.item": spec.item_id, **Owner.read_own().build_labels()},
    }


def _build_surroundings(spec: SandboxSpec) -> dict[str, Any]:
    proxy = PROXY_ENVIRONMENT if _is_gated(spec) else {}
    if not spec.foreign:
        return {"working_dir": WORKDIR, "environment": {**ENVIRONMENT, **proxy}}
    return {"environment": {**{name: ENVIRONMENT[name] for name in ("LANG", "TERM")}, **proxy}}


def _is_gated(spec: SandboxSpec) -> bool:
    return spec.network and bool(spec.allowed_hosts)
