"""Building and probing with a real engine: what is up to date is skipped, failures name their step, promises hold."""

from __future__ import annotations

import asyncio
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal_task_gen.errors import PrerequisiteError, UsageError
from terminal_task_gen.image_build import BuildOptions, build_images, inspect_images
from terminal_task_gen.image_check import check_image, list_promised_tools
from terminal_task_gen.images import format_tag, list_images
from terminal_task_gen.resources import data_dir
from terminal_task_gen.taxonomy import load_domains

DOMAINS = load_domains([data_dir("taxonomy")])
PROMPT = r"\u@\h:\w\$ "


def run_docker(*args: str) -> str:
    ran = subprocess.run(["docker", *args], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture
def options() -> Iterator[BuildOptions]:
    """A prefix of its own, so that nobody's images are touched; what was built under it is removed, names or not."""
    made = BuildOptions(prefix=f"ttg-test-{uuid.uuid4().hex[:8]}")
    yield made
    # An image goes only after those built on it, and the engine does not list them in that order.
    for _ in range(6):
        argv = ["docker", "images", "-q", "--no-trunc", "--filter", f"label=ttg.test={made.prefix}"]
        left = set(subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout.split())
        if not left:
            return
        subprocess.run(["docker", "rmi", "--force", *left], capture_output=True, timeout=60, check=False)
    raise AssertionError(f"images of {made.prefix} could not be removed: {left}")


@pytest.fixture
def folder(tmp_path: Path, options: BuildOptions) -> Path:
    # The label also keeps the engine's layer cache of an earlier run out of this one.
    put_dockerfile(
        tmp_path, "base", "FROM debian:trixie-slim", f"LABEL ttg.test={options.prefix}", "RUN echo lower > /lower"
    )
    put_dockerfile(tmp_path, "upper", "ARG BASE_IMAGE=ttg-base:latest", "FROM ${BASE_IMAGE}", "RUN cat /lower")
    return tmp_path


def put_dockerfile(folder: Path, name: str, *lines: str) -> None:
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "Dockerfile").write_text("\n".join(lines) + "\n", encoding="utf-8")


async def build(folder: Path, options: BuildOptions, *names: str) -> tuple[dict[str, str], list[str]]:
    log: list[str] = []
    states = await build_images(list_images([folder]), names, options, lambda name, line: log.append(f"{name}: {line}"))
    return {state.name: state.status for state in states}, log


@pytest.mark.docker
async def test_only_what_changed_is_built(folder: Path, options: BuildOptions) -> None:
    states, log = await build(folder, options, "upper")
    assert states == {"base": "built", "upper": "built"}
    assert "upper: lower" in log, "the build's own output is reported line by line, from the image below of this prefix"
    assert await build(folder, options, "upper") == ({"upper": "current"}, [])
    lines = (folder / "base" / "Dockerfile").read_text(encoding="utf-8").replace("lower >", "changed >").splitlines()
    put_dockerfile(folder, "base", *lines)
    known = {state.name: state.status for state in await inspect_images(list_images([folder]), options)}
    assert known == {"base": "stale", "upper": "stale"}
    states, log = await build(folder, options, "upper")
    assert states == {"base": "built", "upper": "built"}
    assert "upper: changed" in log


@pytest.mark.docker
async def test_an_image_is_stale_when_the_one_below_was_built_anew(folder: Path, options: BuildOptions) -> None:
    await build(folder, options)
    forced = BuildOptions(prefix=options.prefix, force=True)
    assert (await build(folder, forced, "base"))[0] == {"base": "built"}
    assert (await build(folder, options))[0] == {"base": "current", "upper": "built"}


@pytest.mark.docker
async def test_a_failing_step_is_named_with_its_last_lines(folder: Path, options: BuildOptions) -> None:
    put_dockerfile(folder, "upper", "FROM debian:trixie-slim", "RUN echo nearly there && false")
    with pytest.raises(UsageError) as caught:
        await build(folder, options, "upper")
    message = str(caught.value)
    assert "image 'upper' does not build: Step 2/" in message
    assert "RUN echo nearly there && false" in message
    assert "| nearly there" in message
    assert "\n" not in message
    assert (await inspect_images(list_images([folder]), options))[1].status == "missing"


@pytest.mark.docker
async def test_cancelling_leaves_no_image(folder: Path, options: BuildOptions) -> None:
    put_dockerfile(folder, "base", "FROM debian:trixie-slim", "RUN for i in $(seq 40); do echo tick; sleep 0.1; done")
    ticking = asyncio.Event()

    def listen(name: str, line: str) -> None:
        if line == "tick":
            ticking.set()

    images = list_images([folder])
    running = asyncio.create_task(build_images(images, ["base"], options, listen))
    await ticking.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.get_running_loop().shutdown_default_executor()
    assert run_docker("images", "-q", f"{options.prefix}-base") == ""


@pytest.mark.docker
async def test_what_an_image_lacks_is_listed() -> None:
    tools = ["bash", "no-such-tool", "python3:no_such_module", "[", "python3:json"]
    found = await check_image(format_tag("base"), tools)
    assert found.missing == ("no-such-tool", "python3:no_such_module")
    assert run_docker("ps", "-aq", "--filter", "label=ttg.role=check") == ""


@pytest.mark.docker
async def test_an_image_that_is_not_there_is_a_prerequisite() -> None:
    with pytest.raises(PrerequisiteError, match=r"ttg-test-none:latest is not there; make it with: ttg images build"):
        await check_image("ttg-test-none:latest", ["bash"])


async def test_tools_that_cannot_be_asked_for_are_refused() -> None:
    with pytest.raises(UsageError, match="tool 'rm -rf x': write a command's name"):
        await check_image("any", ["bash", "rm -rf x"])


async def test_no_engine_is_a_prerequisite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    with pytest.raises(PrerequisiteError, match=r"no Docker engine answers; .*ensure-docker.sh"):
        await inspect_images(list_images([data_dir("images")]), BuildOptions())


@pytest.mark.docker
@pytest.mark.parametrize("image", sorted({domain.image for domain in DOMAINS.values()}))
async def test_shipped_images_hold_what_the_taxonomy_promises(image: str) -> None:
    tools = list_promised_tools(DOMAINS.values(), image)
    assert tools
    assert (await check_image(format_tag(image), tools)).missing == ()


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.parametrize("image", sorted({domain.image for domain in DOMAINS.values()}))
def test_using_python_changes_no_system_file(image: str) -> None:
    modules = [tool[8:] for tool in list_promised_tools(DOMAINS.values(), image) if tool.startswith("python3:")]
    script = f"import {', '.join(['ssl', 'sqlite3', 'asyncio', 'unittest', 'email.mime.text', *modules])}"
    name = f"ttg-test-{os.getpid()}-{image}"
    command = f"cd /tmp && python3 -c '{script}' && echo 'def test_a(): pass' > test_a.py && python3 -m pytest -q"
    try:
        run_docker("run", "--name", name, "--network", "none", format_tag(image), "bash", "-c", command)
        changed = [line[2:] for line in run_docker("diff", name).splitlines()]
    finally:
        run_docker("rm", "--force", name)
    assert [path for path in changed if path.startswith(("/usr", "/etc", "/opt", "/lib", "/bin", "/app"))] == []


@pytest.mark.docker
def test_every_shell_has_the_plain_prompt_and_utf8() -> None:
    script = "bash -ic 'echo \"$PS1\"'; bash -lic 'echo \"$PS1\"'; locale charmap; pwd; ls -A; python --version"
    out = run_docker("run", "--rm", "-t", "--hostname", "sandbox", format_tag("base"), "bash", "-c", script)
    lines = [line.rstrip("\r") for line in out.split("\n") if line.strip()]
    assert lines[:4] == [PROMPT, PROMPT, "UTF-8", "/app"]
    assert lines[4].startswith("Python 3."), "and /app is empty"
