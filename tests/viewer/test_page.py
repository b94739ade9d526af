"""The page of `ttg view` in a real browser: open, filter, search, play, jump, compare, note; with mouse and without."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from terminal_task_gen.viewer.server import Viewer, open_viewer
from tests.viewer.browser import Reader, open_browser, open_reader, read_notes
from tests.viewer.watched_run import STARTS_SEC, WatchedRun, make_watched_run

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIST = "#/watched/trajectories"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> WatchedRun:
    return make_watched_run(tmp_path_factory.mktemp("runs"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def viewer(watched: WatchedRun) -> AsyncIterator[Viewer]:
    async with open_viewer([watched.path]) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def reader(browser: Browser, viewer: Viewer) -> AsyncIterator[Reader]:
    async with open_reader(browser, viewer.entrance) as opened:
        yield opened


async def count_rows(reader: Reader) -> int:
    return await reader.page.locator(".row-link").count()


async def open_watched(reader: Reader, watched: WatchedRun, query: str = "") -> None:
    await reader.go(f"{LIST}/{watched.passed.id}{query}", ".ap-term-text")


async def get_seconds(reader: Reader) -> float:
    """Where the player is, in the recording's own time."""
    return float(await reader.page.locator(".stage-clock").get_attribute("data-seconds") or "-1")


async def wait_for_seconds(reader: Reader, seconds: float) -> None:
    await reader.page.wait_for_function(
        "(wanted) => Math.abs(document.querySelector('.stage-clock')?.dataset.seconds - wanted) < 0.05", arg=seconds
    )


async def test_opens_at_the_overview_and_forgets_the_token(reader: Reader, viewer: Viewer) -> None:
    await expect(reader.page.locator("h1")).to_have_text("watched")
    assert viewer.token not in await reader.ask("location.href + document.cookie + document.documentElement.outerHTML")
    funnel = reader.page.locator(".funnel")
    await expect(funnel.get_by_role("row", name="Tasks")).to_contain_text("33")
    await expect(funnel.get_by_role("row", name="Trajectories")).to_contain_text("34")
    await reader.page.get_by_role("link", name="fail_first 1").click()
    await expect(reader.page.locator(".list-state")).to_have_text("1 task")
    assert await reader.get_hash() == "#/watched/tasks?state=rejected&reason=fail_first"
    await reader.page.locator(".row-link").click()
    await expect(reader.page.locator(".rejection")).to_contain_text("passes on an untouched machine")


async def test_facets_search_sort_and_pages_live_in_the_address(reader: Reader) -> None:
    page = reader.page
    await reader.go(LIST, ".row-link")
    await expect(page.locator(".list-state")).to_have_text("34 trajectories")
    await page.get_by_role("checkbox", name="security").check()
    await expect(page.locator(".list-state")).to_have_text("16 trajectories")
    assert await reader.get_hash() == f"{LIST}?domain=security"
    await expect(page.get_by_role("checkbox", name="data_processing")).not_to_be_checked()
    await page.get_by_role("checkbox", name="data_processing").check()
    await expect(page.locator(".list-state")).to_have_text("34 trajectories")
    await page.go_back()
    await expect(page.locator(".list-state")).to_have_text("16 trajectories")
    await page.get_by_role("button", name="Remove Domain: security").click()
    await page.get_by_role("button", name="Reward").click()
    await expect(page.get_by_role("columnheader", name="Reward")).to_have_attribute("aria-sort", "descending")
    await page.get_by_label("a page").select_option("25")
    await page.get_by_role("button", name="Next").click()
    await expect(page.locator(".pager")).to_contain_text("26–34 of 34")
    assert await count_rows(reader) == 9
    await page.reload()
    await expect(page.locator(".pager")).to_contain_text("26–34 of 34")
    await page.get_by_role("searchbox").fill("touch note")
    await expect(page.locator(".list-state")).to_have_text("2 trajectories")
    assert "q=touch+note" in await reader.get_hash()
    await page.get_by_role("searchbox").fill("nowhere")
    await expect(page.locator(".nothing")).to_have_text("Nothing matches.")


async def test_a_turn_takes_the_player_to_its_time(reader: Reader, watched: WatchedRun) -> None:
    await open_watched(reader, watched)
    screen = reader.page.locator(".ap-term-text")
    await expect(reader.page.locator(".tests")).to_contain_text("test_total")
    await reader.page.get_by_role("button", name="Turn 3").click()
    await wait_for_seconds(reader, STARTS_SEC[2])
    await expect(screen).to_contain_text("answer 2 to cat")
    await expect(screen).not_to_contain_text("answer 3")
    await expect(reader.page.locator("#turn-3")).to_have_class("turn current")
    assert (await reader.get_hash()).endswith("?turn=3")
    await reader.page.get_by_role("checkbox", name="shorten waits").uncheck()
    await wait_for_seconds(reader, STARTS_SEC[2])
    await reader.page.reload()
    await wait_for_seconds(reader, STARTS_SEC[2])
    await expect(reader.page.locator("#turn-3")).to_have_class("turn current")


async def test_playing_moves_through_the_turns(reader: Reader, watched: WatchedRun) -> None:
    await open_watched(reader, watched)
    await reader.ask(
        "window.lit = []; new MutationObserver((changes) => changes.forEach(({ target }) =>"
        " target.matches('.turn.current') && window.lit.push(Number(target.dataset.turn))))"
        ".observe(document.querySelector('.turns'), { subtree: true, attributeFilter: ['class'] })"
    )
    await reader.page.get_by_label("Speed").select_option("2")
    await reader.page.get_by_role("button", name="▶ Play").click()
    await expect(reader.page.locator("#turn-4")).to_have_class("turn current")
    lit = await reader.ask("window.lit")
    # A busy machine may pass over a turn; none comes twice or out of order.
    assert lit == sorted(set(lit)) and len(lit) >= 2, lit
    await expect(reader.page.locator(".ap-term-text")).to_contain_text("answer 4 to touch")
    await wait_for_seconds(reader, STARTS_SEC[3] + 0.5)


async def test_reasoning_is_folded_and_texts_are_there(reader: Reader, watched: WatchedRun) -> None:
    await open_watched(reader, watched)
    turn = reader.page.locator("#turn-2")
    await expect(turn).to_contain_text("Plan of turn 2.")
    await expect(turn.locator(".commands")).to_contain_text("cat data/numbers.txt")
    await expect(turn.locator(".answered")).to_contain_text("answer 2 to cat data/numbers.txt")
    assert "Thought 2." not in await turn.inner_text()
    await turn.get_by_text("Reasoning").click()
    await expect(turn).to_contain_text("Thought 2.")


async def test_two_attempts_are_compared(reader: Reader, watched: WatchedRun) -> None:
    await reader.go(f"#/watched/tasks/{watched.task.id}", ".gates, #attempts-title")
    for box in await reader.page.get_by_role("checkbox", name="Choose for comparing").all():
        await box.check()
    await reader.page.get_by_role("button", name="Compare", exact=True).click()
    await expect(reader.page.locator(".diff-turn")).to_have_count(1)
    await expect(reader.page.locator(".diff-equal")).to_have_count(3)
    await expect(reader.page.locator(".diff-turn del").first).to_contain_text("sum data/numbers.txt > total.txt")
    await expect(reader.page.locator(".diff-turn ins").first).to_contain_text("wc -l data/numbers.txt > total.txt")
    await expect(reader.page.get_by_role("row", name="test_total")).to_contain_text("differs")


async def test_keyboard_alone(reader: Reader, watched: WatchedRun) -> None:
    page = reader.page
    await reader.press("g", "j")
    await page.wait_for_selector(".row-link")
    await reader.press("/")
    await page.keyboard.type("quartermaster", delay=1)
    await reader.press("Escape")
    await reader.press("Escape")
    await expect(page.locator(".list-state")).to_have_text("34 trajectories")
    await reader.press("/")
    await page.keyboard.type(watched.failed.id, delay=1)
    await expect(page.locator(".list-state")).to_have_text("1 trajectory")
    await reader.press("Escape", "j")
    assert await reader.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    await reader.press("Enter")
    await page.wait_for_selector(".ap-term-text")
    await expect(page.locator("h1")).to_be_focused()
    await reader.press("j", "j")
    await expect(page.locator("#turn-2 .turn-head")).to_be_focused()
    await wait_for_seconds(reader, STARTS_SEC[1])
    await reader.press("c")
    await page.wait_for_selector(".diff-turn")
    await reader.press("u")
    await page.wait_for_selector("#attempts-title")
    await reader.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("up to the list")
    await reader.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await reader.press("t", "t")
    assert await reader.ask("document.documentElement.dataset.theme") == "dark"


async def test_back_comes_to_where_one_was(reader: Reader) -> None:
    page = reader.page
    await reader.go(f"{LIST}?limit=50", ".row-link")
    await page.locator(".row-link").nth(28).focus()
    await page.locator(".row-link").nth(28).scroll_into_view_if_needed()
    place = await reader.ask("scrollY")
    assert place > 0
    await reader.press("Enter")
    await page.wait_for_selector(".turn")
    assert await reader.ask("scrollY") == 0
    await page.go_back()
    await page.wait_for_selector(".row-link")
    await expect(page.locator(".row-link").nth(28)).to_be_focused()
    assert await reader.ask("scrollY") == place


async def test_notes_and_labels_are_kept_and_found(reader: Reader, watched: WatchedRun) -> None:
    page = reader.page
    await reader.go(f"{LIST}/{watched.failed.id}", ".turn")
    await reader.press("n")
    await page.keyboard.type("Counts lines, not the sum.")
    await page.get_by_label("Add a label").fill("miscount")
    await page.get_by_label("Add a label").press("Enter")
    await expect(page.locator(".note [role=status]")).to_contain_text("saved")
    (note,) = read_notes(watched.path)
    assert note["id"] == watched.failed.id and note["labels"] == ["miscount"]
    assert note["text"] == "Counts lines, not the sum."
    await reader.go(LIST, ".row-link")
    await page.get_by_role("checkbox", name="miscount").check()
    await expect(page.locator(".list-state")).to_have_text("1 trajectory")


async def test_a_wrong_place_says_so(reader: Reader) -> None:
    await reader.page.evaluate("location.hash = '#/watched/elsewhere'")
    await expect(reader.page.get_by_role("alert")).to_contain_text("There is nothing at #/watched/elsewhere")


async def test_waits_are_shortened_and_times_go_both_ways(reader: Reader) -> None:
    """Recording times 0 … 100 with two waits: to the player and back is the same wherever something happens."""
    script = """async (events) => {
        const { shorten } = await import('/page/timeline.js');
        const line = shorten(events, 2);
        return [line.events.map((event) => event[0]), line.length, events.map(([time]) => line.toPlayer(time)),
          events.map(([time]) => line.toRecording(line.toPlayer(time))), line.toPlayer(30),
          shorten(events, null).length];
    }"""
    events = [[1.0, "o", ""], [1.5, "o", ""], [41.5, "o", ""], [42.0, "o", ""], [100.0, "o", ""]]
    times, length, to_player, back, within, plain = await reader.ask(script, events)
    assert times == to_player == [1.0, 1.5, 3.5, 4.0, 6.0]
    assert (length, within, plain) == (6.0, 3.5, 100.0)
    assert back == [event[0] for event in events]
