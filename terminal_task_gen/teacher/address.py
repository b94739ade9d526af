"""Checks an endpoint's addresses and finds its keys, before anything is sent.

Raises UsageError where something is not configured or would put a secret into the saved configuration,
PrerequisiteError where a key is not there; one line each, naming the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from terminal_task_gen.config import EndpointConfig
from terminal_task_gen.errors import PrerequisiteError, UsageError


@dataclass(frozen=True)
class Address:
    """One server: where, by what key (empty: none), what it calls the model, at most so many calls in flight."""

    base_url: str
    key: str
    key_variable: str
    model: str
    parallel: int
    field: str
    """Its place in the configuration."""


def list_addresses(endpoint: EndpointConfig, environ: Mapping[str, str], field: str) -> tuple[Address, ...]:
    """The endpoint's own server, then its replicas, all checked."""
    if not endpoint.base_url or not endpoint.model:
        raise UsageError(
            f"no endpoint configured: set {field}.base_url and {field}.model, or pass --base-url and --model; "
            "to try without one: ttg demo"
        )
    for name in ("model", "messages", "stream"):
        if name in endpoint.extra_body:
            raise UsageError(f"{field}.extra_body must not set {name!r}; it is ours to set")
    variable = endpoint.api_key_env
    own = _make_address(field, endpoint.base_url, variable, endpoint.model, endpoint.parallel, environ)
    return own, *(
        _make_address(
            f"{field}.replicas.{index}",
            replica.base_url,
            variable if replica.api_key_env is None else replica.api_key_env,
            replica.model or endpoint.model,
            replica.parallel or endpoint.parallel,
            environ,
        )
        for index, replica in enumerate(endpoint.replicas)
    )


def _make_address(
    field: str, base_url: str, variable: str, model: str, parallel: int, environ: Mapping[str, str]
) -> Address:
    _check_url(base_url, field)
    key = _find_key(variable, environ, field)
    return Address(base_url, key, variable, model, parallel, field)


def _check_url(base_url: str, field: str) -> None:
    if "@" in base_url.partition("://")[2].partition("/")[0]:
        raise UsageError(
            f"{field}.base_url holds a user name or password, which would be saved with the run; take it out and "
            f"name the variable that holds the key in {field}.api_key_env"
        )
    if "?" in base_url or "#" in base_url:
        raise UsageError(
            f"{field}.base_url has a query, which would be saved with the run and may hold a key; take it out and name "
            f"the variable that holds the key in {field}.api_key_env"
        )
    if not _is_url(base_url):
        raise UsageError(
            f"{field}.base_url {base_url!r} is not an address; write http://host:port/v1 or https://host/v1"
        )


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _find_key(variable: str, environ: Mapping[str, str], field: str) -> str:
    if not variable:
        return ""
    key = environ.get(variable, "").strip()
    if not key:
        raise PrerequisiteError(
            f"{variable} is not set; export it, or set {field}.api_key_env to the name of another variable, "
            "or to '' for an endpoint without a key"
        )
    if not (key.isascii() and key.isprintable()):
        raise UsageError(f"the value of {variable} cannot be a key: it holds control or non-ASCII characters")
    return key
