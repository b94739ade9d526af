"""Trajectories in ATIF v1.8, one JSON file each, as Harbor's Terminus-2 writes them: its viewer, validator and trace
export read them.

    <folder>/<domain>/<trajectory id>.json      README.md      export.json

A reply that could be read is told as analysis, plan and tool calls; one that could not is told verbatim. Reasoning is
kept apart. The verdict is in `extra`. There are no timestamps: equal replies give equal files.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from terminal_task_gen import __version__
from terminal_task_gen.errors import UsageError
from terminal_task_gen.export.folder import EXPORT_MARK, check_replaceable, dump_record, replace_folder, write_file
from terminal_task_gen.records import Record, Usage
from terminal_task_gen.trajectory import Message, Step, Trajectory, find_thinking_end

SCHEMA_VERSION = "ATIF-v1.8"
AGENT_VERSION = "2.0.0"


class AtifReport(Record):
    """export.json."""

    format: str = "atif"
    ttg_version: str = __version__
    source: str
    trajectories: int
    left_out: dict[str, int]
    """Reason → trajectories."""


def export_trajectories(
    folder: Path, trajectories: Iterable[Trajectory], *, wanted: frozenset[str], run_id: str, name: str, dialect: str
) -> AtifReport:
    """Write `folder` anew with the trajectories of these ids. Raises UsageError: nothing to write, the disk refuses."""
    check_replaceable(folder, EXPORT_MARK)
    written = left_out = 0
    with replace_folder(folder) as temporary:
        for trajectory in trajectories:
            if trajectory.id not in wanted:
                left_out += 1
                continue
            place = temporary / trajectory.domain / f"{trajectory.id}.json"
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(
                orjson.dumps(build_atif(trajectory, run_id=run_id, dialect=dialect), option=orjson.OPT_INDENT_2)
            )
            written += 1
        if not written:
            raise UsageError(f"{name} has no kept trajectory to export")
        left = {"dropped by a filter": left_out} if left_out else {}
        report = AtifReport(source=name, trajectories=written, left_out=left)
        text = (
            f"# {name}: {written:,} trajectories in {SCHEMA_VERSION}\n\n"
            f"Written by Terminal-Task-Gen (`ttg`) {__version__}. "
            "Check one with `python -m harbor.utils.trajectory_validator FILE`.\n"
        )
        write_file(temporary / "README.md", text.encode())
        write_file(temporary / EXPORT_MARK, dump_record(report, indent=True) + b"\n")
    return report


def build_atif(trajectory: Trajectory, *, run_id: str, dialect: str = "json") -> dict[str, Any]:
    """The trajectory as ATIF's JSON, nulls left out."""
    first = trajectory.earlier[0] if trajectory.earlier else trajectory.messages
    opening = next((message.content for message in first if message.role == "user"), "")
    steps: list[dict[str, Any]] = [{"step_id": 1, "source": "user", "message": opening}]
    for reply, step in zip(trajectory.list_replies(), trajectory.steps, strict=False):
        steps.append(_build_step(reply, step, number=len(steps) + 1, model=trajectory.model))
    verdict, usage = trajectory.verdict, trajectory.usage
    return {
        "schema_version": SCHEMA_VERSION,
        "session_id": run_id,
        "trajectory_id": trajectory.id,
        "agent": {
            "name": trajectory.agent,
            "version": AGENT_VERSION,
            "model_name": trajectory.model,
            "extra": {"parser": dialect},
        },
        "steps": steps,
        "final_metrics": {**_build_metrics(usage, prefix="total_"), "total_steps": len(steps)},
        "extra": {
            "task_id": trajectory.task_id,
            "domain": trajectory.domain,
            "attempt": trajectory.attempt,
            "stop_reason": trajectory.stop_reason,
            "handovers": len(trajectory.earlier),
            "reward": verdict.reward,
            "passed": verdict.passed,
            "tests": [test.model_dump(include={"name", "status", "weight"}) for test in verdict.tests],
        },
    }


def _build_step(reply: Message, step: Step, *, number: int, model: str) -> dict[str, Any]:
    thinking_end = find_thinking_end(reply.content)
    reasoning = (reply.reasoning or "").strip() or reply.content[:thinking_end].strip()
    body = reply.content[thinking_end:].strip()
    calls = [] if step.error else _list_calls(step)
    built: dict[str, Any] = {
        "step_id": number,
        "source": "agent",
        "model_name": model,
        "message": body if step.error else _say_analysis(body),
        "metrics": _build_metrics(step.usage),
    }
    if reasoning:
        built["reasoning_content"] = reasoning
    if calls:
        built["tool_calls"] = calls
    if step.observation:
        result: dict[str, Any] = {"content": step.observation}
        if len(calls) == 1 and step.commands:
            result["source_call_id"] = calls[0]["tool_call_id"]
        built["observation"] = {"results": [result]}
    return built


def _list_calls(step: Step) -> list[dict[str, Any]]:
    episode = step.turn - 1
    calls = [
        {
            "tool_call_id": f"call_{episode}_{place}",
            "function_name": "bash_command",
            "arguments": {"keystrokes": command.keystrokes, "duration": command.duration_sec},
        }
        for place, command in enumerate(step.commands, start=1)
    ]
    if step.task_complete:
        done = f"call_{episode}_task_complete"
        calls.append({"tool_call_id": done, "function_name": "mark_task_complete", "arguments": {}})
    return calls


def _say_analysis(body: str) -> str:
    """`Analysis: …`, `Plan: …` of a reply, as Terminus-2 puts it; the reply itself where that cannot be had."""
    try:
        reply = orjson.loads(body[body.index("{") : body.rindex("}") + 1])
        return f"Analysis: {reply['analysis']}\nPlan: {reply['plan']}"
    except (ValueError, KeyError, TypeError):
        return body


def _build_metrics(usage: Usage, *, prefix: str = "") -> dict[str, Any]:
    metrics = {
        f"{prefix}prompt_tokens": usage.prompt_tokens,
        f"{prefix}completion_tokens": usage.completion_tokens,
        f"{prefix}cached_tokens": usage.cached_tokens,
    }
    return {**metrics, f"{prefix}cost_usd": usage.cost_usd} if usage.cost_usd else metrics
