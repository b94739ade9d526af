"""A task, and a request or attempt that came to nothing, as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from terminal_task_gen.cli.show_parts import Page


def show_task(
    page: Page, task: dict[str, Any], *, run: Path | None, attempts: Sequence[dict[str, Any]] = (), with_solution: bool
) -> None:
    """`run`: where it is; None where it is nowhere."""
    page.head(f"task  {task['id']}")
    lineage, limits = task.get("lineage") or {}, task.get("limits") or {}
    origin = [lineage.get("mode"), lineage.get("seed_id"), lineage.get("dataset"), lineage.get("dataset_row")]
    page.facts(
        [
            ("run", run),
            ("title", task.get("title")),
            ("domain", f"{task.get('domain')}, {task.get('difficulty')}, image {task.get('image')}"),
            ("from", " · ".join(str(part) for part in origin if part)),
            ("author", lineage.get("author_model")),
            ("repairs", lineage.get("repair_rounds") or ""),
            ("cost", _tell_cost(task.get("usage") or {})),
            ("tags", ", ".join(task.get("tags", []))),
            ("limits", ", ".join(f"{word} {value:g}" for word, value in limits.items() if not isinstance(value, bool))),
        ]
    )
    _show_skills(page, task)
    page.blank()
    page.head("instruction")
    page.body(task.get("instruction", ""))
    for file in task.get("files", []):
        page.blank()
        size = f"{len(file.get('content', '')):,} characters" + (
            " of base64" if file.get("encoding") == "base64" else ""
        )
        page.head(f"file  /app/{file.get('path')}  ({size})")
        if file.get("encoding") != "base64":
            page.body(file.get("content", ""), margin="│ ")
    page.blank()
    page.head("tests")
    weights = task.get("weights") or {}
    page.table(["weight", "test"], [(f"{weight:g}", page.make_text(name)) for name, weight in weights.items()])
    page.body(task.get("tests") or "(brought along by a task made elsewhere)", margin="│ ")
    _show_solution(page, task, with_solution=with_solution)
    page.blank()
    page.head("gates passed")
    gates = task.get("gates", [])
    page.table(
        ["gate", "evidence"], [(page.make_text(g["gate"]), page.make_text(g.get("evidence", ""))) for g in gates]
    )
    for refusal in lineage.get("refusals", []):
        page.body(f"sent back before: {refusal['gate']}: {', '.join(refusal['reasons'])}", style="yellow")
    _show_attempts(page, attempts)


def show_refusal(page: Page, row: dict[str, Any], *, kind: str, run: Path | None) -> None:
    """Of generation or of a rollout."""
    page.head(f"{kind}  {row['id']}")
    page.facts(
        [
            ("run", run),
            ("domain", " ".join(str(row.get(word)) for word in ("domain", "difficulty", "mode") if row.get(word))),
            ("task", row.get("task_id")),
            ("cause", row.get("cause")),
            ("reason", row.get("reason")),
            ("repairs", row.get("repair_rounds") or ""),
            ("cost", _tell_cost(row.get("usage") or {})),
        ]
    )
    page.body(str(row.get("evidence", "")), indent=2, margin="│ ")
    for number, refusal in enumerate(row.get("refusals", []), start=1):
        page.body(f"reply {number} refused by {refusal['gate']}: {', '.join(refusal['reasons'])}", style="yellow")


def _show_skills(page: Page, task: dict[str, Any]) -> None:
    for skill in task.get("skills", []):
        page.body(f"• {skill}", style="dim", indent=0)


def _show_solution(page: Page, task: dict[str, Any], *, with_solution: bool) -> None:
    if not task.get("solution"):
        return
    page.blank()
    page.head("solution (private)")
    if with_solution:
        page.body(task["solution"], margin="│ ")
    else:
        page.body(f"{len(task['solution']):,} characters; --solution shows it", style="dim")


def _tell_cost(usage: dict[str, Any]) -> str:
    """Empty where nothing was asked."""
    if not usage.get("calls"):
        return ""
    tokens = f"{usage.get('prompt_tokens', 0):,} prompt and {usage.get('completion_tokens', 0):,} completion tokens"
    cost = f", ${usage['cost_usd']:.4f}" if usage.get("cost_usd") else ""
    return f"{usage['calls']} replies, {tokens}{cost}"


def _show_attempts(page: Page, attempts: Sequence[dict[str, Any]]) -> None:
    if not attempts:
        return
    page.blank()
    page.head("attempts")
    rows = [
        (
            page.make_text(str(row["id"])),
            page.make_text(str(row.get("model"))),
            Text(str(len(row.get("steps", [])))),
            page.make_text(str(row.get("stop_reason"))),
            describe_reward(row.get("verdict") or {}),
        )
        for row in attempts
    ]
    page.table(["trajectory", "model", "turns", "stopped", "reward"], rows)


def describe_reward(verdict: dict[str, Any]) -> Text:
    if not verdict.get("judged", True):
        return Text("not judged: the task has no tests", style="dim")
    reward, passed = verdict.get("reward", 0.0), verdict.get("passed")
    return Text(
        f"{reward:g}" + (" passed" if passed else ""), style="green" if passed else "yellow" if reward else "red"
    )
