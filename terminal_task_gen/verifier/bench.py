"""Where tests are run with a kit that is compiled once an image, not anew in every sandbox.

Compiling pytest costs more than most tests do. It is done in a sandbox of its own that no teacher has touched, so the
bytecode can be trusted, and kept by the image's id (image_cache.py). What does not compile is run from source. It is
only ever loaded inside sandboxes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from terminal_task_gen.errors import SandboxError
from terminal_task_gen.image_cache import keep, read_kept
from terminal_task_gen.sandbox import Sandbox, SandboxFactory, SandboxSpec
from terminal_task_gen.verifier import ORDINARY, Conditions, TestReport, run_tests
from terminal_task_gen.verifier.kit import digest_kit, pack_kit

KIT_ITEM_ID = "verifier-kit"
"""Label of the sandbox in which a kit is compiled."""

_COMPILER = Path(__file__).with_name("compiler.py")
_COMPILE_TIMEOUT_SEC = 120.0
_MAX_KIT_BYTES = 32_000_000


class TestBench:
    """Runs tests in sandboxes of one driver. Safe to use from many coroutines at once."""

    __test__ = False  # pytest: not a test class

    def __init__(self, factory: SandboxFactory, *, run_id: str) -> None:
        self._factory = factory
        self._run_id = run_id
        self._digests: dict[str, str] = {}
        self._kits: dict[str, asyncio.Task[bytes]] = {}

    async def run_tests(
        self,
        sandbox: Sandbox,
        image: str,
        *,
        tests: str,
        weights: Mapping[str, float],
        timeout_sec: float,
        conditions: Conditions = ORDINARY,
        trust_bytecode: bool = True,
    ) -> TestReport:
        """As `verifier.run_tests`; `image` is what `sandbox` was started from. Raises SandboxError only."""
        kit = await self._get_kit(image)
        return await run_tests(
            sandbox,
            tests=tests,
            weights=weights,
            timeout_sec=timeout_sec,
            kit=kit,
            conditions=conditions,
            trust_bytecode=trust_bytecode,
        )

    async def _get_kit(self, image: str) -> bytes:
        # Images of one digest share an interpreter; a driver without images gives "" for all.
        key = self._digests.get(image)
        if key is None:
            key = self._digests[image] = await self._factory.get_image_digest(image)
        compiling = self._kits.get(key)
        if compiling is None:
            compiling = self._kits[key] = asyncio.create_task(self._find_kit(image, key))
        try:
            # Shielded: one caller that is cancelled must not take the kit from the others.
            return await asyncio.shield(compiling)
        except SandboxError:
            if self._kits.get(key) is compiling:
                del self._kits[key]
            raise

    async def _find_kit(self, image: str, digest: str) -> bytes:
        """What was compiled before for this very image and kit, else what is now."""
        compiler = _COMPILER.read_text(encoding="utf-8")
        key = (digest, digest_kit(), compiler)
        kept = await asyncio.to_thread(read_kept, "kit", key) if digest else None
        if kept is not None:
            return kept
        kit = await self._compile_kit(image, compiler)
        if digest and kit != pack_kit():
            await asyncio.to_thread(keep, "kit", key, kit)
        return kit

    async def _compile_kit(self, image: str, compiler: str) -> bytes:
        source = pack_kit()
        spec = SandboxSpec(image=image, run_id=self._run_id, item_id=KIT_ITEM_ID, one_off=True)
        sandbox = await self._factory.start(spec)
        try:
            command = ["python3", "-I", "-B", "-c", compiler]
            result = await sandbox.exec(
                command, stdin=source, timeout_sec=_COMPILE_TIMEOUT_SEC, max_output_bytes=_MAX_KIT_BYTES
            )
        finally:
            await sandbox.close()
        return source if result.exit_code or result.truncated else result.stdout
