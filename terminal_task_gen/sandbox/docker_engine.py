"""The Docker engine's API through its SDK; the one module that imports it.

The SDK blocks, so every call runs in this module's own threads. Nothing of the SDK leaves: not its exceptions (they
become SandboxError) and not its objects.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import os
import posixpath
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, NamedTuple, ParamSpec, TypeVar

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.utils import parse_host
from requests.exceptions import RequestException

from terminal_task_gen.errors import PrerequisiteError, SandboxError
from terminal_task_gen.sandbox.docker_layers import Change, Layers, UnreadableError, drop_changes, read_changes
from terminal_task_gen.sandbox.docker_stream import Endpoint, Hijacked, build_refusal
from terminal_task_gen.sandbox.state import copy_members, open_target

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 32
"""Calls to the engine at once."""
CALL_TIMEOUT_SEC = 300
NON_REGULAR = 0x8F280000
"""Go's os.ModeType: the bits of a file mode that are all zero for a regular file."""
DELETED = 2
"""The engine's kind of a change."""
ENGINES_FILES = frozenset(("/etc/hosts", "/etc/hostname", "/etc/resolv.conf"))
"""Written by the engine, or by our main process in its place."""
PATH_FAULTS = ("not a directory", "too many links", "too many levels of symbolic links", "name too long")
"""What the engine says, as its own failure, of paths that cannot be files."""
TAR_BUFFER_BYTES = 1 << 20


class ExecState(NamedTuple):
    running: bool
    exit_code: int | None


class Leftover(NamedTuple):
    """A container with our labels."""

    container_id: str
    labels: Mapping[str, str]


class Engine:
    """A connection to one engine."""

    def __init__(self, client: docker.DockerClient, endpoint: Endpoint) -> None:
        self._client = client
        self._endpoint = endpoint
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="docker")
        self._cpus = float(client.info()["NCPU"])

    @classmethod
    def connect(cls) -> Engine:
        """Blocks. Raises PrerequisiteError in one line when no engine answers."""
        url = os.environ.get("DOCKER_HOST", "")
        if os.environ.get("DOCKER_TLS_VERIFY") or url.startswith("ssh://"):
            raise PrerequisiteError("Docker over TLS or ssh is not supported: use unix:///path or tcp://host:port")
        endpoint = Endpoint.parse(str(parse_host(url or None)))
        try:
            endpoint.knock()
            client = docker.from_env(timeout=CALL_TIMEOUT_SEC, max_pool_size=THREADS)
            return cls(client, endpoint)
        except (DockerException, RequestException, OSError) as error:
            raise PrerequisiteError(explain_silence(endpoint, repr(error))) from error

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)
        self._client.close()

    async def ping(self) -> None:
        """Raises SandboxError when the engine does not answer."""
        await self._call(self._client.ping)

    async def create(self, image: str, options: Mapping[str, Any], cpus: float) -> str:
        """Create a container, not yet started; its id. `cpus` is cut to what the engine has."""
        nano_cpus = int(min(cpus, self._cpus) * 1e9)
        container = await self._call(self._client.containers.create, image, nano_cpus=nano_cpus, **options)
        return str(container.id)

    async def start(self, container_id: str) -> None:
        await self._call(self._client.api.start, container_id)

    async def attach(self, container_id: str) -> Hijacked:
        """The main process's own streams."""
        query = "stream=1&stdin=1&stdout=1"
        return await self._endpoint.hijack(self._build_path(f"containers/{container_id}/attach?{query}"))

    async def remove(self, container_id: str) -> None:
        await self._call(self._client.api.remove_container, container_id, force=True, v=True)

    async def limit_processes(self, container_id: str, max_processes: int) -> None:
        await self._call(self._limit_processes, container_id, max_processes)

    async def read_workdir(self, container_id: str) -> str:
        """Where its commands run unless told otherwise."""
        inspected = await self._call(self._client.api.inspect_container, container_id)
        return str(inspected["Config"]["WorkingDir"] or "/")

    async def is_running(self, container_id: str) -> bool:
        try:
            state = (await self._call(self._client.api.inspect_container, container_id))["State"]
        except SandboxError as error:
            if error.reason == "sandbox_died":
                return False
            raise
        return bool(state["Running"])

    async def measure_disk(self, container_id: str) -> int:
        """Bytes that the container holds beside its image; sparse files count with their length."""
        return await self._call(self._measure_disk, container_id)

    async def list_containers(self, label: str) -> list[Leftover]:
        found = await self._call(self._client.api.containers, all=True, filters={"label": label})
        return [Leftover(entry["Id"], entry["Labels"]) for entry in found]

    async def open_exec(
        self, container_id: str, argv: Sequence[str], *, env: Mapping[str, str], workdir: str, stdin: bool
    ) -> Exec:
        """Start a command and take over its streams."""
        created = await self._call(
            self._client.api.exec_create,
            container_id,
            list(argv),
            stdin=stdin,
            environment=dict(env),
            workdir=workdir,
            user="0:0",
        )
        path = self._build_path(f"exec/{created['Id']}/start")
        return Exec(created["Id"], await self._endpoint.hijack(path, {"Detach": False, "Tty": False}))

    async def inspect_exec(self, exec_id: str) -> ExecState:
        told = await self._call(self._client.api.exec_inspect, exec_id)
        return ExecState(bool(told["Running"]), told["ExitCode"])

    async def put_archive(self, container_id: str, archive: bytes | IO[bytes]) -> None:
        await self._call(self._client.api.put_archive, container_id, "/", archive)

    async def read_file(self, container_id: str, path: str, max_bytes: int) -> bytes | None:
        """The first bytes of a regular file; None where there is none."""
        return await self._call(self._read_file, container_id, path, max_bytes)

    async def list_changes(self, container_id: str) -> list[Change]:
        """Read from its layer where that can be; the engine's own answer costs more and can be deceived."""
        return await self._call(self._list_changes, container_id)

    async def save_paths(
        self, container_id: str, roots: Sequence[str], file: IO[bytes], *, wanted: Callable[[str], bool]
    ) -> None:
        """Write an archive of what is wanted at and below each of `roots`."""
        await self._call(self._save_paths, container_id, roots, file, wanted)

    async def find_image(self, name: str) -> str | None:
        """Its id, or None where it is not built."""
        try:
            return str((await self._call(self._client.api.inspect_image, name))["Id"])
        except SandboxError as error:
            if isinstance(error.__cause__, NotFound):
                return None
            raise

    def _build_path(self, rest: str) -> str:
        return f"/v{self._client.api.api_version}/{rest}"

    def _limit_processes(self, container_id: str, max_processes: int) -> None:
        # The SDK has no word for this field of the API.
        url = f"{self._client.api.base_url}{self._build_path(f'containers/{container_id}/update')}"
        answer = self._client.api.post(url, json={"PidsLimit": max_processes}, timeout=CALL_TIMEOUT_SEC)
        if not answer.ok:
            raise build_refusal(answer.status_code, answer.text)

    def _measure_disk(self, container_id: str) -> int:
        # Nor has it one for this parameter.
        url = f"{self._client.api.base_url}{self._build_path(f'containers/{container_id}/json')}"
        answer = self._client.api.get(url, params={"size": 1}, timeout=CALL_TIMEOUT_SEC)
        if not answer.ok:
            raise build_refusal(answer.status_code, answer.text)
        return int(answer.json().get("SizeRw") or 0)

    def _list_changes(self, container_id: str) -> list[Change]:
        try:
            changes = read_changes(Layers.from_inspected(self._client.api.inspect_container(container_id)))
        except UnreadableError:
            told = self._client.api.diff(container_id) or ()
            changes = [Change(change["Path"], change["Kind"] == DELETED) for change in told]
        return drop_changes(changes, ENGINES_FILES)

    def _read_file(self, container_id: str, path: str, max_bytes: int) -> bytes | None:
        api = self._client.api
        url = f"{api.base_url}{self._build_path(f'containers/{container_id}/archive')}"
        answer = api.head(url, params={"path": path}, timeout=CALL_TIMEOUT_SEC)
        if not answer.ok:
            self._explain_missing(container_id, path)
            return None
        stat = json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))
        if stat["mode"] & NON_REGULAR:
            return None
        chunks, _ = api.get_archive(container_id, path)
        return read_first_member(iter(chunks), max_bytes)

    def _save_paths(
        self, container_id: str, roots: Sequence[str], file: IO[bytes], wanted: Callable[[str], bool]
    ) -> None:
        with open_target(file) as target:
            for root in roots:
                chunks, _ = self._client.api.get_archive(container_id, root)
                copy_members(ChunkFile(iter(chunks)), target, parent=posixpath.dirname(root), wanted=wanted)

    def _explain_missing(self, container_id: str, path: str) -> None:
        """Raises APIError when it is not the path's fault that nothing can be read there."""
        try:
            self._client.api.get_archive(container_id, path)
        except APIError as error:
            running = self._client.api.inspect_container(container_id)["State"]["Running"]
            blamed = error.response is not None and error.response.status_code == 404
            blamed = blamed or any(words in str(error.explanation) for words in PATH_FAULTS)
            if not running or not blamed:
                raise

    async def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, functools.partial(function, *args, **kwargs))
        except (DockerException, RequestException, OSError, tarfile.TarError) as error:
            raise translate_error(error) from error


class Exec(NamedTuple):
    exec_id: str
    connection: Hijacked


class ChunkFile:
    """Chunks as a file that can be read once, for tarfile's stream mode."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffered = b""

    def read(self, size: int) -> bytes:
        parts = [self._buffered]
        length = len(self._buffered)
        while length < size and (chunk := next(self._chunks, b"")):
            parts.append(chunk)
            length += len(chunk)
        data = b"".join(parts)
        self._buffered = data[size:]
        return data[:size]


def read_first_member(chunks: Iterator[bytes], max_bytes: int) -> bytes | None:
    with tarfile.open(fileobj=ChunkFile(chunks), mode="r|", bufsize=TAR_BUFFER_BYTES) as archive:  # type: ignore[call-overload]
        member = archive.next()
        file = archive.extractfile(member) if member is not None and member.isreg() else None
        return None if file is None else file.read(max_bytes)


def translate_error(error: Exception) -> SandboxError:
    """What the engine said, as ours. A missing container is a dead one."""
    if isinstance(error, ImageNotFound):
        return SandboxError("sandbox_start", str(error.explanation))
    if isinstance(error, APIError) and error.response is not None:
        return build_refusal(error.response.status_code, str(error.explanation))
    return SandboxError("engine", f"{type(error).__name__}: {error}")


def explain_silence(endpoint: Endpoint, said: str) -> str:
    if "PermissionError" in said or "Permission denied" in said:
        return (
            f"no permission to talk to the Docker engine at {endpoint}: sudo usermod -aG docker $USER, and log in again"
        )
    return f"no Docker engine answers at {endpoint}: start it (sudo systemctl start docker) or use --sandbox bubblewrap"
