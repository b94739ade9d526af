"""Image folders: `<dir>/<name>/Dockerfile` and what lies beside it. What lies there is what there is.

A folder stands on another of ours when its Dockerfile says `ARG BASE_IMAGE=ttg-<name>:latest`; the build puts the real
tag in. This module reads folders, orders them, digests them and gives their text to the author's prompt; it needs no
engine and never asks one (that is `image_build.py`). Every complaint is a UsageError that names the folder.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from terminal_task_gen.errors import UsageError
from terminal_task_gen.records import Record, content_digest

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ARG = re.compile(r"^ARG[ \t]+(?P<name>\w+)(?:=(?P<default>\S*))?", re.MULTILINE | re.IGNORECASE)
_OWN_TAG = re.compile(r"ttg-(?P<name>[a-z][a-z0-9_]*)(?::\S+)?")


class ImageFolder(Record):
    """One image as source: a folder with a Dockerfile."""

    name: str
    path: Path
    dockerfile: str

    @property
    def parent(self) -> str | None:
        """Name of the folder of ours that it stands on; None for a foreign base."""
        own = _OWN_TAG.fullmatch(self.build_args.get("BASE_IMAGE", ""))
        return own["name"] if own else None

    @property
    def build_args(self) -> dict[str, str]:
        """Build arguments the Dockerfile declares, with their defaults."""
        return {match["name"]: (match["default"] or "").strip("\"'") for match in _ARG.finditer(self.dockerfile)}


def list_images(folders: Iterable[Path]) -> dict[str, ImageFolder]:
    """All image folders by name, sorted; a later folder overrides an earlier one."""
    images: dict[str, ImageFolder] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"image folder {folder} does not exist; check --images")
        for path in sorted(folder.glob("*/Dockerfile")):
            image = _load_image(path)
            images[image.name] = image
    return dict(sorted(images.items()))


def get_image(images: Mapping[str, ImageFolder], name: str) -> ImageFolder:
    """The named image. Raises UsageError listing the known ones."""
    if name not in images:
        raise UsageError(f"unknown image {name!r}; known: {', '.join(images)}")
    return images[name]


def get_ancestry(images: Mapping[str, ImageFolder], name: str) -> list[ImageFolder]:
    """The image and all it stands on, the lowest first."""
    chain = [get_image(images, name)]
    while (parent := chain[-1].parent) is not None:
        if parent not in images:
            raise UsageError(f"{chain[-1].path}/Dockerfile stands on image {parent!r}, which has no folder")
        if any(image.name == parent for image in chain):
            raise UsageError(f"{chain[-1].path}/Dockerfile: image {parent!r} would stand on itself")
        chain.append(images[parent])
    return chain[::-1]


def get_dockerfile_text(images: Mapping[str, ImageFolder], name: str) -> str:
    """What the image holds, for the author's prompt: its Dockerfile after those it stands on."""
    return "\n\n".join(image.dockerfile.strip() for image in get_ancestry(images, name)) + "\n"


def order_builds(images: Mapping[str, ImageFolder], names: Sequence[str]) -> list[str]:
    """The named images, all when none is named, each after what it stands on."""
    ordered: dict[str, None] = {}
    wanted = set(names or images)
    for name in names or images:
        ordered.update((image.name, None) for image in get_ancestry(images, name) if image.name in wanted)
    return list(ordered)


def format_tag(name: str, *, prefix: str = "ttg", tag: str = "latest") -> str:
    """`<prefix>-<name>:<tag>`, what the engine knows the image by."""
    return f"{prefix}-{name}:{tag}"


def digest_image(images: Mapping[str, ImageFolder], name: str, *, base: str = "") -> str:
    """`sha256:…` of every file of the folder, of those it stands on, and of the foreign base when one is given.

    Modes do not count: an installed copy must have the digest of its checkout.
    """
    digest = base
    for image in get_ancestry(images, name):
        files = {str(path.relative_to(image.path)): _hash_file(path) for path in sorted(image.path.rglob("*"))}
        digest = "sha256:" + content_digest({"files": {k: v for k, v in files.items() if v}, "below": digest})
    return digest


def _hash_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _load_image(path: Path) -> ImageFolder:
    name = path.parent.name
    if not _NAME.fullmatch(name):
        raise UsageError(f"image folder {path.parent}: use lower-case letters, digits and _ for its name")
    try:
        return ImageFolder(name=name, path=path.parent, dockerfile=path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
