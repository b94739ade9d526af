"""Builds image folders with a Docker engine and tells which of the engine's images are up to date.

Owns the engine's build calls, which block and so live behind `asyncio.to_thread`. An image carries the digest of its
sources and the id of the image it stands on as labels; what is up to date is not built again. No engine:
PrerequisiteError; a Dockerfile that does not build: UsageError with the step and the last lines. Nothing half-built
gets a tag.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from terminal_task_gen.errors import PrerequisiteError, UsageError
from terminal_task_gen.images import ImageFolder, digest_image, format_tag, get_ancestry, get_image, order_builds

if TYPE_CHECKING:
    from docker import APIClient

CONTENT_LABEL = "ttg.content"
PARENT_LABEL = "ttg.parent"

_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")

LogListener = Callable[[str, str], None]
"""Called with the image's name and one line of the build's log, on the event loop."""


@dataclass(frozen=True)
class BuildOptions:
    """How to build. `base` and `apt_mirror` go to Dockerfiles that declare BASE and APT_MIRROR."""

    prefix: str = "ttg"
    tag: str = "latest"
    base: str = ""
    """Foreign image in place of the Dockerfile's own; empty: its own."""
    apt_mirror: str = ""
    """`scheme://host[:port]` in front of the archive's paths; empty: as the base image has it."""
    force: bool = False
    """Build even what is up to date, without the engine's layer cache."""


@dataclass(frozen=True)
class ImageState:
    """An image as the engine has it. Empty id and size 0 when it is missing."""

    name: str
    tag: str
    status: Literal["built", "current", "stale", "missing"]
    """`built`: just now. `current`: its sources have not changed since. `stale`: they have."""
    image_id: str = ""
    size_bytes: int = 0
    seconds: float = 0.0


async def inspect_images(images: Mapping[str, ImageFolder], options: BuildOptions) -> tuple[ImageState, ...]:
    """How the engine's images stand to the folders. Raises PrerequisiteError without an engine."""
    return await asyncio.to_thread(_inspect_all, images, options)


async def build_images(
    images: Mapping[str, ImageFolder], names: Sequence[str], options: BuildOptions, listener: LogListener
) -> tuple[ImageState, ...]:
    """Build the named images (all when none is named), and below them only what they need, lowest first.

    Cancelling ends the engine's build at its next log line.

    Raises:
        PrerequisiteError: no engine answers, or it stopped answering.
        UsageError: an image does not build; names the step and the last lines.
    """
    loop = asyncio.get_running_loop()
    stop = threading.Event()

    def report(name: str, line: str) -> None:
        if not stop.is_set():
            loop.call_soon_threadsafe(listener, name, line)

    try:
        return await asyncio.to_thread(_build_all, images, names, options, report, stop)
    except asyncio.CancelledError:
        stop.set()
        raise


@contextmanager
def connect_engine() -> Iterator[APIClient]:
    """A client of an engine that answers; whatever the engine or the wire throws becomes ours here."""
    from docker import APIClient
    from docker.errors import APIError, DockerException
    from docker.utils import kwargs_from_env, parse_host
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    try:
        _knock(str(parse_host(os.environ.get("DOCKER_HOST"))))
        client = APIClient(version="auto", timeout=120, **kwargs_from_env())
    except (DockerException, RequestException, OSError) as error:
        raise PrerequisiteError(
            "no Docker engine answers; install and start one (on Debian or Ubuntu: scripts/ensure-docker.sh as root), "
            f"or point DOCKER_HOST at it ({shorten(error)})"
        ) from error
    try:
        yield client
    except APIError as error:
        raise UsageError(f"the Docker engine refuses: {shorten(error.explanation or error)}") from error
    except (DockerException, RequestException, HTTPError) as error:
        raise PrerequisiteError(f"the Docker engine stopped answering: {shorten(error)}") from error
    finally:
        client.close()


def _knock(url: str) -> None:
    """Connect to a socket that should be there: the SDK leaks its own where nobody answers."""
    scheme, _, path = url.partition("://")
    if scheme == "http+unix":
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.connect("/" + path.lstrip("/"))


def shorten(error: object) -> str:
    return " ".join(str(error).split())[:300]


def _find(client: APIClient, tag: str) -> dict[str, Any] | None:
    from docker.errors import ImageNotFound

    try:
        found: dict[str, Any] = client.inspect_image(tag)  # type: ignore[no-untyped-call]
    except ImageNotFound:
        return None
    return found


def _get(client: APIClient, tag: str) -> dict[str, Any]:
    found = _find(client, tag)
    if found is None:
        raise UsageError(f"image {tag} has vanished from the engine while building; build again")
    return found


def _inspect_all(images: Mapping[str, ImageFolder], options: BuildOptions) -> tuple[ImageState, ...]:
    with connect_engine() as client:
        return tuple(_inspect(client, images, name, options) for name in images)


def _inspect(client: APIClient, images: Mapping[str, ImageFolder], name: str, options: BuildOptions) -> ImageState:
    tag = format_tag(name, prefix=options.prefix, tag=options.tag)
    found = _find(client, tag)
    if found is None:
        return ImageState(name=name, tag=tag, status="missing")
    labels = (found.get("Config") or {}).get("Labels") or {}
    current = labels.get(CONTENT_LABEL) == digest_image(images, name, base=options.base)
    parent = images[name].parent
    if parent is not None:
        # A parent that is not here (the image was pulled, say) is no reason to build it.
        below = _find(client, format_tag(parent, prefix=options.prefix, tag=options.tag))
        current = current and (below is None or labels.get(PARENT_LABEL) == below["Id"])
    status: Literal["current", "stale"] = "current" if current else "stale"
    return ImageState(name=name, tag=tag, status=status, image_id=found["Id"], size_bytes=found["Size"])


def _build_all(
    images: Mapping[str, ImageFolder],
    names: Sequence[str],
    options: BuildOptions,
    report: LogListener,
    stop: threading.Event,
) -> tuple[ImageState, ...]:
    done: dict[str, ImageState] = {}
    with connect_engine() as client:
        wanted = order_builds(images, names)
        for name in wanted:
            state = _inspect(client, images, name, options)
            chain = get_ancestry(images, name) if options.force or state.status != "current" else [images[name]]
            for image in chain:
                if image.name in done or stop.is_set():
                    continue
                state = _inspect(client, images, image.name, options)
                if state.status != "current" or (options.force and image.name in wanted):
                    state = _build(client, images, image.name, options, report, stop)
                done[image.name] = state
    return tuple(done.values())


def _build(
    client: APIClient,
    images: Mapping[str, ImageFolder],
    name: str,
    options: BuildOptions,
    report: LogListener,
    stop: threading.Event,
) -> ImageState:
    image = get_image(images, name)
    tag = format_tag(name, prefix=options.prefix, tag=options.tag)
    args = {key: os.environ[key] for key in _PROXIES if os.environ.get(key)}
    labels = {CONTENT_LABEL: digest_image(images, name, base=options.base)}
    given = {"BASE": options.base, "APT_MIRROR": options.apt_mirror}
    if image.parent is not None:
        given["BASE_IMAGE"] = format_tag(image.parent, prefix=options.prefix, tag=options.tag)
        labels[PARENT_LABEL] = _get(client, given["BASE_IMAGE"])["Id"]
    args.update({key: value for key, value in given.items() if value and key in image.build_args})
    started = time.monotonic()
    chunks = client.build(
        path=str(image.path),
        tag=tag,
        buildargs=args,
        labels=labels,
        nocache=options.force,
        rm=True,
        forcerm=True,
        decode=True,
        # An engine that was started without a bridge gives builds no network but the host's.
        network_mode=None if client.networks(names=["bridge"]) else "host",
    )
    if not _follow(name, chunks, report, stop):
        return ImageState(name=name, tag=tag, status="missing")
    built = _get(client, tag)
    seconds = time.monotonic() - started
    return ImageState(name, tag, "built", image_id=built["Id"], size_bytes=built["Size"], seconds=seconds)


def _follow(name: str, chunks: Iterator[dict[str, Any]], report: LogListener, stop: threading.Event) -> bool:
    """Read a build's log line by line; True at its end. Leaving early (False) makes the engine give the build up."""
    last: deque[str] = deque(maxlen=6)
    step = "before its first step"
    pending = failure = ""
    for chunk in chunks:
        if stop.is_set():
            return False
        failure = failure or str(chunk.get("error", ""))
        *lines, pending = (pending + str(chunk.get("stream", ""))).split("\n")
        for line in lines:
            line = line.rstrip("\r ")
            if not line:
                continue
            report(name, line)
            last.append(line)
            if line.startswith("Step "):
                step = line
    # The stream is read to its end even then: an abandoned one keeps its socket.
    if failure:
        raise UsageError(_explain_failure(name, step, failure, [*last, pending]))
    return True


def _explain_failure(name: str, step: str, error: str, last: Sequence[str]) -> str:
    tail = " | ".join(line.strip() for line in last if line.strip() and line != step)
    hint = ""
    if re.search(r": FROM ", step):
        hint = "; if the base image cannot be pulled here, scripts/ensure-docker.sh makes debian:trixie-slim"
    return f"image {name!r} does not build: {shorten(step)}: {shorten(error)}{hint}; last lines: {tail or '(none)'}"
