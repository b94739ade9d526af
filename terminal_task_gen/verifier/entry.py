"""The first thing of a test run, sent in as an argument: closes the process to others and imports from the kit.

Only ever executed inside a sandbox: FOLDER KIT-BYTES DIGEST OPTION.... Its stdin, with that SHA-256, is the kit
(kit.py) and, after KIT-BYTES, the tests' source. Where KIT-BYTES is 0, FOLDER holds runner.py, which takes the
machine's own pytest. It stands alone: standard library, Python 3.10 or later. What a teacher left running is root as
well, so nobody may trace this process or read its memory and open files, what it reads is held against the digest, and
the kit stays in its memory, where nobody can exchange it.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import marshal
import sys
import zlib
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

PR_SET_DUMPABLE = 4
EXCHANGED = 70
"""Exit code when something was not what it was sent as."""


class KitFinder:
    """Imports what the kit holds: module name → (is a package, path, bytecode or, as a string, source)."""

    def __init__(self, modules: dict[str, tuple[bool, str, bytes | str]]) -> None:
        self._modules = modules

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name not in self._modules:
            return None
        is_package, origin, _ = self._modules[name]
        spec = ModuleSpec(name, self, origin=origin, is_package=is_package)  # type: ignore[arg-type]
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [origin.rpartition("/")[0]]
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """The import system's own kind."""

    def exec_module(self, module: Any) -> None:
        _, path, content = self._modules[module.__name__]
        code = compile(content, path, "exec", dont_inherit=True) if isinstance(content, str) else marshal.loads(content)
        exec(code, module.__dict__)


def close_to_others() -> None:
    """Undumpable, a process can be looked into only with CAP_SYS_PTRACE, which no sandbox has; its children can."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    if "TracerPid:\t0\n" not in status:
        sys.exit(EXCHANGED)


def read_checked(digest: str) -> bytes:
    """All of stdin."""
    # Not of hashlib, which loads OpenSSL for it.
    try:
        from _sha2 import sha256  # type: ignore[import-not-found]
    except ImportError:
        from hashlib import sha256
    content = sys.stdin.buffer.read()
    if sha256(content).hexdigest() != digest:
        sys.exit(EXCHANGED)
    return content


def load_runner(folder: Path, kit: bytes) -> Any:
    """From the kit, or, without one, from the file in the folder."""
    if kit:
        sys.meta_path.insert(0, KitFinder(marshal.loads(zlib.decompress(kit))))
        return importlib.import_module("_verifier_runner")
    sys.path.insert(0, str(folder))
    runner = importlib.import_module("runner")
    sys.path.remove(str(folder))
    return runner


def main(folder: Path, kit_bytes: int, digest: str, options: list[str]) -> int:
    close_to_others()
    content = read_checked(digest)
    # Until the tests are collected (runner.py): there is nothing to be found but what stays.
    gc.disable()
    folder.mkdir(mode=0o700, exist_ok=True)
    code: int = load_runner(folder, content[:kit_bytes]).run(folder, content[kit_bytes:], options)
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]))
