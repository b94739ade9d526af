"""The list of an image's contents: read inside it, equal for equal contents, none where there are no images."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from terminal_task_gen.errors import PrerequisiteError
from terminal_task_gen.manifest import ImageManifest, read_manifest
from terminal_task_gen.pipeline.contents import load_manifests, record_manifests
from terminal_task_gen.sandbox import SandboxSpec
from terminal_task_gen.sandbox.bubblewrap import BubblewrapFactory
from terminal_task_gen.sandbox.docker import DockerFactory
from terminal_task_gen.sandbox.docker_sandbox import DockerSandbox
from terminal_task_gen.store import RunDirectory

PREFIX = f"ttg-test-{os.getpid()}"
DISTRIBUTION = "/usr/local/lib/python3.13/dist-packages/homemade-1.5.dist-info/METADATA"


class DyingDocker(DockerFactory):
    """Its first container is gone as soon as it runs, as one that somebody killed."""

    def __init__(self) -> None:
        super().__init__()
        self.starts = 0

    async def start(self, spec: SandboxSpec) -> DockerSandbox:
        sandbox = await super().start(spec)
        self.starts += 1
        if self.starts == 1:
            await sandbox.close()
        return sandbox


def derive_image(*commands: str) -> None:
    """`PREFIX-base` with changes of one's own in it."""
    dockerfile = "\n".join(["FROM ttg-base:latest", *(f"RUN {command}" for command in commands)])
    argv = ["docker", "build", "--quiet", "--force-rm", "--tag", f"{PREFIX}-base:latest", "-"]
    subprocess.run(argv, input=dockerfile, text=True, capture_output=True, timeout=120, check=True)


def list_with_dpkg(package: str) -> str:
    argv = ["docker", "run", "--rm", "ttg-base:latest", "dpkg", "--list", package]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout


def remove_image() -> None:
    subprocess.run(["docker", "rmi", "--force", f"{PREFIX}-base:latest"], capture_output=True, timeout=60, check=False)


@pytest.mark.docker
async def test_every_package_is_listed_with_its_version() -> None:
    factory = DockerFactory()
    try:
        manifest = await read_manifest(factory, "base", run_id="test")
    finally:
        await factory.close()
    assert manifest is not None
    assert manifest.packages["tmux"] in list_with_dpkg("tmux")
    assert {"bash", "coreutils", "python3-pytest"} <= set(manifest.packages)
    assert manifest.python == {}, "all of the shipped images comes from apt"
    assert f"tmux {manifest.packages['tmux']}" in manifest.format_lines()


@pytest.mark.docker
async def test_a_container_that_dies_once_is_not_the_images_fault() -> None:
    factory = DyingDocker()
    try:
        manifest = await read_manifest(factory, "base", run_id="test")
    finally:
        await factory.close()
    assert factory.starts == 2
    assert manifest is not None


@pytest.mark.docker
async def test_what_came_past_apt_is_listed_and_changes_the_id() -> None:
    metadata = "'Metadata-Version: 2.1\\nName: homemade\\nVersion: 1.5\\n'"
    shipped, changed = DockerFactory(), DockerFactory(image_prefix=PREFIX)
    try:
        derive_image(f"mkdir -p $(dirname {DISTRIBUTION}) && printf {metadata} > {DISTRIBUTION}")
        plain = await read_manifest(shipped, "base", run_id="test")
        manifest = await read_manifest(changed, "base", run_id="test")
        derive_image("touch /srv/another-layer")
        same = await read_manifest(changed, "base", run_id="test")
    finally:
        await shipped.close()
        await changed.close()
        remove_image()
    assert plain is not None and manifest is not None and same is not None
    assert manifest.python == {"homemade": "1.5"}
    assert manifest.id != plain.id
    assert same.id == plain.id and same.image_digest != plain.image_digest


@pytest.mark.docker
async def test_an_image_without_python_or_dpkg_has_a_manifest_all_the_same() -> None:
    factory = DockerFactory(image_prefix=PREFIX)
    try:
        derive_image("rm -f /usr/bin/python3* /usr/bin/dpkg-query")
        manifest = await read_manifest(factory, "base", run_id="test")
    finally:
        await factory.close()
        remove_image()
    assert manifest is not None and manifest.packages == {} and manifest.python == {}


@pytest.mark.docker
async def test_an_image_that_does_not_run_is_named() -> None:
    factory = DockerFactory(image_prefix=PREFIX)
    try:
        derive_image("rm -f /bin/bash")
        with pytest.raises(PrerequisiteError, match="image base does not run, so its contents cannot be listed"):
            await read_manifest(factory, "base", run_id="test")
    finally:
        await factory.close()
        remove_image()


@pytest.mark.docker
async def test_a_run_reads_an_image_once_and_a_damaged_manifest_again(tmp_path: Path) -> None:
    factory, directory = DockerFactory(), RunDirectory(tmp_path)
    try:
        digests = {"base": await factory.get_image_digest("base")}
        ids = await record_manifests(directory, factory, digests, run_id="test")
        (path,) = directory.images_dir.iterdir()
        assert path.name == f"{ids['base']}.json"
        # Where it is known no sandbox is asked, so an impossible version stays.
        known = ImageManifest.model_validate_json(path.read_bytes())
        path.write_text(known.model_copy(update={"packages": {"tmux": "0"}}).model_dump_json())
        assert await record_manifests(directory, factory, digests, run_id="test") != ids
        path.write_text("{")
        assert load_manifests(directory) == []
        assert await record_manifests(directory, factory, digests, run_id="test") == ids
    finally:
        await factory.close()


@pytest.mark.bubblewrap
async def test_without_images_there_is_no_manifest(tmp_path: Path) -> None:
    factory = BubblewrapFactory()
    try:
        assert await record_manifests(RunDirectory(tmp_path), factory, {"base": ""}, run_id="test") == {"base": ""}
    finally:
        await factory.close()
    assert list(tmp_path.iterdir()) == []
