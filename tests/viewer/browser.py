"""A real Chromium with the page of `ttg view` in it, and ears for everything a page must not do."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import orjson
from playwright.async_api import Browser, Page, async_playwright, expect

ARTIFACTS = Path(__file__).resolve().parents[2] / "test-artifacts" / "viewer"
AXE = files("axe_playwright_python") / "axe.min.js"
WAIT_MS = 60_000
"""Machines are sometimes busy; nothing here waits for as long when it works."""
expect.set_options(timeout=WAIT_MS)

Scheme = Literal["light", "dark"]


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, headless. Root (CI) has no user namespace sandbox."""
    program = shutil.which("chromium")
    assert program, "no chromium: make system-test installs it"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        try:
            yield browser
        finally:
            await browser.close()


class Reader:
    """Somebody at the page: goes to places of it and hears what goes wrong."""

    def __init__(self, page: Page, entrance: str) -> None:
        self.page = page
        self.entrance = entrance
        self.address = entrance.split("?")[0]
        self.troubles: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda message: self._hear(message.type, f"{message.text} {message.location}"))
        page.on("pageerror", lambda error: self.troubles.append(f"exception: {error} {error.stack}"))
        page.on("dialog", lambda dialog: self.troubles.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self._check_origin(request.url))

    def _hear(self, kind: str, text: str) -> None:
        # 503: the index is being built, the page asks again.
        if kind in ("error", "warning") and "status of 503" not in text:
            self.troubles.append(f"console {kind}: {text}")

    def _check_origin(self, url: str) -> None:
        if not url.startswith((self.address, "data:")):
            self.troubles.append(f"request to {url}")

    async def enter(self) -> None:
        """By the link with the token, as printed."""
        await self.page.add_init_script(
            "window.violations = []; document.addEventListener('securitypolicyviolation',"
            " (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));"
        )
        await self.page.goto(self.entrance)
        await self.page.wait_for_selector("h1")

    async def go(self, fragment: str, wait_for: str) -> None:
        """To a deep link; `wait_for`: a selector of what it shows."""
        await self.page.evaluate("(hash) => { location.hash = hash; }", fragment)
        await self.page.wait_for_function("(hash) => location.hash.startsWith(hash.split('?')[0])", arg=fragment)
        await self.page.wait_for_selector(wait_for)

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.page.keyboard.press(key)

    async def get_hash(self) -> str:
        found: str = await self.page.evaluate("location.hash")
        return found

    async def ask(self, script: str, argument: object = None) -> Any:
        return await self.page.evaluate(script, argument)

    async def keep_picture(self, name: str) -> None:
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=ARTIFACTS / f"{name}.png")

    async def list_findings(self) -> list[str]:
        """What axe finds serious or critical in what is shown; it must have looked at colours too."""
        if not await self.ask("typeof window.axe === 'object'"):
            await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        # Elements that are still fading are no colours to judge.
        report = await self.ask("async () => axe.run(document, {resultTypes: ['violations', 'passes']})")
        assert "color-contrast" in {one["id"] for one in report["passes"]}
        return [
            f"{one['impact']} {one['id']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
            for one in report["violations"]
            if one["impact"] in ("serious", "critical")
        ]

    async def check_quiet(self) -> None:
        """Nothing was said, refused or fetched that should not be."""
        violations = await self.ask("window.violations")
        assert not self.troubles and not violations, (self.troubles, violations)


@asynccontextmanager
async def open_reader(
    browser: Browser, entrance: str, *, width: int = 1400, scheme: Scheme = "light"
) -> AsyncIterator[Reader]:
    """A fresh browser profile at the run's page; afterwards nothing may have gone wrong."""
    context = await browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    try:
        reader = Reader(await context.new_page(), entrance)
        await reader.enter()
        yield reader
        await reader.check_quiet()
    finally:
        await context.close()


def read_notes(run: Path) -> list[Any]:
    return [orjson.loads(line) for line in (run / "notes.jsonl").read_bytes().splitlines()]
