"""Pushing and pulling with a real registry on loopback, and what is said when it refuses."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from terminal_task_gen.errors import PrerequisiteError, UsageError
from terminal_task_gen.image_build import BuildOptions, build_images, inspect_images
from terminal_task_gen.image_registry import Place, pull_images, push_images
from terminal_task_gen.images import list_images

# User `ttg`, password `secret`.
HTPASSWD = "ttg:$2b$04$xSkHhwGcG2GXxmEGvW.0G.QWyyHRxU90.SjDwA1exi4bjghQQxmke\n"


def run_docker(*args: str) -> str:
    ran = subprocess.run(["docker", *args], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Debian's docker-registry on a free port of loopback; gives HOST:PORT."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*, users: str = "") -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        config: dict[str, object] = {
            "version": 0.1,
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
            "http": {"addr": f"127.0.0.1:{port}"},
        }
        if users:
            (tmp_path / "htpasswd").write_text(users)
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(tmp_path / "htpasswd")}}
        (tmp_path / "registry.json").write_text(json.dumps(config))
        command = ["docker-registry", "serve", str(tmp_path / "registry.json")]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for _ in range(100):
            with socket.socket() as knocking:
                if knocking.connect_ex(("127.0.0.1", port)) == 0:
                    return f"127.0.0.1:{port}"
            time.sleep(0.1)
        raise AssertionError("docker-registry does not listen")

    yield start
    for process in running:
        with process:
            process.terminate()


@pytest.fixture
def prefix() -> Iterator[str]:
    """Of our own, so that nobody's images are touched; every name under it goes at the end."""
    made = f"ttg-test-{uuid.uuid4().hex[:8]}"
    yield made
    # References with a host in front are matched whole, host and port included.
    for pattern in (f"{made}*", f"*/{made}*"):
        names = run_docker("images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference={pattern}")
        if names:
            run_docker("rmi", "--force", *names.split())


@pytest.fixture
async def folder(tmp_path: Path, prefix: str) -> Path:
    """Two tiny images, built under the prefix."""
    images = tmp_path / "images"
    for name, lines in {
        "base": ("FROM debian:trixie-slim", f"LABEL ttg.test={prefix}", "RUN echo lower > /lower"),
        "upper": ("ARG BASE_IMAGE=ttg-base:latest", "FROM ${BASE_IMAGE}", "RUN echo upper > /upper"),
    }.items():
        (images / name).mkdir(parents=True)
        (images / name / "Dockerfile").write_text("\n".join(lines) + "\n")
    await build_images(list_images([images]), [], BuildOptions(prefix=prefix), lambda name, line: None)
    return images


@pytest.mark.docker
async def test_what_was_pushed_comes_back_the_same_and_current(
    serve: Callable[..., str], folder: Path, prefix: str
) -> None:
    place = Place(f"{serve()}/team/{prefix}", prefix)
    before = await inspect_images(list_images([folder]), BuildOptions(prefix=prefix))
    said: list[str] = []
    await push_images(["base", "upper"], place, said.append)
    assert said[0] == f"{prefix}-base:latest → {place.registry}-base:latest"
    run_docker("rmi", f"{prefix}-upper:latest", f"{prefix}-base:latest")
    assert {s.status for s in await inspect_images(list_images([folder]), BuildOptions(prefix=prefix))} == {"missing"}
    await pull_images(["base", "upper"], place, said.append)
    after = await inspect_images(list_images([folder]), BuildOptions(prefix=prefix))
    assert [state.status for state in after] == ["current", "current"]
    assert [state.image_id for state in after] == [state.image_id for state in before]
    left = run_docker("images", "-q", "--filter", f"reference={place.registry}-*")
    assert left == "", "the registry's names for them were only for the way"


@pytest.mark.docker
async def test_another_prefix_leaves_the_images_of_this_one_alone(
    serve: Callable[..., str], folder: Path, prefix: str
) -> None:
    registry = f"{serve()}/{prefix}"
    await push_images(["base"], Place(registry, prefix), lambda line: None)
    await pull_images(["base"], Place(registry, f"{prefix}-other"), lambda line: None)
    assert run_docker("image", "inspect", "--format", "{{.Id}}", f"{prefix}-other-base:latest") == run_docker(
        "image", "inspect", "--format", "{{.Id}}", f"{prefix}-base:latest"
    )


@pytest.mark.docker
async def test_a_login_is_the_engines_own(
    serve: Callable[..., str], folder: Path, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = serve(users=HTPASSWD)
    place = Place(f"{host}/{prefix}", prefix)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(UsageError, match=rf"registry {host} denies .*log in with: docker login {host}"):
        await push_images(["base"], place, lambda line: None)
    login = base64.b64encode(b"ttg:secret").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": login}}}))
    await push_images(["base"], place, lambda line: None)
    await pull_images(["base"], place, lambda line: None)


@pytest.mark.docker
async def test_what_is_not_in_the_registry_is_named(serve: Callable[..., str], prefix: str) -> None:
    place = Place(f"{serve()}/{prefix}", prefix)
    with pytest.raises(UsageError, match=rf"{place.registry}-base:latest is not in the registry .*; push it first"):
        await pull_images(["base"], place, lambda line: None)


@pytest.mark.docker
async def test_no_registry_and_no_image_are_prerequisites(folder: Path, prefix: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        place = Place(f"127.0.0.1:{closed.getsockname()[1]}/{prefix}", prefix)
        for move in (push_images, pull_images):
            with pytest.raises(PrerequisiteError, match=rf"no registry answers at {place.host} .*; check --registry"):
                await move(["base"], place, lambda line: None)
    with pytest.raises(PrerequisiteError, match=r"is not built; run: ttg images build nowhere"):
        await push_images(["nowhere"], place, lambda line: None)


@pytest.mark.parametrize("registry", ["", "host", "host:5000", "http://host/ttg", "host/TTG", "host/ttg:latest"])
def test_a_registry_is_written_with_host_and_prefix(registry: str) -> None:
    with pytest.raises(UsageError, match=r"write HOST\[:PORT\]/PREFIX in lower case"):
        Place(registry)
