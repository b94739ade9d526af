"""Where tasks run, and how the actor works."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from terminal_task_gen.records import Record


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
