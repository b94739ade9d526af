"""The configuration: one frozen tree, YAML in, `--set a.b=c` on top, the resolved one saved in the run.

Unknown fields are refused. Secrets are never in it: endpoints name the environment variable that holds their key.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from terminal_task_gen.errors import UsageError
from terminal_task_gen.records import Record
from terminal_task_gen.task import Difficulty, Limits, Mode


class EndpointConfig(Record):
    """An OpenAI-compatible endpoint and how to call it."""

    base_url: str = ""
    """E.g. `http://127.0.0.1:8000/v1`. Empty: not configured; commands that need a teacher then say so."""
    model: str = ""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable with the key. Empty: the endpoint needs none."""
    temperature: float | None = Field(default=None, ge=0.0)
    """None: not sent, the endpoint decides. The same holds for top_p and max_tokens."""
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    max_tokens: int | None = Field(default=None, gt=0)
    """Limit of one reply."""
    extra_body: dict[str, Any] = {}
    """Sent as is in every request's body, e.g. `{chat_template_kwargs: {enable_thinking: true}}`."""
    parallel: int = Field(default=16, ge=1)
    """Calls in flight at once."""
    max_retries: int = Field(default=6, ge=0)
    """Tries after the first, for 408, 409, 429, 5xx, connection errors, timeouts and empty or broken replies."""
    timeout_sec: float = Field(default=600.0, gt=0.0)
    """Limit of one call."""
    max_backoff_sec: float = Field(default=60.0, gt=0.0)
    """Longest wait between two tries; a longer Retry-After is honoured up to ten times this."""
    prompt_usd_per_mtok: float = Field(default=0.0, ge=0.0)
    completion_usd_per_mtok: float = Field(default=0.0, ge=0.0)


class TeacherConfig(Record):
    """Who writes tasks and who solves them."""

    author: EndpointConfig = EndpointConfig()
    actor: EndpointConfig | None = None
    """None: the author's endpoint acts too."""

    def get_actor(self) -> EndpointConfig:
        return self.actor if self.actor is not None else self.author


class GenerateConfig(Record):
    """What to ask for."""

    modes: tuple[Mode, ...] = Field(default=("skill",), min_length=1)
    domains: tuple[str, ...] = ()
    """Empty: all in the taxonomy."""
    count: int = Field(default=10, ge=0)
    """Requests per mode (skill mode: dealt over the domains in turn; seed mode: over the seeds)."""
    tasks_per_seed: int = Field(default=0, ge=0)
    """Requests that one seed may become; 0: as many as `count` leaves room for."""
    difficulty: Difficulty | Literal["mixed"] = "mixed"
    """`mixed` draws a level for each request by `difficulty_weights`."""
    difficulty_weights: dict[Difficulty, float] = {"easy": 0.3, "medium": 0.5, "hard": 0.2}
    skills_per_task: tuple[int, int] = (3, 5)
    """Least and most skills to combine (paper §3.2: typically 3-5)."""
    skill_choice: Literal["sampled", "menu"] = "sampled"
    """`sampled`: the author gets the skills to combine. `menu`: it picks from a longer list. The paper allows both."""
    menu_size: int = Field(default=24, ge=5)
    reference_solution: bool = True
    """Ask for a private solution, which the oracle gate runs. Without one, only fail-first guards the tests."""
    repair_rounds: int = Field(default=1, ge=0, le=5)
    parallel: int = Field(default=16, ge=1)
    """Requests worked on at once."""
    max_file_bytes: int = Field(default=2_000_000, ge=1)
    max_files: int = Field(default=40, ge=1)
    limits: Limits = Limits()
    """Given to every task."""

    @field_validator("modes", "domains")
    @classmethod
    def _drop_repeated(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(values))


class SandboxConfig(Record):
    """Where tasks run."""

    driver: Literal["auto", "docker", "bubblewrap"] = "auto"
    """`auto`: Docker where an engine answers, else bubblewrap."""
    parallel: int = Field(default=2, ge=1)
    """Sandboxes at once for gates."""
    image_prefix: str = "ttg"
    """Images are called `<prefix>-<folder>:<tag>`; a registry may stand in front, as in `reg:5000/ttg`."""
    image_tag: str = "latest"
    max_processes: int = Field(default=512, ge=16)
    disk_mb: int = Field(default=2048, ge=16)


class RolloutConfig(Record):
    """How the actor works."""

    attempts: int = Field(default=1, ge=1)
    parallel: int = Field(default=4, ge=1)
    """Rollouts at once; each holds one sandbox."""
    max_turns: int = Field(default=50, ge=1)
    max_tokens: int = Field(default=0, ge=0)
    """Prompt and completion tokens of one rollout together; 0: no limit."""
    timeout_sec: float | None = None
    """None: the task's own agent_timeout_sec."""
    wait: Literal["prompt", "duration"] = "prompt"
    """`prompt`: a step ends when the shell is back at its prompt and quiet, at the latest when its duration is over."""
    columns: int = Field(default=160, ge=40)
    rows: int = Field(default=40, ge=10)
    max_observation_bytes: int = Field(default=10_000, ge=1_000)
    record: bool = True
    """Keep an asciicast of every rollout under recordings/."""
    max_sandbox_retries: int = Field(default=2, ge=0)
    """Fresh tries within a run when a sandbox breaks."""


class FilterConfig(Record):
    """What is kept. Defaults are the paper's; completion and success are not demanded (paper §5: no filter won)."""

    contamination: bool = True
    benchmarks: tuple[Path, ...] = ()
    """JSONL files with an `instruction` (or `prompt`) field, or folders of Harbor tasks."""
    ngram: int = Field(default=14, ge=2)
    """Words; shorter benchmark prompts match as a whole."""
    identity: bool = True
    identity_terms: tuple[str, ...] = ()
    """Names that betray the teacher, besides the built-in list and the configured model's own name."""
    chinese: bool = True
    completed_only: bool = False
    success_only: bool = False
    licence: str = "cc-by-4.0"
    """Put on the dataset card."""


class Config(Record):
    """Everything of one run. `name` and `output_dir` say where: `<output_dir>/<name>/`."""

    name: str = Field(default="run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    output_dir: Path = Path("runs")
    seed: int = 0
    taxonomy_dirs: tuple[Path, ...] = ()
    """Folders of domains that are added to, or override, the shipped ones. The same for image_dirs."""
    image_dirs: tuple[Path, ...] = ()
    seed_dirs: tuple[Path, ...] = ()
    """Folders of seeds; when given they replace the shipped ones."""
    date: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    """Put on every corpus row; None: the day the run was started."""
    shard_mb: int = Field(default=256, ge=1)
    """A shard is sealed when it has grown past this."""
    teacher: TeacherConfig = TeacherConfig()
    generate: GenerateConfig = GenerateConfig()
    sandbox: SandboxConfig = SandboxConfig()
    rollout: RolloutConfig = RolloutConfig()
    filter: FilterConfig = FilterConfig()

    @field_validator("date", mode="before")
    @classmethod
    def _write_date(cls, value: Any) -> Any:
        """YAML reads an unquoted day as a date."""
        return value.isoformat() if isinstance(value, datetime.date) else value

    @property
    def run_dir(self) -> Path:
        return self.output_dir / self.name


def load_config(path: Path | None, overrides: Sequence[str] = (), flags: Mapping[str, Any] | None = None) -> Config:
    """Read a YAML file (or defaults), put `flags` (a tree) and then `a.b=value` overrides (YAML) on top, check it all.

    Raises UsageError with one line: what is wrong, where, and the remedy.
    """
    data: dict[str, Any] = {} if path is None else _read_yaml(path)
    _merge(data, flags or {})
    for override in overrides:
        _merge(data, _parse_override(override))
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise UsageError(_explain(error, str(path) if path else "configuration")) from error


def dump_config(config: Config) -> str:
    """The resolved configuration as YAML that `load_config` reads back to the same tree."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise UsageError(f"{path}: the top level must be a mapping of fields, not {type(data).__name__}")
    return data


def _parse_override(text: str) -> dict[str, Any]:
    key, equals, raw = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {text!r}: write it as field.name=value, e.g. --set rollout.parallel=8")
    try:
        value: Any = yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise UsageError(f"--set {text!r}: the value is not valid YAML: {' '.join(str(error).split())}") from error
    for part in reversed(key.strip().split(".")):
        value = {part: value}
    return dict(value)


def _merge(target: dict[str, Any], source: Mapping[str, Any]) -> None:
    for key, value in source.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), Mapping):
            nested = dict(target[key])
            _merge(nested, value)
            target[key] = nested
        else:
            target[key] = value


def _explain(error: ValidationError, where: str) -> str:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(_list_known_fields(first["loc"][:-1]))
        return f"{where}: unknown field {field!r}; known here: {known}"
    return f"{where}: {field}: {first['msg']} (got {first['input']!r})"


def _list_known_fields(loc: tuple[int | str, ...]) -> list[str]:
    model: Any = Config
    for part in loc:
        annotation = model.model_fields[part].annotation if part in getattr(model, "model_fields", {}) else None
        options = [a for a in (annotation, *getattr(annotation, "__args__", ())) if hasattr(a, "model_fields")]
        if not options:
            return []
        model = options[0]
    return list(model.model_fields)
