"""The verifier's own pytest and runner, packed once a process into one blob that entry.py imports from.

It is this installation's pytest, so a sandbox needs nothing but `python3` (3.10 or later), and nothing that a
teacher does to the sandbox's own packages reaches it. Only sources are packed: bytecode would tie it to one version;
compiler.py makes it where it will run.

    zlib of marshal (version 2) of {module name: (is a package, path, source)}

Compressed, since it goes through the engine with every test run, which costs more than to unpack it.

Three modules are packed otherwise than they are, since starting pytest is most of what a test run costs: `pytest`
imports what it offers when it is asked for, not all at once, and two do without what they need for colours and for the
names of long parameters only (pygments, and OpenSSL behind hashlib).
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import marshal
import re
import zlib
from pathlib import Path, PurePosixPath

from terminal_task_gen.errors import PrerequisiteError

PACKAGES = ("pytest", "pluggy", "iniconfig", "packaging")
FOLDER = "/.verifier-kit"
"""Where modules of the kit seem to lie, in tracebacks and to pytest."""
_OWN = {"_verifier_runner": "runner.py", "_verifier_clock": "clock.py"}
"""Named so that no test imports them by chance."""
_MARSHAL_VERSION = 2
"""Read alike by every Python 3."""
_REPLACED = (
    ("_pytest._io.terminalwriter", re.compile(r"^(import pygments|from pygments[.\w]* import .*)$", re.M), ""),
    ("_pytest.python", re.compile(r"^import hashlib$", re.M), ""),
    ("_pytest.python", re.compile(r"\bhashlib(?=\.\w+\()"), "__import__('hashlib')"),
)
"""Module, what is replaced in it, and by what. Where a pytest has no such lines, it is packed as it is."""

_LAZY = """
_PLACES = {places!r}
__all__ = {names!r}


def __getattr__(name):
    if name not in _PLACES:
        raise AttributeError(f"module 'pytest' has no attribute {{name!r}}")
    import importlib

    module, *path = _PLACES[name]
    value = importlib.import_module(module)
    for part in path:
        value = getattr(value, part)
    globals()[name] = value
    return value


def __dir__():
    return sorted({{*globals(), *_PLACES}})
"""


@functools.cache
def pack_kit() -> bytes:
    """The blob. Raises PrerequisiteError when this installation has no pytest to pack."""
    return zlib.compress(_pack_modules())


@functools.cache
def digest_kit() -> str:
    """Of what the blob is made from, in less time than it takes to pack it. Raises PrerequisiteError as above."""
    return hashlib.sha256(_pack_modules()).hexdigest()


def _pack_modules() -> bytes:
    modules: dict[str, tuple[bool, str, str]] = {}
    for package in PACKAGES:
        for path, source in _list_sources(package):
            parts = path.with_suffix("").parts
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            modules[name] = (is_package, f"{FOLDER}/{path}", _adapt(name, source))
    for name, file in _OWN.items():
        source = Path(__file__).with_name(file).read_text(encoding="utf-8")
        modules[name] = (False, f"{FOLDER}/{name}.py", source)
    return marshal.dumps(modules, _MARSHAL_VERSION)


def _list_sources(package: str) -> list[tuple[PurePosixPath, str]]:
    try:
        files = importlib.metadata.distribution(package).files
    except importlib.metadata.PackageNotFoundError as error:
        raise PrerequisiteError(f"the verifier needs {package}, which is not installed; reinstall ttg") from error
    if not files:
        raise PrerequisiteError(f"{package} is installed without a list of its files; reinstall it with pip")
    kept = [file for file in files if file.suffix == ".py" and ".." not in file.parts and not file.is_absolute()]
    return [(PurePosixPath(file), file.read_text(encoding="utf-8")) for file in sorted(kept)]


def _adapt(name: str, source: str) -> str:
    if name == "pytest":
        return _make_lazy(source)
    for module, pattern, instead in _REPLACED:
        source = pattern.sub(instead, source) if module == name else source
    return source


def _make_lazy(source: str) -> str:
    """A package that only re-exports, so that a name is imported when it is first asked for."""
    places: dict[str, tuple[str, ...]] = {}
    names: list[str] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            places |= {alias.asname or alias.name: (str(node.module), alias.name) for alias in node.names}
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            target = node.targets[0].id
            if target == "__all__":
                names = ast.literal_eval(node.value)
            elif isinstance(node.value, ast.Attribute) and isinstance(node.value.value, ast.Name):
                # A name of something imported: `set_trace = __pytestPDB.set_trace`.
                places[target] = (*places[node.value.value.id], node.value.attr)
    return _LAZY.format(places=places, names=names)
