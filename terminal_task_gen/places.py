"""Where runs, corpora and mixes lie: in a folder of this machine, or at the URL of an object store (`s3://…`, `gs://…`).

What lies at a URL is worked on in its *staging folder* on this machine, `<staging root>/<scheme>/<bucket>/<path>`. The
root is TTG_STAGING_DIR, by default `~/.cache/ttg/staging`: it belongs to the machine, so no configuration names it.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from terminal_task_gen.errors import UsageError

STAGING_VARIABLE = "TTG_STAGING_DIR"
JOURNAL = ".mirror.json"
"""In a run's staging folder: its URL, and what is known to be there."""


def read_url(place: str) -> str | None:
    """The URL, without a slash at its end; None for a folder. `file://` is a folder, too (`read_folder`).

    Raises UsageError for a URL without a bucket, or with a key or password in it.
    """
    if "://" not in place or place.startswith("file://"):
        return None
    parts = urlsplit(place)
    if "@" in parts.netloc:
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        raise UsageError(f"{shown}: no key or password in a URL; give it by the environment (docs/storage.md)")
    if not parts.netloc or parts.query or parts.fragment or ".." in parts.path.split("/"):
        raise UsageError(f"{place}: write it as scheme://bucket/path, e.g. s3://my-bucket/runs")
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def read_folder(place: str) -> Path:
    """The folder of a place that is none of an object store."""
    return Path(unquote(urlsplit(place).path)) if place.startswith("file://") else Path(place)


def get_cache_root() -> Path:
    """`~/.cache/ttg`, for what this machine can find out again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ttg"


def get_staging_folder(url: str) -> Path:
    """Where on this machine the things of a URL are worked on; below it, what lies below the URL."""
    root = Path(os.environ.get(STAGING_VARIABLE) or get_cache_root() / "staging")
    parts = urlsplit(url)
    return root.absolute() / parts.scheme / parts.netloc / parts.path.strip("/")


def split_url(url: str) -> tuple[str, str]:
    """The URL above, and the last name. Raises UsageError for a bucket alone."""
    above, _, name = url.rpartition("/")
    if above.endswith("/"):
        raise UsageError(f"{url} is a whole bucket; name a folder in it, e.g. {url}/runs")
    return above, name
