"""Task directories in Harbor's format (1.0 to 1.4; facts: Harbor 0.24 §1) become tasks of ours.

What a directory holds is read, nothing is run here. What we cannot keep faithfully is refused with its reason, never
bent: several steps, several containers, an allow-list of hosts, values that only the importer's environment knows.
An image is two folders for `ttg images build` at most: the task's own, and one above it with what a terminal needs.

    environment/Dockerfile → imported_<digest>_env/   as it is
                             imported_<digest>/       + tmux, bash, /logs
    docker_image           → imported_<digest>/       FROM that image
"""

from __future__ import annotations

import base64
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terminal_task_gen.errors import GateError, UsageError
from terminal_task_gen.records import content_digest, content_id
from terminal_task_gen.task import Difficulty, Foreign, GateResult, Limits, Lineage, Task, TaskFile

DOMAIN = "imported"
FORMAT = "harbor-1.4"
MAX_FILES_BYTES = 50_000_000
"""Of tests and solution together: they stand in the task's line."""
DEFAULT_AGENT_TIMEOUT_SEC = 900.0
"""Where the directory sets none; Harbor has no limit then."""
DEFAULT_VERIFIER_TIMEOUT_SEC = 600.0
_CANARY = re.compile(r"\A(?:\s*(?:<!--.*?-->|#[^\n]*)\s*(?:\n|\Z))", re.DOTALL)
_VARIABLE = re.compile(r"\$\{\w+(?::-(?P<default>[^}]*))?\}")
_LEVELS: dict[str, Difficulty] = {"easy": "easy", "medium": "medium", "hard": "hard"}
_NEEDS = """
USER root
RUN (command -v tmux && command -v bash) > /dev/null \\
    || (apt-get update && apt-get install -y --no-install-recommends tmux bash && rm -rf /var/lib/apt/lists/*) \\
    || apk add --no-cache tmux bash \\
    || (dnf install -y tmux bash && dnf clean all)
RUN mkdir -p /logs/agent /logs/verifier /logs/artifacts
"""


@dataclass(frozen=True)
class HarborDirectory:
    """A directory that looks like a task, not yet read."""

    path: Path

    @property
    def id(self) -> str:
        """Of the whole content, so that an edited directory is another task."""
        files = {str(p.relative_to(self.path)): content_digest(p.read_bytes().hex()) for p in _walk(self.path)}
        return content_id("req", {"harbor": self.path.name, "files": files})


def find_directories(roots: list[Path]) -> list[HarborDirectory]:
    """Every task directory at or below the given ones, in order of name. Raises UsageError where there is none."""
    found: dict[Path, HarborDirectory] = {}
    for root in roots:
        if not root.is_dir():
            raise UsageError(f"{root} is not a folder; give a Harbor task directory, or a folder of them")
        here = [root] if (root / "task.toml").is_file() else sorted(path.parent for path in root.rglob("task.toml"))
        if not here:
            raise UsageError(f"{root} holds no task.toml; give a Harbor task directory, or a folder of them")
        found.update((path.resolve(), HarborDirectory(path)) for path in here)
    return list(found.values())


def read_task(directory: HarborDirectory, index: int) -> Task:
    """The task, its image named but not built. Raises GateError with a reason that begins with `harbor_`."""
    path = directory.path
    settings = _read_toml(path / "task.toml")
    for name, reason in (("steps", "harbor_multi_step"), ("environment/docker-compose.yaml", "harbor_compose")):
        if (path / name).exists():
            raise GateError(reason, f"{path / name}: such tasks cannot be kept faithfully here")
    metadata = settings.get("metadata", {})
    foreign = Foreign(
        origin="harbor",
        test_files=_read_files(path / "tests"),
        solution_files=_read_files(path / "solution"),
        verifier_env=_resolve(settings.get("verifier", {}).get("env", {}), "verifier.env"),
    )
    if not any(file.path == "test.sh" for file in foreign.test_files):
        raise GateError("harbor_no_tests", f"{path}/tests/test.sh is missing")
    instruction = _read_instruction(path / "instruction.md")
    image = name_image(path, settings)
    name = str(settings.get("task", {}).get("name") or path.name)
    limits = _read_limits(settings)
    content = {"instruction": instruction, "image": image, "foreign": foreign.model_dump(mode="json")}
    tags = [metadata.get("category"), *(metadata.get("tags") or [])]
    return Task(
        id=content_id(DOMAIN, {**content, "limits": limits.model_dump(mode="json")}),
        domain=DOMAIN,
        image=image,
        difficulty=_LEVELS.get(str(metadata.get("difficulty", "")).lower(), "medium"),
        title=name,
        instruction=instruction,
        files=(),
        tests="",
        weights={"reward": 1.0},
        tags=tuple(str(tag) for tag in tags if tag),
        foreign=foreign,
        limits=limits,
        gates=(GateResult(gate="import", evidence=_note_losses(settings)),),
        lineage=Lineage(
            request_id=directory.id,
            mode="import",
            index=index,
            seed_id=f"harbor:{name}",
            author_model="",
            prompt_version=FORMAT,
        ),
    )


def name_image(path: Path, settings: Mapping[str, Any]) -> str:
    """`imported_<16 hex>` of everything that decides the image."""
    environment = path / "environment"
    files = {str(p.relative_to(environment)): content_digest(p.read_bytes().hex()) for p in _walk(environment)}
    reference = settings.get("environment", {}).get("docker_image")
    if not reference and "Dockerfile" not in files:
        raise GateError("harbor_no_image", f"{path} has neither environment/Dockerfile nor environment.docker_image")
    wanted = {"files": files, "reference": reference, "needs": _NEEDS, **_read_surroundings(settings)}
    return f"imported_{content_digest(wanted)[:16]}"


def write_image(directory: HarborDirectory, image: str, folder: Path) -> None:
    """Lay the image's folders below `folder`, for `ttg images build`. What is there already is left alone."""
    settings = _read_toml(directory.path / "task.toml")
    environment = directory.path / "environment"
    reference = settings.get("environment", {}).get("docker_image")
    above = folder / image
    if (above / "Dockerfile").is_file():
        return
    above.mkdir(parents=True, exist_ok=True)
    surroundings = _read_surroundings(settings)
    lines = [f"# A terminal for {directory.path.name}, imported from Harbor."]
    if reference:
        lines.append(f"FROM {reference}")
        if any(_walk(environment)) and not (environment / "Dockerfile").is_file():
            # Harbor copies such files into the working directory of the started container.
            shutil.copytree(environment, above / "files", dirs_exist_ok=True)
            lines.append(f"COPY files/ {surroundings['workdir'] or './'}")
    else:
        shutil.copytree(environment, folder / f"{image}_env", dirs_exist_ok=True)
        lines += [f"ARG BASE_IMAGE=ttg-{image}_env:latest", "FROM ${BASE_IMAGE}"]
    lines.append(_NEEDS.strip())
    lines += [f"ENV {key}={_quote(value)}" for key, value in surroundings["env"].items()]
    if surroundings["workdir"]:
        lines.append(f"WORKDIR {surroundings['workdir']}")
    (above / "Dockerfile").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _quote(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'


def _read_surroundings(settings: Mapping[str, Any]) -> dict[str, Any]:
    environment = settings.get("environment", {})
    return {"env": _resolve(environment.get("env", {}), "environment.env"), "workdir": environment.get("workdir") or ""}


def _read_limits(settings: Mapping[str, Any]) -> Limits:
    environment, agent = settings.get("environment", {}), settings.get("agent", {})
    mode = agent.get("network_mode") or environment.get("network_mode")
    if mode is None:
        mode = "public" if environment.get("allow_internet", True) else "no-network"
    if mode == "allowlist":
        raise GateError("harbor_allowlist", "network_mode = allowlist: only public and no-network can be kept")
    defaults = Limits()
    return Limits(
        agent_timeout_sec=float(agent.get("timeout_sec") or DEFAULT_AGENT_TIMEOUT_SEC),
        verifier_timeout_sec=float(settings.get("verifier", {}).get("timeout_sec") or DEFAULT_VERIFIER_TIMEOUT_SEC),
        memory_mb=int(environment.get("memory_mb") or _parse_size_mb(environment.get("memory")) or defaults.memory_mb),
        cpus=float(environment.get("cpus") or defaults.cpus),
        network=mode == "public",
    )


def _parse_size_mb(text: object) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT])i?B?", str(text or "").strip(), re.IGNORECASE)
    factor = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024 * 1024}
    return int(float(match[1]) * factor[match[2].upper()]) if match else 0


def _note_losses(settings: Mapping[str, Any]) -> str:
    """What the directory asks for and we do not do, in one line for a person."""
    environment = settings.get("environment", {})
    lost = [
        f"environment.{key}" for key in ("healthcheck", "mcp_servers", "skills_dir", "gpus") if environment.get(key)
    ]
    lost += [f"{part}.user" for part in ("agent", "verifier") if settings.get(part, {}).get("user")]
    return f"passed over: {', '.join(lost)}" if lost else ""


def _resolve(values: Mapping[str, Any], where: str) -> dict[str, str]:
    """Values with `${NAME:-default}` filled in by the default: what only a host knows must not enter a corpus."""
    resolved = {}
    for key, value in values.items():
        missing = [m for m in _VARIABLE.finditer(str(value)) if m["default"] is None]
        if missing:
            raise GateError("harbor_host_variable", f"{where}.{key} needs {missing[0][0]} of the host")
        resolved[str(key)] = _VARIABLE.sub(lambda match: match["default"], str(value))
    return resolved


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise GateError("harbor_task_toml", f"{path}: {error}") from error


def _read_instruction(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise GateError("harbor_instruction", f"{path}: {error}") from error
    while (match := _CANARY.match(text)) and "canary" in match[0].lower():
        text = text[match.end() :]
    if not text.strip():
        raise GateError("harbor_instruction", f"{path} says nothing")
    return text.strip() + "\n"


def _read_files(folder: Path) -> tuple[TaskFile, ...]:
    files: list[TaskFile] = []
    size_bytes = 0
    for path in _walk(folder):
        data = path.read_bytes()
        size_bytes += len(data)
        if size_bytes > MAX_FILES_BYTES:
            raise GateError("harbor_too_large", f"{folder} holds more than {MAX_FILES_BYTES // 1_000_000} MB")
        files.append(_make_file(path.relative_to(folder).as_posix(), data, bool(path.stat().st_mode & 0o100)))
    return tuple(files)


def _make_file(path: str, data: bytes, executable: bool) -> TaskFile:
    try:
        return TaskFile(path=path, content=data.decode(), executable=executable)
    except UnicodeDecodeError:
        content = base64.b64encode(data).decode()
        return TaskFile(path=path, content=content, encoding="base64", executable=executable)


def _walk(folder: Path) -> Iterator[Path]:
    """Regular files below a folder, in order; links are left out."""
    if folder.is_dir():
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
