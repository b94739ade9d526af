"""How a task lies in a sandbox: what is started for it, and where its files go.

Gates and rollouts both go by it, so that a task is proved on the machine on which it will be solved. Neither tests nor
solution are part of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from terminal_task_gen.config import SandboxConfig
from terminal_task_gen.sandbox import WORKDIR, SandboxFile, SandboxSpec
from terminal_task_gen.task import Limits, TaskFile


def build_spec(
    image: str, limits: Limits, sandbox: SandboxConfig, *, run_id: str, item_id: str, foreign: bool = False
) -> SandboxSpec:
    """What to start; `item_id` is the request or trajectory it is for; `foreign` images are not ours."""
    return SandboxSpec(
        image=image,
        run_id=run_id,
        item_id=item_id,
        memory_mb=limits.memory_mb,
        cpus=limits.cpus,
        max_processes=sandbox.max_processes,
        disk_mb=sandbox.disk_mb,
        network=limits.network,
        allowed_hosts=sandbox.allowed_hosts or () if limits.network else (),
        foreign=foreign,
    )


def list_sandbox_files(files: Iterable[TaskFile]) -> list[SandboxFile]:
    """The task's files under the working directory, as they are uploaded before anybody arrives."""
    return [SandboxFile(f"{WORKDIR}/{f.path}", f.to_bytes(), mode=0o755 if f.executable else 0o644) for f in files]
