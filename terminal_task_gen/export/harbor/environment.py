"""environment/ of an exported task: what its machine is built from.

Two ways. `image`: FROM the domain's image, which whoever runs the task must have built or pulled. `dockerfile`: the
text of our Dockerfiles put together, so that any engine that reaches a Debian mirror can build it from nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum

from terminal_task_gen.errors import UsageError
from terminal_task_gen.records import Record

_BASE_ARG = re.compile(r"^ARG[ \t]+BASE_IMAGE(=\S*)?[ \t]*\n", re.MULTILINE)
_FROM_BASE = re.compile(r"^FROM[ \t]+\$\{?BASE_IMAGE\}?[ \t]*$", re.MULTILINE)
_FROM = re.compile(r"^FROM[ \t]+(\S+)[ \t]*$", re.MULTILINE)


class Base(StrEnum):
    """What an exported task's Dockerfile starts from."""

    IMAGE = "image"
    DOCKERFILE = "dockerfile"


class ImageLayer(Record):
    """An image folder: its Dockerfile and what lies beside it."""

    name: str
    dockerfile: str
    files: dict[str, bytes] = {}
    """Path relative to the folder → content."""


class ImageRecipe(Record):
    """How a domain's image is had."""

    tag: str
    """What the engine knows it by, e.g. `ttg-security:latest`."""
    layers: tuple[ImageLayer, ...] = ()
    """The image's folder and those it stands on, the lowest first; only for Base.DOCKERFILE."""


def render_dockerfile(recipe: ImageRecipe, base: Base, *, with_files: bool) -> str:
    """environment/Dockerfile. `with_files`: there is a folder `files` beside it that goes to /app."""
    text = f"FROM {recipe.tag}\n" if base is Base.IMAGE else _join_layers(recipe.layers)
    return text + ("COPY files/ /app/\n" if with_files else "")


def list_context_files(layers: Sequence[ImageLayer]) -> Mapping[str, bytes]:
    """What the joined Dockerfile copies. Raises UsageError where two layers have different files of one name."""
    files: dict[str, bytes] = {}
    for layer in layers:
        for path, content in layer.files.items():
            if path == "files" or path.startswith("files/") or files.get(path, content) != content:
                raise UsageError(f"image {layer.name}: {path} clashes with another file; use --base image")
            files[path] = content
    return files


def _join_layers(layers: Sequence[ImageLayer]) -> str:
    """One stage a layer, each on the one before."""
    stages: list[str] = []
    for place, layer in enumerate(layers):
        text = layer.dockerfile.strip()
        if place:
            text = _FROM_BASE.sub(f"FROM {layers[place - 1].name}", _BASE_ARG.sub("", text))
        stages.append(_FROM.sub(rf"FROM \1 AS {layer.name}", text, count=1))
    return "\n\n".join(stages) + "\n"
