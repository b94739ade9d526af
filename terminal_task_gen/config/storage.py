"""Runs on an object store: how to reach it, and how much may be under way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, field_validator

from terminal_task_gen.records import Record

_SECRET_WORDS = ("secret", "token", "password", "passwd", "credential", "private", "account_key", "access_key")
_SECRET_NAMES = ("key", "username", "user", "sas", "connection_string")
_HARMLESS = ("anon", "cloud", "google_default", "cache")
"""Values of gcsfs' `token` that only say where to look for one."""


class StorageConfig(Record):
    """Used where `output_dir` is a URL."""

    url: str = ""
    """`output_dir` as it was given; set by it."""
    options: dict[str, Any] = {}
    """For the store's fsspec driver, e.g. `{endpoint_url: "http://127.0.0.1:9000"}`. No secrets: those are read from
    the driver's usual environment variables (AWS_ACCESS_KEY_ID …) and files."""
    seal_sec: float = Field(default=300.0, gt=0)
    """A shard is sealed, and so uploaded, when its first row is this old: what a machine's death can cost."""
    seal_rows: int = Field(default=500, ge=1)
    """As well when it has this many rows."""
    lease_sec: float = Field(default=60.0, gt=0)
    """A writer that has not renewed its hold on the run for this long counts as dead."""
    patience_sec: float = Field(default=60.0, ge=0)
    """How long the end of a command goes on trying to upload what is left."""

    @field_validator("options")
    @classmethod
    def _refuse_secrets(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name, value in _walk(options):
            last = name.rpartition(".")[2].lower()
            if value in _HARMLESS or isinstance(value, bool):
                continue
            if last in _SECRET_NAMES or any(word in last for word in _SECRET_WORDS):
                raise ValueError(
                    f"{name}: secrets do not belong into a configuration, which is saved with the run; "
                    "give them by the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, …; docs/storage.md)"
                )
            if isinstance(value, str) and "@" in value.partition("://")[2]:
                raise ValueError(f"{name}: no key or password in a URL; give it by the environment")
        return options


def _walk(options: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in options.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _walk(value, f"{name}.")
        else:
            yield name, value
