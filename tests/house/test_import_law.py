"""The import law of the package, function-level imports included: who may know whom."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "terminal_task_gen"

RECORDS = {
    "__init__",
    "errors",
    "records",
    "finding",
    "task",
    "trajectory",
    "taxonomy",
    "seeds",
    "events",
    "harmless",
    "image_cache",
    "ledger",
    "places",
    "resources",
    "row_files",
    "stand_ins",
    "svg",
    "partition",
    "run_lock",
    "shards",
    "zstd_files",
}
PORTS = {"teacher", "sandbox", "engine", "store"}
STAGES = {"generate", "rollout", "filters", "export"}
DRIVERS = {"teacher.client", "teacher.scripted", "sandbox.docker", "sandbox.bubblewrap", "engine.local", "engine.ray"}
LISTENERS = {"progress", "turn_view", "viewer", "replay"}
STAGE_TOOLS = {"bundle", "config", "token_count", "verifier"}

ALLOWED: dict[str, set[str]] = {
    **dict.fromkeys(RECORDS, RECORDS),
    "config": RECORDS | {"config"},
    "fingerprint": RECORDS | {"config"},
    **{port: RECORDS | {"config", port} for port in PORTS},
    "identity": RECORDS | {"config", "fingerprint", "store"},
    "bundle": RECORDS | {"config", "sandbox"},
    "verifier": RECORDS | {"sandbox", "verifier"},
    "images": RECORDS | {"config"},
    "manifest": RECORDS | {"sandbox"},
    "image_build": RECORDS | {"images"},
    "image_registry": RECORDS | {"images", "image_build"},
    "image_check": RECORDS | {"images", "image_build", "sandbox"},
    "taxonomy_lint": RECORDS,
    "token_count": RECORDS,
    "seed_lint": RECORDS | {"taxonomy_lint"},
    "seed_import": RECORDS,
    "chunks": RECORDS | {"store"},
    "mirror": RECORDS | {"config", "mirror", "run_lock", "store"},
    "stage": RECORDS | {"engine", "store"},
    "lookup": RECORDS | {"store"},
    "stats": RECORDS | {"chunks", "store", "token_count", "stats"},
    **{
        stage: RECORDS | {"bundle", "config", "token_count", "verifier", stage, "teacher", "sandbox", "store"}
        for stage in STAGES
    },
    **{listener: RECORDS | {"store", listener} for listener in LISTENERS},
    "viewer": RECORDS | {"chunks", "store", "viewer"},
    "pipeline": {"*"},
    "cli": {"*"},
    "__main__": {"*"},
}
"""Top-level module or folder → what it may import of the package."""


def list_modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if not {"repertoire", "_data"} & set(path.parts)]


def get_module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def list_imports(path: Path) -> set[str]:
    """Package-relative dotted names imported anywhere in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    own = {name.removeprefix("terminal_task_gen.") for name in found if name.startswith("terminal_task_gen.")}
    return {name for name in own if name != "terminal_task_gen"}


@pytest.mark.parametrize("path", list_modules(), ids=get_module_name)
def test_imports_follow_the_law(path: Path) -> None:
    module = get_module_name(path)
    top = module.split(".")[0]
    assert top in ALLOWED, f"{module} has no place in the law: add it to ALLOWED with a reason in docs/decisions.md"
    allowed = ALLOWED[top]
    imported = {name.split(".")[0] for name in list_imports(path) if name != "__version__"}
    assert "*" in allowed or imported <= allowed, f"{module} may not import {sorted(imported - allowed)}"


@pytest.mark.parametrize("path", list_modules(), ids=get_module_name)
def test_only_the_composition_root_names_a_driver(path: Path) -> None:
    module = get_module_name(path)
    if module.split(".")[0] in ("pipeline", "cli") or any(module.startswith(d) for d in DRIVERS):
        return
    own_folder = module.split(".")[0]
    named = {d for d in DRIVERS for name in list_imports(path) if name == d or name.startswith(d + ".")}
    assert not {d for d in named if d.split(".")[0] != own_folder}, f"{module} names a concrete driver: {named}"


@pytest.mark.parametrize(
    ("library", "owners"),
    [
        ("docker", {"sandbox", "image_build", "image_check", "image_registry"}),
        ("openai", {"teacher"}),
        ("rich", {"progress", "turn_view", "cli"}),
        ("typer", {"cli"}),
        ("pyarrow", {"row_files"}),
        ("fsspec", {"mirror"}),
        ("ray", {"engine"}),
    ],
)
def test_third_party_libraries_stay_with_their_owner(library: str, owners: set[str]) -> None:
    users = set()
    for path in list_modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == library for name in names):
                users.add(get_module_name(path).split(".")[0])
    assert users <= owners, f"{library} is imported by {sorted(users - owners)}"
