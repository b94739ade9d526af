"""Every view in light and dark, wide and narrow: nothing serious for axe, nothing wider than the window."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from terminal_task_gen.viewer.server import Viewer, open_viewer
from tests.viewer.browser import Reader, Scheme, open_browser, open_reader
from tests.viewer.watched_run import WatchedRun, make_watched_run

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> WatchedRun:
    return make_watched_run(tmp_path_factory.mktemp("runs"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def viewer(watched: WatchedRun, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Viewer]:
    second = make_watched_run(tmp_path_factory.mktemp("more"), "second")
    async with open_viewer([watched.path, second.path]) as opened:
        yield opened


def list_views(watched: WatchedRun) -> dict[str, tuple[str, str]]:
    """Name → deep link, and a selector of what it shows."""
    left, right = watched.passed.id, watched.failed.id
    return {
        "runs": ("#/", ".side"),
        "overview": ("#/watched", ".funnel"),
        "trajectories": ("#/watched/trajectories?domain=data_processing&domain=security&q=write&limit=25", ".row-link"),
        "tasks": ("#/watched/tasks?limit=25&offset=9", ".row-link"),
        "task": (f"#/watched/tasks/{watched.task.id}", ".row-link"),
        "refused": (f"#/watched/tasks/{watched.refused.id}", ".rejection"),
        "trajectory": (f"#/watched/trajectories/{right}?turn=2", ".ap-term-text"),
        "compare": (f"#/watched/diff?left={left}&right={right}", ".diff-turn"),
    }


async def open_folds(reader: Reader) -> None:
    await reader.ask("document.querySelectorAll('main details').forEach((fold) => { fold.open = true; })")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_serious_for_axe(browser: Browser, viewer: Viewer, watched: WatchedRun, scheme: Scheme) -> None:
    found: dict[str, list[str]] = {}
    async with open_reader(browser, viewer.entrance, scheme=scheme) as reader:
        for name, (link, shows) in list_views(watched).items():
            await reader.go(link, shows)
            await reader.keep_picture(f"{name}-wide-{scheme}")
            await open_folds(reader)
            found[name] = await reader.list_findings()
        await reader.press("?")
        await reader.page.wait_for_selector("dialog[open]")
        await reader.keep_picture(f"help-wide-{scheme}")
        found["help"] = await reader.list_findings()
    assert not any(found.values()), found


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_narrow_windows_hold_every_view(
    browser: Browser, viewer: Viewer, watched: WatchedRun, scheme: Scheme
) -> None:
    async with open_reader(browser, viewer.entrance, width=800, scheme=scheme) as reader:
        for name, (link, shows) in list_views(watched).items():
            await reader.go(link, shows)
            await reader.keep_picture(f"{name}-narrow-{scheme}")
            await open_folds(reader)
            assert await reader.ask("document.scrollingElement.scrollWidth <= innerWidth"), name
