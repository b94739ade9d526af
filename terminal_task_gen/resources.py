"""Where shipped data lies: `_data/` in an installed package, the top level of a checkout otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parent


def data_dir(name: Literal["taxonomy", "seeds", "images", "configs"]) -> Path:
    """Folder of shipped data."""
    installed = _PACKAGE / "_data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
