"""Compiles terminal_task_gen/filters/words.c into the wheel where there is a C compiler; else the wheel is pure Python.

    python hatch_build.py        does so in place, for a checkout that is not installed

Filtering is several times as fast with it, and gives the same bytes without (docs/filters.md). `TTG_COMPILED=0` leaves
it out of a wheel.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "terminal_task_gen" / "filters"
SOURCE, LIBRARY = FOLDER / "words.c", FOLDER / "_words.so"


def compile_words() -> str:
    """Make the library. Returns why there is none; empty when there is one."""
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    compiler = shlex.split(os.environ.get("CC", "cc"))
    options = ["-std=c11", "-O3", "-shared", "-fPIC", f'-DTTG_SOURCE="{digest}"']
    unfinished = LIBRARY.with_suffix(f".{os.getpid()}")
    try:
        command = [*compiler, *options, "-o", str(unfinished), str(SOURCE)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{compiler[0]}: {done.stderr.strip()[:500]}"
        unfinished.replace(LIBRARY)  # never half-written under a process that loads it
    except OSError as error:
        return str(error)
    finally:
        unfinished.unlink(missing_ok=True)
    return ""


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand
    pass
else:

    class CustomBuildHook(BuildHookInterface):  # type: ignore[misc,type-arg,unused-ignore]
        """Hatchling's name for it."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Compile, and let the wheel say for which machines it is."""
            why = "TTG_COMPILED=0" if os.environ.get("TTG_COMPILED") == "0" else compile_words()
            if why:
                self.app.display_warning(f"without the compiled words, filtering is slower: {why}")
                return
            build_data["artifacts"].append(str(LIBRARY.relative_to(self.root)))
            if version != "editable":
                platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
                build_data.update(pure_python=False, tag=f"py3-none-{platform}")


if __name__ == "__main__":
    raise SystemExit(compile_words() or None)
