"""What words.c gives is what numpy gives, to the bit. Where the package came without it, the tests build it first."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from terminal_task_gen.filters import words
from terminal_task_gen.filters.compiled import LIBRARY, Compiled

REPOSITORY = Path(__file__).resolve().parents[2]
FIELDS = ("starts", "ends", "keys", "hashes", "bounds", "offsets", "lines")


@pytest.fixture(scope="module", autouse=True)
def compiled() -> Iterator[Compiled]:
    """The compiled form in use, whatever the environment says; as it was, afterwards."""
    if not LIBRARY.is_file():
        subprocess.run([sys.executable, REPOSITORY / "hatch_build.py"], check=True)
    yield _get()


def _get() -> Compiled:
    found = words.get_compiled()
    assert found is not None, f"{LIBRARY} is not of this words.c; run: python hatch_build.py"
    return found
