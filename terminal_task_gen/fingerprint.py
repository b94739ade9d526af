"""What decides a run's data, and the refusal to go on with something else.

Each stage has a fingerprint: every configuration field of its scope except the excluded ones below, plus digests of the
contents it reads (taxonomy, seeds, prompts). It is written into run.json when the stage first starts; a later start
with another one is refused, naming the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from terminal_task_gen.config import Config
from terminal_task_gen.errors import UsageError
from terminal_task_gen.records import content_digest

FINGERPRINT_VERSION = 1

SCOPES: dict[str, tuple[str, ...]] = {
    "generate": ("seed", "teacher.author", "generate", "sandbox"),
    "rollout": ("teacher.actor", "rollout", "sandbox"),
}
"""Stage → the parts of the configuration that decide what it writes. Filters are views: they have no fingerprint."""

EXCLUDED: dict[str, str] = {
    "generate.count": "a longer run has the same first requests",
    "generate.tasks_per_seed": "as count",
    "generate.modes": "each mode enumerates its own requests",
    "generate.parallel": "how fast, not what",
    "generate.gates.corpora": "where they are; what they hold is digested",
    "generate.gates.benchmarks": "as corpora",
    "generate.adapt.rows": "rows have ids of their content, and may move or grow",
    "generate.adapt.max_rows": "as count",
    "rollout.attempts": "attempts are numbered; more of them leave the first alone",
    "rollout.until": "as attempts: it says how many there are",
    "rollout.prompt_template": "where the wording is; its digest is recorded",
    "rollout.parallel": "how fast, not what",
    "rollout.record": "recordings stand beside the data",
    "rollout.max_sandbox_retries": "a broken sandbox leaves no trace in a trajectory",
    "sandbox.parallel": "how fast, not what",
    "sandbox.warm": "how fast, not what",
    "sandbox.patience_sec": "how fast, not what",
    "sandbox.image_prefix": "where images are, not what they hold; their digests are recorded",
    "sandbox.image_tag": "as image_prefix",
    "sandbox.registry": "as image_prefix",
    "*.base_url": "the same model may move to another address",
    "*.api_key_env": "who pays, not what",
    "*.replicas": "other addresses of the same model",
    "*.parallel": "how fast, not what",
    "*.adaptive": "how fast, not what",
    "*.requests_per_minute": "how fast, not what",
    "*.tokens_per_minute": "how fast, not what",
    "*.max_retries": "only answered calls leave a trace",
    "*.timeout_sec": "as max_retries (of a call; a rollout's own limit is rollout.timeout_sec and does count)",
    "*.idle_timeout_sec": "as timeout_sec",
    "*.max_backoff_sec": "as max_retries",
    "*.stop_after_failures": "when a run gives up, not what it holds",
    "*.prompt_usd_per_mtok": "changes the bill, not the data",
    "*.completion_usd_per_mtok": "changes the bill, not the data",
    "*.cached_usd_per_mtok": "changes the bill, not the data",
    "*.budget_tokens": "how far a run gets, not what it holds",
    "*.budget_usd": "as budget_tokens",
}
"""Field → why it may change between two starts of one run. `*` is an endpoint (teacher.author, teacher.actor)."""


_ACTOR = "actor "
"""Before the model of one of several actors."""


def collect_fields(config: Config, stage: str, contents: Mapping[str, str]) -> dict[str, Any]:
    """Flat field → value of everything that decides the stage's data; `contents` are digests of what it reads."""
    tree = config.model_dump(mode="json")
    tree["teacher"]["actor"] = config.teacher.get_actor().model_dump(mode="json")
    fields: dict[str, Any] = {}
    if stage == "rollout" and config.teacher.actors:
        # Under their models: a further actor leaves the rows of the others alone.
        tree["teacher"]["actor"] = {}
        for actor in config.teacher.actors:
            _flatten(f"{_ACTOR}{actor.model}", actor.model_dump(mode="json"), fields)
    for scope in SCOPES[stage]:
        value: Any = tree
        for part in scope.split("."):
            value = value[part]
        _flatten(scope, value, fields)
    kept = {field: value for field, value in fields.items() if not _is_excluded(field)}
    return {**kept, **{f"contents of {name}": digest for name, digest in contents.items()}}


def digest_fields(fields: Mapping[str, Any]) -> str:
    """SHA-256 over version and fields."""
    return content_digest({"version": FINGERPRINT_VERSION, "fields": dict(fields)})


def check_unchanged(before: Mapping[str, Any], now: Mapping[str, Any], *, stage: str, run: str) -> None:
    """Raises UsageError naming the first field that differs, and the remedy.

    Contents that only one of the two starts reads (a mode, a domain's image) are no difference.
    """
    for field in sorted({*before, *now}):
        if field.startswith(("contents of", _ACTOR)) and (field not in before or field not in now):
            continue
        if before.get(field) != now.get(field):
            old, new = (_show(field, values.get(field)) for values in (before, now))
            raise UsageError(
                f"{run} was started with {field}{old}, now it is{new}; this decides the data of '{stage}': "
                f"set it back, or start a new run with another --name"
            )


def _is_excluded(field: str) -> bool:
    endpoint, _, last = field.rpartition(".")
    is_endpoint = endpoint in ("teacher.author", "teacher.actor") or endpoint.startswith(_ACTOR)
    return field in EXCLUDED or (is_endpoint and f"*.{last}" in EXCLUDED)


def _flatten(prefix: str, value: Any, into: dict[str, Any]) -> None:
    if isinstance(value, dict) and value and not prefix.endswith("extra_body"):
        for key, nested in value.items():
            _flatten(f"{prefix}.{key}", nested, into)
    else:
        into[prefix] = value


def _show(field: str, value: Any) -> str:
    if field.startswith("contents of"):
        return " missing" if value is None else f" {str(value)[:12]}…"
    return f" = {value!r}"
