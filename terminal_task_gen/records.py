"""What all records share: frozen, strict, JSON in one canonical form, ids made from content."""

from __future__ import annotations

import hashlib
from typing import Any, Self

import orjson
from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of everything that goes to disk: frozen, unknown fields and NaN refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def trust(cls, values: dict[str, Any]) -> Self:
        """A record of checked values, all of them in the order of the fields: nothing is looked at. For records by the
        million that our own code makes of others."""
        record = cls.__new__(cls)
        object.__setattr__(record, "__dict__", values)
        object.__setattr__(record, "__pydantic_fields_set__", set(values))
        object.__setattr__(record, "__pydantic_extra__", None)
        object.__setattr__(record, "__pydantic_private__", None)
        return record


def content_id(prefix: str, payload: Any) -> str:
    """`<prefix>-<16 hex>` of the canonical JSON of `payload` (sorted keys); the same on every machine."""
    return f"{prefix}-{content_digest(payload)[:16]}"


def bytes_digest(data: bytes) -> bytes:
    """SHA-256, raw: for keys that nobody reads."""
    return hashlib.sha256(data).digest()


def content_digest(payload: Any) -> str:
    """SHA-256 (64 hex) of the canonical JSON of `payload`. Only JSON types: nothing is stringified on the way."""
    return hashlib.sha256(orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)).hexdigest()


class Usage(Record):
    """What teacher calls cost. Only calls whose reply was used count, so a rerun with faults gives the same figures."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            cost_usd=self.cost_usd + other.cost_usd,
        )
