"""What is kept of an image saves a sandbox the next time, and nothing that was tampered with is believed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from terminal_task_gen import image_cache
from terminal_task_gen.image_cache import keep, read_kept
from terminal_task_gen.sandbox import SandboxSpec
from terminal_task_gen.sandbox.bubblewrap import BubblewrapFactory, BubblewrapSandbox
from terminal_task_gen.verifier.bench import KIT_ITEM_ID, TestBench

KEY = ("sha256:0123", "more")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "ttg" / "images"


def test_what_was_kept_is_found_under_its_own_key_only(cache: Path) -> None:
    keep("kit", KEY, b"content")
    assert read_kept("kit", KEY) == b"content"
    assert read_kept("kit", ("sha256:0124", "more")) is None
    assert read_kept("manifest", KEY) is None
    assert [path.stat().st_mode & 0o777 for path in cache.iterdir()] == [0o600]
    assert cache.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("harm", ["cut", "changed", "writable by others"])
def test_what_is_damaged_or_open_to_others_is_missing(cache: Path, harm: str) -> None:
    keep("kit", KEY, b"content")
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    if harm == "writable by others":
        path.chmod(0o622)
    else:
        path.write_bytes(whole[:-1] if harm == "cut" else whole[:-1] + b"!")
    assert read_kept("kit", KEY) is None


def test_only_the_newest_stay(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_cache, "MAX_FILES", 3)
    for number in range(6):
        keep("kit", (str(number),), b"content")
    assert len(list(cache.iterdir())) == 3


def test_without_a_place_to_write_nothing_is_kept_and_nobody_fails(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    keep("kit", KEY, b"content")
    assert read_kept("kit", KEY) is None
    assert not cache.exists()


class ImageFactory(BubblewrapFactory):
    """As if it had images; counts what is started to compile a kit."""

    def __init__(self, digest: str) -> None:
        super().__init__()
        self.digest = digest
        self.kits = 0

    async def get_image_digest(self, image: str) -> str:
        return self.digest

    async def start(self, spec: SandboxSpec) -> BubblewrapSandbox:
        self.kits += spec.item_id == KIT_ITEM_ID
        return await super().start(spec)


async def count_kits(digest: str) -> int:
    factory = ImageFactory(digest)
    try:
        sandbox = await factory.start(SandboxSpec(image="base", run_id="cache", item_id="item"))
        report = await TestBench(factory, run_id="cache").run_tests(
            sandbox, "base", tests="def test_yes():\n    pass\n", weights={"test_yes": 1.0}, timeout_sec=60.0
        )
    finally:
        await factory.close()
    assert report.passed
    return factory.kits


@pytest.mark.bubblewrap
def test_a_second_process_compiles_no_kit_for_the_same_image() -> None:
    digests = ("sha256:one", "sha256:one", "sha256:two", "")
    assert [asyncio.run(count_kits(digest)) for digest in digests] == [1, 0, 1, 1]
