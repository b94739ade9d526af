"""run.json: what a run is, and the check that a later start goes on with the same thing.

Progress is not in it; that is read from the shards (store.py).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from terminal_task_gen import __version__
from terminal_task_gen.config import Config, dump_config
from terminal_task_gen.errors import UsageError
from terminal_task_gen.fingerprint import check_unchanged, collect_fields, digest_fields
from terminal_task_gen.records import Record
from terminal_task_gen.store import FAILED, REJECTED, TASKS, TRAJECTORIES, RunDirectory, ShardKind

STAGE_SHARDS: dict[str, tuple[ShardKind, ShardKind]] = {
    "generate": (TASKS, REJECTED),
    "rollout": (TRAJECTORIES, FAILED),
}


class Identity(Record):
    """Format 1."""

    format: int = 1
    run_id: str
    """UUID made from name and first fingerprint: the same configuration has the same one on every machine."""
    created: str
    """Day the run was started, ISO 8601 (UTC) or as configured; on every corpus row."""
    ttg_version: str
    driver: str
    """Sandbox driver of the run."""
    fingerprints: dict[str, str]
    """Stage → digest of `fields`."""
    fields: dict[str, dict[str, Any]]
    """Stage → every field that decides its data (fingerprint.py)."""
    image_digests: dict[str, str]


def read_identity(run: RunDirectory) -> Identity | None:
    """The run's identity, None before its first stage. Raises UsageError when run.json is damaged."""
    try:
        return Identity.model_validate_json(run.identity_path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise UsageError(
            f"{run.identity_path} is damaged ({error.errors()[0]['msg']}); restore it, or take another --name"
        ) from error


def has_lines(run: RunDirectory, stage: str) -> bool:
    """Whether the stage has written anything; before that, nothing binds it."""
    return any(path.stat().st_size for kind in STAGE_SHARDS[stage] for path in run.list_shards(kind))


def check_stages(run: RunDirectory, identity: Identity, config: Config) -> None:
    """Raises UsageError when `config`, which is about to be saved, would keep a stage of the run from going on."""
    for stage, fields in identity.fields.items():
        if has_lines(run, stage):
            check_unchanged(fields, collect_fields(config, stage, {}), stage=stage, run=str(run.path))


def enter_stage(
    run: RunDirectory, config: Config, stage: str, *, contents: Mapping[str, str], image_digests: Mapping[str, str]
) -> Identity:
    """Check that `stage` goes on with what it was started with, and note it in run.json and config.yaml.

    `config.sandbox.driver` must be resolved. Raises UsageError naming the field that changed and the remedy. Processes
    that start a run together come here one after the other, so the first one's word is the run's.
    """
    with run.hold_door():
        return _enter(run, config, stage, contents, image_digests)


def _enter(
    run: RunDirectory, config: Config, stage: str, contents: Mapping[str, str], image_digests: Mapping[str, str]
) -> Identity:
    fields = collect_fields(config, stage, contents)
    fields.update({f"contents of image {name}": digest for name, digest in image_digests.items()})
    before = read_identity(run)
    if before is None:
        name_space = uuid.uuid5(uuid.NAMESPACE_URL, "terminal-task-gen")
        before = Identity(
            run_id=str(uuid.uuid5(name_space, f"{config.name} {digest_fields(fields)}")),
            created=config.date or datetime.now(UTC).date().isoformat(),
            ttg_version=__version__,
            driver=config.sandbox.driver,
            fingerprints={},
            fields={},
            image_digests={},
        )
    check_stages(run, before, config)
    known = before.fields.get(stage) if has_lines(run, stage) else None
    if known is not None:
        check_unchanged(known, fields, stage=stage, run=str(run.path))
    merged = {**(known or {}), **fields}
    identity = before.model_copy(
        update={
            "fields": {**before.fields, stage: merged},
            "fingerprints": {**before.fingerprints, stage: digest_fields(merged)},
            "image_digests": {**before.image_digests, **image_digests},
        }
    )
    if identity != before:
        run.write_file(run.identity_path, identity.model_dump_json(indent=2) + "\n")
    run.write_file(run.config_path, dump_config(config))
    return identity
