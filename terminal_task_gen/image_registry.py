"""Brings domain images to a registry and from it, so that a fleet of machines runs the very same ones.

Any registry that speaks the distribution API will do; the engine talks to it, with the login that `docker login` left
behind. There an image is `<registry>-<name>:<tag>`, here `<prefix>-<name>:<tag>`. An image gets its name when it is
whole; the engine calls block and so live behind `asyncio.to_thread`. What a registry refuses is one line: nobody
answers, not there, not allowed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from terminal_task_gen.errors import PrerequisiteError, UsageError
from terminal_task_gen.image_build import connect_engine, shorten
from terminal_task_gen.images import format_tag

if TYPE_CHECKING:
    from docker import APIClient

_REGISTRY = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::\d+)?(?:/[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)")
_DENIED = re.compile(r"denied|unauthorized|authentication required|no basic auth|forbidden", re.IGNORECASE)
_ABSENT = re.compile(r"manifest unknown|not found|name unknown", re.IGNORECASE)
_NOT_TLS = "server gave HTTP response to HTTPS client"

MoveListener = Callable[[str], None]
"""Called with one line per image, from the thread at work."""


@dataclass(frozen=True)
class Place:
    """Where images are: here by prefix and tag, there by registry (`HOST[:PORT]/PREFIX`) and the same tag."""

    registry: str
    prefix: str = "ttg"
    tag: str = "latest"

    def __post_init__(self) -> None:
        if not _REGISTRY.fullmatch(self.registry):
            raise UsageError(
                f"registry {self.registry!r}: write HOST[:PORT]/PREFIX in lower case, e.g. registry.example:5000/ttg"
            )

    @property
    def host(self) -> str:
        return self.registry.partition("/")[0]

    def format_here(self, name: str) -> str:
        return format_tag(name, prefix=self.prefix, tag=self.tag)

    def format_there(self, name: str) -> str:
        return format_tag(name, prefix=self.registry, tag=self.tag)


async def push_images(names: Sequence[str], place: Place, listener: MoveListener) -> None:
    """Push the named images. Raises PrerequisiteError (engine, registry, image not built), UsageError (refused)."""
    await asyncio.to_thread(_move_all, _push, names, place, listener)


async def pull_images(names: Sequence[str], place: Place, listener: MoveListener) -> None:
    """Pull the named images and call them by our prefix; what had that name loses it. Raises as `push_images`."""
    await asyncio.to_thread(_move_all, _pull, names, place, listener)


def _move_all(
    move: Callable[[APIClient, str, Place], str], names: Sequence[str], place: Place, listener: MoveListener
) -> None:
    with connect_engine() as client:
        for name in names:
            listener(move(client, name, place))


def _push(client: APIClient, name: str, place: Place) -> str:
    from docker.errors import ImageNotFound

    here, there = place.format_here(name), place.format_there(name)
    with _name_for_now(client, there), _explain(there, place):
        try:
            client.tag(here, there.removesuffix(f":{place.tag}"), place.tag)
        except ImageNotFound as error:
            raise PrerequisiteError(f"image {here} is not built; run: ttg images build {name}") from error
        _follow(client.push(there, stream=True, decode=True))
    return f"{here} → {there}"


def _pull(client: APIClient, name: str, place: Place) -> str:
    here, there = place.format_here(name), place.format_there(name)
    with _name_for_now(client, there), _explain(there, place):
        _follow(client.pull(there, stream=True, decode=True))
        client.tag(there, here.removesuffix(f":{place.tag}"), place.tag)
    return f"{there} → {here}"


@contextmanager
def _name_for_now(client: APIClient, tag: str) -> Iterator[None]:
    """The engine moves images by the registry's name for them; that name goes afterwards unless it was there before."""
    from docker.errors import ImageNotFound

    was_there = bool(client.images(name=tag))
    try:
        yield
    finally:
        if not was_there:
            with suppress(ImageNotFound):
                client.remove_image(tag, noprune=True)


@contextmanager
def _explain(there: str, place: Place) -> Iterator[None]:
    from docker.errors import APIError

    try:
        yield
    except APIError as error:
        raise _explain_refusal(str(error.explanation or error), there, place) from error
    except _RefusedError as error:
        raise _explain_refusal(str(error), there, place) from error


class _RefusedError(Exception):
    """What the engine says at the end of a stream that began well."""


def _follow(chunks: Iterator[dict[str, Any]]) -> None:
    failure = ""
    # The stream is read to its end even then: an abandoned one keeps its socket.
    for chunk in chunks:
        failure = failure or str(chunk.get("error", ""))
    if failure:
        raise _RefusedError(failure)


def _explain_refusal(said: str, there: str, place: Place) -> UsageError:
    said = shorten(said)
    # A registry that wants a login says so of images that do not exist, too; so this comes first.
    if _DENIED.search(said):
        return UsageError(f"registry {place.host} denies {there} ({said}); log in with: docker login {place.host}")
    if _ABSENT.search(said):
        return UsageError(f"{there} is not in the registry ({said}); push it first, or check --registry and --tag")
    if _NOT_TLS in said:
        return UsageError(
            f"registry {place.host} speaks plain HTTP ({said}); name it in the engine's insecure-registries"
        )
    return PrerequisiteError(f"no registry answers at {place.host} ({said}); check --registry, or start it")
