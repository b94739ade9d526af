"""A run whose every text means harm: scripts, escapes, bidi controls, a line of 50 MB. It is shown and does nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from playwright.async_api import expect

from terminal_task_gen.store import RunDirectory
from terminal_task_gen.viewer.server import open_viewer
from tests.viewer.browser import Reader, open_browser, open_reader
from tests.viewer.watched_run import WatchedRun, make_recording, make_watched_run

EVIL = (
    "<img src=x onerror=alert(1)><script>window.owned=1</script>\x1b]0;owned\x07\x1b[31;2J\u202egpj.exe\u2066\u200b"
    "\x00\x9b\U000e0041${7*7}'\";--</pre></main>"
)
LONG = "A" * 25_000_000
"""Twice in its row (message and step), which makes a line of 50 MB of the shard."""
SEEN = "the teacher saw this"
INVISIBLE = r"/[\u202a-\u202e\u2066-\u2069\u001b\u0000]/"
"""What must not reach the page as it is, as a JavaScript expression."""


def spoil(value: Any, key: str = "") -> Any:
    """Every text of a row but its ids and roles with something evil in front."""
    if isinstance(value, str):
        return value if key in ("id", "task_id", "role", "status", "request_id", "cause", "stage") else EVIL + value
    if isinstance(value, list):
        return [spoil(entry) for entry in value]
    if isinstance(value, dict):
        return {name: spoil(entry, name) for name, entry in value.items()}
    return value


def spoil_run(watched: WatchedRun) -> None:
    """The run's rows rewritten: all spoilt; the failed attempt's second answer is one endless line."""
    run = RunDirectory(watched.path)
    for path in [*run.path.glob("tasks/*.jsonl"), *run.path.glob("trajectories/*.jsonl")]:
        rows = [spoil(orjson.loads(line)) for line in path.read_bytes().splitlines()]
        for row in rows:
            if row["id"] == watched.failed.id:
                row["messages"][4]["content"] = row["steps"][1]["observation"] = f"{SEEN}\n{LONG}"
        path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    cast = run.path / "recordings" / f"{watched.passed.id}.cast"
    cast.write_text(make_recording(watched.passed) + json.dumps([48.5, "o", EVIL + "\r\nthe end"]) + "\n[1, tor")


async def check_harmless(reader: Reader, name: str) -> None:
    """What the texts wanted has not come to be, and nothing invisible is left in text, title or attributes."""
    assert await reader.ask("window.owned === undefined && !document.querySelector('main img, main script')")
    assert await reader.ask("document.scrollingElement.scrollWidth <= innerWidth"), name
    assert not await reader.ask(f"{INVISIBLE}.test(document.body.textContent + document.title)"), name
    attributes = await reader.ask(
        "[...document.querySelectorAll('main *')].flatMap((one) => ['title', 'aria-label', 'placeholder']"
        f".map((name) => one.getAttribute(name) ?? '')).filter((text) => {INVISIBLE}.test(text))"
    )
    assert not attributes, (name, attributes[:3])


@pytest.mark.timeout(240)
async def test_hostile_texts_are_seen_and_do_nothing(tmp_path: Path) -> None:
    watched = make_watched_run(tmp_path, "hostile")
    spoil_run(watched)
    task, bad, good = (quote(one, safe="") for one in (watched.task.id, watched.failed.id, watched.passed.id))
    views = {
        "overview": ("#/hostile", ".funnel"),
        "list": ("#/hostile/trajectories", ".row-link"),
        "tasks": ("#/hostile/tasks", ".row-link"),
        "task": (f"#/hostile/tasks/{task}", ".row-link"),
        "trajectory": (f"#/hostile/trajectories/{good}?turn=2", ".ap-term-text"),
        "compare": (f"#/hostile/diff?left={good}&right={bad}", ".diff-turn"),
        "long line": (f"#/hostile/trajectories/{bad}", ".turn"),
    }
    async with (
        open_browser() as browser,
        open_viewer([watched.path]) as viewer,
        open_reader(browser, viewer.entrance, width=1100) as reader,
    ):
        for name, (link, shows) in views.items():
            await reader.go(link, shows)
            await reader.ask("document.querySelectorAll('main details').forEach((fold) => { fold.open = true; })")
            await check_harmless(reader, name)
            await reader.keep_picture(f"hostile-{name.replace(' ', '-')}")
        await check_long_line(reader)
        await check_marks(reader, good)


async def check_long_line(reader: Reader) -> None:
    """25 MB came as a few kilobytes; more is shown in steps, when wanted."""
    screen = reader.page.locator("#turn-2 .answered")
    await expect(screen).to_contain_text(SEEN)
    assert len(await screen.inner_text()) < 10_000
    await screen.get_by_role("button", name="Show more").click()
    await expect(screen).to_contain_text("Show less")
    assert len(await screen.inner_text()) < 50_000


async def check_marks(reader: Reader, trajectory: str) -> None:
    """What cannot be seen is marked; the recording plays to its end and changes nothing around it."""
    await reader.go(f"#/hostile/trajectories/{trajectory}?turn=4", ".ap-term-text")
    marks = set(await reader.page.locator("#turn-2 .odd").all_inner_texts())
    assert {"RLO", "LRI", "ZWSP", "NUL", "ESC[31;2J", "U+009B", "U+E0041"} <= marks, marks
    title = await reader.page.title()
    await reader.page.get_by_label("Speed").select_option("8")
    await reader.press(" ")
    await expect(reader.page.locator(".ap-term-text")).to_contain_text("the end")
    assert await reader.page.title() == title
    await check_harmless(reader, "played")
