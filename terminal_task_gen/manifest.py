"""What an image holds, to the version: the list that makes a task's machine known after its image is gone.

Read inside a sandbox of the image, through the port, so it says what is there and not what a Dockerfile hoped for:
every Debian package, and the Python distributions that did not come as one. A driver without images has no manifest.
The id is made from name and contents: two builds that installed the same have the same one.
"""

from __future__ import annotations

import json

from terminal_task_gen.errors import PrerequisiteError, SandboxError
from terminal_task_gen.records import Record, content_id
from terminal_task_gen.sandbox import ExecResult, SandboxFactory, SandboxSpec

_LIMIT_SEC = 60.0
_TRIES = 3
"""A container that dies once says nothing about its image."""
_PACKAGES = ("dpkg-query", "-W", "-f", "${db:Status-Status}\t${binary:Package}\t${Version}\n")
_DISTRIBUTIONS = """
import importlib.metadata, json
found = {}
for distribution in importlib.metadata.distributions():
    if not str(distribution.locate_file("")).startswith("/usr/lib/python3"):
        found.setdefault(distribution.metadata["Name"], distribution.version)
print(json.dumps(found))
"""
# Where a command is not installed.
_NOT_FOUND = 127


class ImageManifest(Record):
    """The contents of one image as one engine had it."""

    image: str
    """Name of the image folder."""
    image_digest: str
    packages: dict[str, str]
    """Debian package → version, by name; empty where the image is not Debian's."""
    python: dict[str, str] = {}
    """Python distribution → version, of those that are no Debian packages."""

    @property
    def id(self) -> str:
        """`<image>-<16 hex>`."""
        return content_id(self.image, {"packages": self.packages, "python": self.python})

    def format_lines(self) -> list[str]:
        """`name version`, a package a line, for people and for diff."""
        return [f"{name} {version}" for name, version in {**self.packages, **self.python}.items()]


async def read_manifest(factory: SandboxFactory, image: str, *, run_id: str) -> ImageManifest | None:
    """The image's manifest, None where the driver has no images. PrerequisiteError when it cannot be looked at."""
    digest = await factory.get_image_digest(image)
    if not digest:
        return None
    spec = SandboxSpec(image=image, run_id=run_id, item_id=f"manifest-{image}", one_off=True)
    for number in range(1, _TRIES + 1):
        try:
            packages, python = await _ask(factory, spec)
            break
        except SandboxError as error:
            if number == _TRIES:
                why = f"image {image} does not run, so its contents cannot be listed: {error}"
                raise PrerequisiteError(why) from error
    return ImageManifest(
        image=image,
        image_digest=digest,
        packages=_read_packages(_check(packages, image)),
        python=json.loads(_check(python, image) or "{}"),
    )


async def _ask(factory: SandboxFactory, spec: SandboxSpec) -> tuple[ExecResult, ExecResult]:
    sandbox = await factory.start(spec)
    try:
        packages = await sandbox.exec(_PACKAGES, timeout_sec=_LIMIT_SEC, max_output_bytes=10_000_000)
        return packages, await sandbox.exec(["python3", "-c", _DISTRIBUTIONS], timeout_sec=_LIMIT_SEC)
    finally:
        await sandbox.close()


def _check(result: ExecResult, image: str) -> str:
    """What the command said; nothing where the image has no such command."""
    if result.exit_code == _NOT_FOUND:
        return ""
    if result.exit_code or result.truncated:
        raise PrerequisiteError(f"the contents of image {image} cannot be listed: {result.text[-300:].strip()}")
    return result.stdout.decode(errors="replace")


def _read_packages(text: str) -> dict[str, str]:
    rows = [line.split("\t") for line in text.splitlines()]
    return dict(sorted((name, version) for status, name, version in rows if status == "installed"))
