"""The verifier's own pytest, packed once a process into one zip that an interpreter imports from directly.

It is this installation's pytest, so a sandbox needs nothing but `python3` (3.10 or later), and nothing that a
teacher does to the sandbox's own packages reaches it. Only sources are packed: bytecode would tie it to one version.
"""

from __future__ import annotations

import functools
import importlib.metadata
import io
import zipfile
from pathlib import PurePosixPath

from terminal_task_gen.errors import PrerequisiteError

PACKAGES = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")

_PYGMENTS_PLUGINS = frozenset({"lexers", "formatters", "styles", "filters"})
_PYGMENTS_NEEDED = frozenset({"__init__.py", "_mapping.py", "python.py", "diff.py", "terminal.py"})
"""pytest imports pygments at start but uses none of its 500 lexers without colour."""

_EPOCH = (1980, 1, 1, 0, 0, 0)


@functools.cache
def pack_kit() -> bytes:
    """The zip. Raises PrerequisiteError when this installation has no pytest to pack."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in PACKAGES:
            for path, content in _list_contents(package):
                archive.writestr(zipfile.ZipInfo(path, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _list_contents(package: str) -> list[tuple[str, bytes]]:
    try:
        files = importlib.metadata.distribution(package).files
    except importlib.metadata.PackageNotFoundError as error:
        raise PrerequisiteError(f"the verifier needs {package}, which is not installed; reinstall ttg") from error
    if not files:
        raise PrerequisiteError(f"{package} is installed without a list of its files; reinstall it with pip")
    kept = [file for file in files if _is_needed(PurePosixPath(file))]
    return [(str(PurePosixPath(file)), file.read_binary()) for file in sorted(kept)]


def _is_needed(path: PurePosixPath) -> bool:
    if path.is_absolute() or ".." in path.parts:
        return False
    if path.suffix != ".py":
        # pluggy asks for its own version at start.
        return path.name == "METADATA" and path.parts[0].endswith(".dist-info")
    if path.parts[0] == "pygments" and len(path.parts) > 2 and path.parts[1] in _PYGMENTS_PLUGINS:
        return path.name in _PYGMENTS_NEEDED
    return True
