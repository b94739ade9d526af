"""How a task and a refusal look in a terminal. All of it is an author's text, so nothing of it is sent as it is."""

from __future__ import annotations

import base64
from pathlib import PurePosixPath

from rich.console import Console, Group, RenderableType
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from terminal_task_gen.harmless import make_harmless
from terminal_task_gen.records import Usage
from terminal_task_gen.task import Refusal, Rejection, Task, TaskFile

MAX_FILE_LINES = 12
MAX_LINE_CHARS = 2_000


def print_task(console: Console, task: Task) -> None:
    """Instruction, files, tests with weights, solution, gates with their evidence, skills and cost."""
    facts = f"{task.domain} · {task.difficulty} · {task.lineage.mode} · {task.id}"
    console.print(Rule(Text(make_harmless(task.title), style="bold"), align="left"))
    console.print(Text(facts, style="dim"))
    console.print(_space(Text(make_harmless(task.instruction.strip()))))
    if task.skills:
        console.print(_space(_head("skills"), *(Text(f"· {make_harmless(skill)}") for skill in task.skills)))
    for file in task.files:
        console.print(_space(*_draw_file(file)))
    if task.weights:
        console.print(_space(_head("tests"), _draw_weights(task.weights)))
    console.print(_draw_code(task.tests, "python"))
    if task.solution:
        console.print(_space(_head("reference solution (private)"), _draw_code(task.solution, "bash")))
    console.print(_space(_head("gates"), _draw_gates(task)))
    console.print(Text(f"\n{_tell_history(task.lineage.refusals, task.usage)}", style="dim"))


def print_rejection(console: Console, rejection: Rejection) -> None:
    """Reason, evidence, what was refused before, and cost."""
    console.print(Rule(Text(f"refused: {rejection.reason}", style="bold yellow"), align="left"))
    facts = [rejection.domain, rejection.difficulty or "", rejection.mode or "", rejection.id]
    console.print(Text(" · ".join(fact for fact in facts if fact), style="dim"))
    console.print(_space(Text(make_harmless(rejection.evidence.strip()))))
    console.print(Text(f"\n{_tell_history(rejection.refusals, rejection.usage)}", style="dim"))


def _head(text: str) -> Text:
    return Text(text, style="bold cyan")


def _space(*parts: RenderableType) -> Group:
    return Group(Text(), *parts)


def _draw_file(file: TaskFile) -> list[RenderableType]:
    head = _head(f"/app/{make_harmless(file.path)}")
    size = len(base64.b64decode(file.content)) if file.encoding == "base64" else len(file.content.encode())
    head.append(f"  {size:,} bytes" + (", executable" if file.executable else ""), style="dim not bold")
    if file.encoding == "base64":
        return [head]
    lines = file.content.splitlines()
    parts: list[RenderableType] = [head, _draw_code("\n".join(lines[:MAX_FILE_LINES]), PurePosixPath(file.path).suffix)]
    if len(lines) > MAX_FILE_LINES:
        parts.append(Text(f"… {len(lines) - MAX_FILE_LINES:,} more lines", style="dim"))
    return parts


def _draw_code(code: str, language: str) -> RenderableType:
    lines = [make_harmless(line[:MAX_LINE_CHARS]) for line in code.rstrip().split("\n")]
    return Syntax(
        "\n".join(lines), language.lstrip(".") or "text", theme="ansi_dark", background_color="default", word_wrap=True
    )


def _draw_weights(weights: dict[str, float]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, weight in weights.items():
        table.add_row(f"{weight:.2f}", Text(make_harmless(name)))
    return table


def _draw_gates(task: Task) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for gate in task.gates:
        table.add_row(Text("✓", style="green"), gate.gate, Text(make_harmless(gate.evidence), style="dim"))
    return table


def _tell_history(refusals: tuple[Refusal, ...], usage: Usage) -> str:
    earlier = "".join(f"refused by {one.gate} ({', '.join(one.reasons)}), then " for one in refusals)
    cost = f", ${usage.cost_usd:.4f}" if usage.cost_usd else ""
    tokens = f"{usage.prompt_tokens:,} prompt and {usage.completion_tokens:,} completion tokens"
    return f"{earlier}{usage.calls} replies: {tokens}{cost}"
