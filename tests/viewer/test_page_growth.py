"""A run that grows while somebody reads: what is shown follows, focus and place stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from terminal_task_gen.store import TASKS, TRAJECTORIES, RunDirectory
from terminal_task_gen.viewer.server import open_viewer
from tests.export.samples import make_sample_task, make_sample_trajectory
from tests.viewer.browser import open_browser, open_reader


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "growing")
    run.lock()
    run.write_file(run.identity_path, "{}")
    return run


async def test_rows_come_in_without_taking_focus_or_place(run: RunDirectory) -> None:
    tasks, tried = (run.open_writer(kind, max_bytes=10**6) for kind in (TASKS, TRAJECTORIES))

    def grow(first: int, last: int) -> None:
        for number in range(first, last):
            task = make_sample_task(number)
            tasks.write(task)
            tried.write(make_sample_trajectory(task))

    grow(0, 24)
    async with (
        open_browser() as browser,
        open_viewer([run.path]) as viewer,
        open_reader(browser, viewer.entrance) as reader,
    ):
        page = reader.page
        await expect(page.locator(".live.writing")).to_have_text("growing")
        await expect(page.locator(".funnel").get_by_role("row", name="Trajectories")).to_contain_text("24")
        grow(24, 26)
        await expect(page.locator(".funnel").get_by_role("row", name="Trajectories")).to_contain_text("26")
        await reader.go("#/growing/trajectories", ".row-link")
        await page.locator(".row-link").nth(20).focus()
        await page.locator(".row-link").nth(20).scroll_into_view_if_needed()
        place, opened = await reader.ask("[scrollY, document.activeElement.dataset.key]")
        grow(26, 40)
        await expect(page.locator(".list-state")).to_have_text("40 trajectories")
        await expect(page.locator(".row-link")).to_have_count(40)
        assert await reader.ask("[scrollY, document.activeElement.dataset.key]") == [place, opened]
        # Sorted the other way, new rows would push what is being read: they are offered instead.
        await reader.go("#/growing/trajectories?sort=-order", ".row-link")
        newest = make_sample_trajectory(make_sample_task(39)).id
        await expect(page.locator(".row-link").first).to_have_attribute("data-key", f"row-{newest}")
        await page.get_by_role("searchbox").fill("Adds")
        await page.get_by_role("searchbox").fill("")
        await expect(page.locator(".list-state")).to_have_text("40 trajectories")
        grow(40, 42)
        await expect(page.locator(".list-state")).to_have_text("42 trajectories")
        await expect(page.locator(".row-link")).to_have_count(40)
        await expect(page.get_by_role("searchbox")).to_be_focused()
        await page.get_by_role("button", name="show the list anew").click()
        await expect(page.locator(".row-link")).to_have_count(42)
    tasks.close()
    tried.close()
    run.unlock()
