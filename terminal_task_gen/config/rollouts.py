"""Where tasks run, and how the actor works."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from terminal_task_gen.records import Record

MAX_AUTO = 64
"""Ceiling of `rollout.parallel: auto`."""

HostEntry = Annotated[
    str, Field(pattern=r"^((\*\.)?[A-Za-z0-9._-]+(:[0-9]{1,5})?|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f.]*)$")
]


class SandboxConfig(Record):
    """Where tasks run."""

    driver: Literal["auto", "docker", "bubblewrap"] = "auto"
    """`auto`: Docker where an engine answers, else bubblewrap."""
    parallel: int = Field(default=2, ge=1)
    """Sandboxes at once for gates."""
    image_prefix: str = "ttg"
    """Images are called `<prefix>-<folder>:<tag>`; a registry may stand in front, as in `reg:5000/ttg`."""
    image_tag: str = "latest"
    registry: str = ""
    """`HOST[:PORT]/PREFIX` from which a cluster's nodes pull images they lack; empty: they build them."""
    warm: int = Field(default=2, ge=0, le=64)
    """Sandboxes of a kind that wait ready for the next rollout; 0: each is started when it is needed."""
    patience_sec: float = Field(default=120.0, ge=0.0)
    """How long a broken item waits for an engine that is away (it restarts, say) before its next try."""
    allowed_hosts: Annotated[tuple[HostEntry, ...], Field(min_length=1)] | None = None
    """Of tasks with `network: true`, the only hosts they reach, over HTTP and TLS, such as `pypi.org`, `*.debian.org`,
    `10.0.0.7:8080`; None: the whole network. Docker only."""
    max_processes: int = Field(default=512, ge=16)
    disk_mb: int = Field(default=2048, ge=16)


class RolloutConfig(Record):
    """How the actor works."""

    attempts: int = Field(default=1, ge=1)
    parallel: Annotated[int, Field(ge=1)] | Literal["auto"] = 4
    """Rollouts at once; each holds one sandbox. `auto`: as many as CPU, memory and engine bear, at most MAX_AUTO."""
    max_turns: int = Field(default=50, ge=1)
    max_tokens: int = Field(default=0, ge=0)
    """Prompt and completion tokens of one rollout together; 0: no limit."""
    until: Literal["attempts", "success", "both"] = "attempts"
    """When a task has had enough: after all `attempts`, at its first success, or when success and failure were seen."""
    dialect: Literal["json", "xml"] = "json"
    """Which of Terminus 2's two forms of reply."""
    prompt_template: str = ""
    """First message: empty for ours, `harbor` for an installed Harbor's, or the path of a file."""
    max_context_tokens: int = Field(default=0, ge=0)
    """Tokens of one call, prompt and completion, at which a rollout stops as `context_full`; 0: the endpoint says."""
    summarize: bool = False
    """Where the context is full, sum up and go on with a fresh one, as Terminus 2 does, instead of stopping."""
    inject_errors: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of turns for which the actor is asked for a plausible mistake; the step is marked (TermiGen's was 0.2)."""
    verifier: Literal["same", "fresh"] = "same"
    """Where the tests run: in the sandbox itself, its servers up; or in a fresh one over its final files, those of the
    system's own directories (/usr and the like) left out, so that nothing left running can interfere."""
    timeout_sec: float | None = None
    """None: the task's own agent_timeout_sec."""
    wait: Literal["prompt", "duration"] = "prompt"
    """`prompt`: a step ends when the shell is back at its prompt and quiet, at the latest when its duration is over."""
    patience_sec: float = Field(default=0.0, ge=0.0, le=60.0)
    """With `prompt`, commands are waited for at least so long, whatever duration the actor gave: screens then do not
    depend on how busy the machine is. 0: the duration alone, as Terminus 2 does."""
    columns: int = Field(default=160, ge=40)
    rows: int = Field(default=40, ge=10)
    max_observation_bytes: int = Field(default=10_000, ge=1_000)
    record: bool = True
    """Keep an asciicast of every rollout under recordings/."""
    max_sandbox_retries: int = Field(default=2, ge=0)
    """Fresh tries within a run when a sandbox breaks."""
