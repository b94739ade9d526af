"""task.toml of an exported task, schema 1.4."""

from __future__ import annotations

import json
import math
from typing import Any

from terminal_task_gen.task import Task

SCHEMA_VERSION = "1.4"
BUILD_TIMEOUT_SEC = 1800.0
VERIFIER_MARGIN_SEC = 60.0
"""On top of the tests' own limit, which tests/test.sh keeps itself: past Harbor's, there would be no reward at all."""


def render_task_toml(task: Task, *, organisation: str, image_tag: str, network: bool) -> str:
    """`image_tag` is set as the prebuilt image where it is all the task needs, else empty. `network`: see write.py."""
    lineage = task.lineage
    tables: dict[str, dict[str, Any]] = {
        "task": {
            "name": f"{organisation}/{task.id}",
            "description": task.title,
            "authors": [],
            "keywords": list(task.tags),
        },
        "metadata": {
            "difficulty": task.difficulty,
            "category": task.domain,
            "tags": list(task.tags),
            "skills": list(task.skills),
            "mode": lineage.mode,
            "seed_id": lineage.seed_id or "",
            "author_model": lineage.author_model,
            "gates": [gate.gate for gate in task.gates],
            "needs_network": task.limits.network,
            "image": task.image,
            "image_digest": lineage.image_digest,
        },
        "agent": {"timeout_sec": task.limits.agent_timeout_sec},
        "verifier": {"timeout_sec": task.limits.verifier_timeout_sec + VERIFIER_MARGIN_SEC},
        "environment": {
            "build_timeout_sec": BUILD_TIMEOUT_SEC,
            "workdir": "/app",
            # Older Harbor takes whole processors only.
            "cpus": max(1, math.ceil(task.limits.cpus)),
            "memory_mb": task.limits.memory_mb,
            **({"docker_image": image_tag} if image_tag else {}),
            **({} if network else {"network_mode": "no-network"}),
        },
    }
    lines = [f"schema_version = {_quote(SCHEMA_VERSION)}"]
    for table, fields in tables.items():
        lines += ["", f"[{table}]", *(f"{name} = {_render_value(value)}" for name, value in fields.items())]
    return "\n".join(lines) + "\n"


def _render_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(map(_render_value, value)) + "]"
    return _quote(value) if isinstance(value, str) else repr(value)


def _quote(text: str) -> str:
    """A TOML basic string: JSON's escapes will do, but for DEL, which TOML wants escaped as well."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
