"""Keeps the manifest of every image a run works in: `images/<manifest id>.json`.

It is read in a sandbox once an image and machine; what was read of the same image before is taken (image_cache.py).
"""

from __future__ import annotations

from contextlib import suppress

from pydantic import ValidationError

from terminal_task_gen.image_cache import keep, read_kept
from terminal_task_gen.manifest import ImageManifest, read_manifest
from terminal_task_gen.sandbox import SandboxFactory
from terminal_task_gen.store import RunDirectory, explain_os_error


async def record_manifests(
    directory: RunDirectory, factory: SandboxFactory, digests: dict[str, str], *, run_id: str
) -> dict[str, str]:
    """Image → id of its manifest; empty where the driver has no images. What is known of the same image is kept."""
    known = {(manifest.image, manifest.image_digest): manifest for manifest in load_manifests(directory)}
    ids: dict[str, str] = {}
    for image, digest in digests.items():
        manifest: ImageManifest | None = known.get((image, digest))
        if manifest is None:
            manifest = await _find_manifest(factory, image, digest, run_id=run_id)
            if manifest is not None:
                _keep(directory, manifest)
        ids[image] = "" if manifest is None else manifest.id
    return ids


async def _find_manifest(factory: SandboxFactory, image: str, digest: str, *, run_id: str) -> ImageManifest | None:
    kept = read_kept("manifest", (image, digest)) if digest else None
    if kept is not None:
        with suppress(ValidationError):
            return ImageManifest.model_validate_json(kept)
    manifest = await read_manifest(factory, image, run_id=run_id)
    if manifest is not None:
        keep("manifest", (image, manifest.image_digest), manifest.model_dump_json().encode())
    return manifest


def load_manifests(directory: RunDirectory) -> list[ImageManifest]:
    """The manifests the run has, by image. A damaged one is as good as missing: it is read again."""
    found: list[ImageManifest] = []
    for path in sorted(directory.images_dir.glob("*.json")):
        try:
            found.append(ImageManifest.model_validate_json(path.read_bytes()))
        except (OSError, ValidationError):
            continue
    return found


def _keep(directory: RunDirectory, manifest: ImageManifest) -> None:
    path = directory.images_dir / f"{manifest.id}.json"
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, path) from error
    directory.write_file(path, manifest.model_dump_json(indent=1) + "\n")
