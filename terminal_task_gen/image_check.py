"""Probes inside an image that it holds what the taxonomy promises its authors.

Only the image itself is believed: commands are looked up and modules imported in one container without a network,
which ends and goes by itself even if we die. The engine calls block, so they live behind `asyncio.to_thread`. Refuses
tools it cannot ask for.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from terminal_task_gen.errors import PrerequisiteError, UsageError
from terminal_task_gen.image_build import connect_engine, shorten
from terminal_task_gen.sandbox import Sandbox
from terminal_task_gen.taxonomy import Domain

_TOOL = re.compile(r"[A-Za-z0-9_\[][\w.+-]*|python3:[A-Za-z_][\w.]*")
_DONE = "all probed"
_LIMIT_SEC = 300
_PROBE = f"""
for tool in "$@"; do
    case "$tool" in
        python3:*) python3 -c 'import importlib, sys; importlib.import_module(sys.argv[1])' "${{tool#*:}}" ;;
        *) command -v -- "$tool" ;;
    esac > /dev/null 2>&1 || echo "$tool"
done
echo '{_DONE}'
"""


@dataclass(frozen=True)
class ImageCheck:
    """What was probed in an image and what it lacks."""

    tag: str
    tools: tuple[str, ...]
    missing: tuple[str, ...]


def list_promised_tools(domains: Iterable[Domain], image: str) -> tuple[str, ...]:
    """What the domains that use the image promise to their authors, in order, once each."""
    return tuple(dict.fromkeys(tool for domain in domains if domain.image == image for tool in domain.tools))


async def check_image(tag: str, tools: Sequence[str]) -> ImageCheck:
    """Probe inside the image: a tool is a command, or `python3:<module>` for something to import.

    Raises PrerequisiteError when there is no engine or no such image, UsageError for a malformed tool.
    """
    malformed = [tool for tool in tools if not _TOOL.fullmatch(tool)]
    if malformed:
        raise UsageError(f"tool {malformed[0]!r}: write a command's name, or python3:module for an importable module")
    return await asyncio.to_thread(_probe, tag, tuple(tools))


async def list_missing_tools(sandbox: Sandbox, tools: Sequence[str]) -> tuple[str, ...]:
    """Of these tools, those that the sandbox lacks; for a driver that has no images to check."""
    result = await sandbox.exec(["/bin/sh", "-c", _PROBE, "probe", *tools], timeout_sec=_LIMIT_SEC)
    return tuple(line for line in result.stdout.decode().splitlines() if line != _DONE)


def _probe(tag: str, tools: tuple[str, ...]) -> ImageCheck:
    from docker.errors import ImageNotFound

    with connect_engine() as client:
        try:
            container = client.create_container(
                tag,
                # Should we die, the container ends by itself and the engine removes it.
                entrypoint=["/bin/sleep", str(_LIMIT_SEC)],
                labels={"ttg.role": "check"},
                host_config=client.create_host_config(auto_remove=True, network_mode="none", init=True),
            )["Id"]
        except ImageNotFound as error:
            raise PrerequisiteError(f"image {tag} is not there; make it with: ttg images build") from error
        try:
            client.start(container)
            probe = str(client.exec_create(container, ["/bin/sh", "-c", _PROBE, "probe", *tools])["Id"])
            lines = client.exec_start(probe).decode(errors="replace").splitlines()
        finally:
            client.remove_container(container, force=True)
    if not lines or lines[-1] != _DONE:
        raise UsageError(f"image {tag} cannot be probed: {shorten(' '.join(lines[-3:])) or 'no output'}")
    return ImageCheck(tag=tag, tools=tools, missing=tuple(lines[:-1]))
