"""A trajectory as people read it: turn by turn, then the verdict, then what the filter said."""

from __future__ import annotations

from typing import Any

from terminal_task_gen.cli.show_parts import Page
from terminal_task_gen.cli.show_task import describe_reward
from terminal_task_gen.lookup import Found
from terminal_task_gen.trajectory import find_thinking_end
from terminal_task_gen.turn_view import read_reply

_STATUS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "crashed": ("!", "magenta"), "missing": ("?", "yellow")}


def show_trajectory(page: Page, found: Found, *, task: dict[str, Any] | None, judged: dict[str, Any] | None) -> None:
    """`judged`: the corpus's row of it, if it was filtered."""
    row = found.row
    page.head(f"trajectory  {found.id}")
    _show_facts(page, found, task or {}, judged)
    if task:
        page.blank()
        page.head("instruction")
        page.body(task.get("instruction", ""))
    replies = _list_replies(row)
    for number, step in enumerate(row.get("steps", [])):
        _show_turn(page, step, replies[number] if number < len(replies) else {})
    _show_verdict(page, row.get("verdict") or {})
    _show_rulings(page, judged)


def _show_facts(page: Page, found: Found, task: dict[str, Any], judged: dict[str, Any] | None) -> None:
    row = found.row
    usage, timings = row.get("usage") or {}, row.get("timings") or {}
    spent = f"{usage.get('prompt_tokens', 0):,} prompt and {usage.get('completion_tokens', 0):,} completion tokens"
    spent += f", ${usage['cost_usd']:.4f}" if usage.get("cost_usd") else ""
    times = [f"{word} {timings.get(f'{word}_sec', 0):.1f} s" for word in ("total", "teacher", "terminal", "verify")]
    page.facts(
        [
            ("run", found.run),
            ("task", f"{row.get('task_id')}  {task.get('title', '')}"),
            ("domain", ", ".join(str(part) for part in (row.get("domain"), task.get("difficulty")) if part)),
            (
                "actor",
                f"{row.get('model')} as {row.get('agent')}, attempt {row.get('attempt')}, in {row.get('sandbox')}",
            ),
            ("stopped", f"{row.get('stop_reason')} after {len(row.get('steps', []))} turns"),
            ("reward", describe_reward(row.get("verdict") or {}).plain),
            ("spent", spent),
            ("time", ", ".join(times)),
            ("filter", _describe_fate(judged)),
            ("replay", f"ttg replay {found.id}"),
        ]
    )


def _show_turn(page: Page, step: dict[str, Any], message: dict[str, Any]) -> None:
    usage = step.get("usage") or {}
    page.blank()
    injected = f"  asked to make a mistake: {step['injected']}" if step.get("injected") else ""
    page.head(f"turn {step.get('turn')}  {usage.get('completion_tokens', 0):,} tokens{injected}")
    content = str(message.get("content", ""))
    thinking_end = find_thinking_end(content)
    page.body(f"{message.get('reasoning') or ''}\n{content[:thinking_end]}", style="dim italic")
    reply = read_reply(content)
    if step.get("error"):
        page.body(content[thinking_end:], style="yellow", margin="│ ")
        page.body(f"not understood: {step['error']}", style="bold red")
    elif reply is None:
        page.body(content[thinking_end:], style="cyan")
    else:
        page.body(f"{reply.get('analysis', '')}\n{reply.get('plan', '')}", style="cyan")
    for command in step.get("commands", []):
        keystrokes = str(command.get("keystrokes", "")).rstrip("\n") or "(nothing typed)"
        page.body(f"{keystrokes}  ⟨{command.get('duration_sec', 0):g} s⟩", style="bold green", margin="▸ ")
    if step.get("task_complete"):
        page.body("says that the task is complete", style="bold magenta")
    for warning in step.get("warnings", []):
        page.body(f"warned: {warning}", style="yellow")
    page.body(step.get("observation", ""), margin="│ ")


def _show_verdict(page: Page, verdict: dict[str, Any]) -> None:
    page.blank()
    page.head("verdict")
    page.body(f"reward {describe_reward(verdict).plain}", style="bold")
    if verdict.get("tampered"):
        page.body("the tests' own tools were tampered with", style="bold red")
    for path in verdict.get("system_changes", []):
        page.body(f"changed outside of the work folders: {path}", style="dim")
    for test in verdict.get("tests", []):
        sign, style = _STATUS.get(test.get("status"), ("–", "dim"))
        page.body(f"{sign} {test.get('weight', 0):<5g} {test.get('name')}  {test.get('status')}", style=style)
        if test.get("status") != "passed":
            page.body(test.get("message", ""), indent=6, margin="│ ")
    if not verdict.get("passed") and not verdict.get("tests"):
        page.body(verdict.get("log", ""), margin="│ ")


def _show_rulings(page: Page, judged: dict[str, Any] | None) -> None:
    page.blank()
    page.head("filter")
    page.body(_describe_fate(judged), style="bold")
    rows = [
        tuple(page.make_text(str(finding.get(word, ""))) for word in ("rule", "reason", "where", "evidence"))
        for finding in (judged or {}).get("findings", [])
    ]
    if rows:
        page.table(["rule", "reason", "where", "evidence"], rows)


def _describe_fate(judged: dict[str, Any] | None) -> str:
    if judged is None:
        return "not filtered yet (ttg filter)"
    flags = f"; flagged: {', '.join(judged['flags'])}" if judged.get("flags") else ""
    return (f"dropped: {judged['drop_reason']}" if "drop_reason" in judged else "kept") + flags


def _list_replies(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The message of each step; after a handover the first reply is a question, not a turn."""
    replies: list[dict[str, Any]] = []
    for place, messages in enumerate([*row.get("earlier", []), row.get("messages", [])]):
        spoken = [message for message in messages if message.get("role") == "assistant"]
        replies += spoken[1:] if place else spoken
    return replies
