"""A judged trajectory as a corpus row: the released corpus's columns first, then what it lacks.

Every row has every column with the same type; nothing is null, for a column that is null throughout one shard and text
in another does not load. No wall-clock facts: equal replies give equal bytes. `dropped-*` rows have two columns more.
Reasoning is put inline as in the released rows: `<think>`, newline, reasoning, newline, `</think>`, blank line. Where
a chat template had opened it in the prompt, the opening tag is put back.
"""

from __future__ import annotations

import re
from typing import Any

import orjson
from typing_extensions import TypedDict

from terminal_task_gen.finding import Finding, Judged, Reason
from terminal_task_gen.records import Record, content_digest
from terminal_task_gen.task import Lineage
from terminal_task_gen.trajectory import Message, TestOutcome, TestStatus, find_thinking_end

_THINKING_BEGIN = re.compile(r"<think(?:ing)?\s*>", re.IGNORECASE)
# The released rows' form, and the only ISO one that `datasets` leaves alone: it takes a column of bare days or whole
# seconds for timestamps and hands them out rewritten.
_MIDNIGHT = "T00:00:00.000000"

STREAMS = {"adapt": "adapters", "import": "imported", "seed": "seed_based", "skill": "skill_based"}
"""How a task was asked for → column `source` and first folder of the corpus, as in the paper."""


class RunStamp(Record):
    """What a run puts on all its rows. Given, never taken from the clock."""

    run_id: str
    date: str
    """ISO 8601 day."""
    model_provider: str = "openai_compatible"


class Turn(TypedDict):
    """One chat message as it is trained on. A plain mapping, as there are a dozen in each of millions of rows."""

    role: str
    content: str


class TestColumn(TypedDict):
    """Outcome of one weighted test."""

    name: str
    status: TestStatus
    weight: float


class CorpusRow(Record):
    """One line of `train-*`. Field order is column order; COLUMN_MEANINGS has a line for each."""

    conversations: tuple[Turn, ...]
    agent: str
    model: str
    model_provider: str
    date: str
    task: str
    episode: str
    run_id: str
    trial_name: str
    enable_thinking: bool
    source: str
    id: str
    task_id: str
    domain: str
    mode: str
    difficulty: str
    title: str
    skills: tuple[str, ...]
    tags: tuple[str, ...]
    seed_id: str
    dataset: str
    dataset_row: str
    family: str
    author_model: str
    attempt: int
    judged: bool
    reward: float
    passed: bool
    completed: bool
    stop_reason: str
    tests: tuple[TestColumn, ...]
    tampered: bool
    turns: int
    injected_turns: int
    prompt_tokens: int
    completion_tokens: int
    gates: tuple[str, ...]
    flags: tuple[Reason, ...]


class DroppedRow(CorpusRow):
    """One line of `dropped-*`."""

    drop_reason: Reason
    findings: tuple[Finding, ...]


COLUMN_MEANINGS: dict[str, str] = {
    "conversations": "chat turns (role, content), no system turn, the last the assistant's; reasoning in `<think>`",
    "agent": "protocol of the turns",
    "model": "the teacher that acted",
    "model_provider": "how it was served",
    "date": "day of the run, at midnight",
    "task": "the task's id (released corpus's name for it)",
    "episode": "index of the last turn: the row is the whole conversation up to it",
    "run_id": "the run that made the row",
    "trial_name": "task and seven characters of the trajectory's id",
    "enable_thinking": "the turns hold reasoning",
    "source": "stream of the task: skill_based, seed_based, adapters or imported",
    "id": "the trajectory's id, made from task, model and attempt",
    "task_id": "the task's id, made from its content",
    "domain": "field of work; decides the image",
    "mode": "how the task was asked for: skill, seed, adapt or import",
    "difficulty": "level that was asked for",
    "title": "the task's title",
    "skills": "primitive skills the task combines",
    "tags": "the author's key words",
    "seed_id": "seed the task was made from; empty in other modes",
    "dataset": "existing data set whose row the task wraps; empty in other modes",
    "dataset_row": "that row's id in its data set",
    "family": "seed, row or request behind the task; tasks that share it may be near-identical, so split by it",
    "author_model": "the teacher that wrote the task",
    "attempt": "number of the attempt at this task, from 0",
    "judged": "the task has tests; where it has none, reward and passed say nothing",
    "reward": "sum of the weights of passed tests, 0 to 1",
    "passed": "every test passed",
    "completed": "the teacher declared the task done and confirmed it",
    "stop_reason": "why the rollout ended",
    "tests": "per test: name, status (passed, failed, crashed, skipped, missing), weight",
    "tampered": "the tests or their tools were interfered with",
    "turns": "assistant turns",
    "injected_turns": "turns that were asked for a plausible mistake",
    "prompt_tokens": "tokens sent over all calls, as the endpoint counted",
    "completion_tokens": "tokens received over all calls",
    "gates": "checks the task had passed before it was rolled out",
    "flags": "reasons of the rules that objected without dropping the row",
    "drop_reason": "reason code of the first rule that objected",
    "findings": "every objection: rule, reason, where, match, evidence, benchmark, entry",
}


def build_row(judged: Judged, stamp: RunStamp) -> CorpusRow | DroppedRow:
    """The row of a judged trajectory: a DroppedRow where a rule objects."""
    task, trajectory, ruling = judged.task, judged.trajectory, judged.ruling
    turns = _build_turns(trajectory.messages)
    replies = [turn["content"] for turn in turns if turn["role"] == "assistant"]
    columns: dict[str, Any] = {
        "conversations": turns,
        "agent": trajectory.agent,
        "model": trajectory.model,
        "model_provider": stamp.model_provider,
        "date": f"{stamp.date}{_MIDNIGHT}",
        "task": task.id,
        "episode": f"episode-{max(0, len(replies) - 1)}",
        "run_id": stamp.run_id,
        "trial_name": f"{task.id}__{_shorten_id(trajectory.id)}",
        "enable_thinking": any(map(_holds_thinking, replies)),
        "source": STREAMS[task.lineage.mode],
        "id": trajectory.id,
        "task_id": task.id,
        "domain": task.domain,
        "mode": task.lineage.mode,
        "difficulty": task.difficulty,
        "title": task.title,
        "skills": task.skills,
        "tags": task.tags,
        "seed_id": task.lineage.seed_id or "",
        "dataset": task.lineage.dataset or "",
        "dataset_row": task.lineage.dataset_row or "",
        "family": _name_family(task.lineage),
        "author_model": task.lineage.author_model,
        "attempt": trajectory.attempt,
        "judged": trajectory.verdict.judged,
        "reward": trajectory.verdict.reward,
        "passed": trajectory.verdict.passed,
        "completed": trajectory.completed,
        "stop_reason": trajectory.stop_reason,
        "tests": tuple([_build_test(test) for test in trajectory.verdict.tests]),
        "tampered": trajectory.verdict.tampered,
        "turns": len(replies),
        "injected_turns": sum([step.injected is not None for step in trajectory.steps]),
        "prompt_tokens": trajectory.usage.prompt_tokens,
        "completion_tokens": trajectory.usage.completion_tokens,
        "gates": tuple(gate.gate for gate in task.gates),
        "flags": tuple(flag.reason for flag in ruling.flags),
    }
    if ruling.kept:
        return CorpusRow.trust(columns)
    return DroppedRow.trust({**columns, "drop_reason": ruling.findings[0].reason, "findings": ruling.findings})


def dump_row(row: CorpusRow) -> bytes:
    """Its line of JSON without the newline. Columns come in the order in which they were given."""
    return orjson.dumps(vars(row), default=vars)


def _build_test(test: TestOutcome) -> TestColumn:
    return {"name": test.name, "status": test.status, "weight": test.weight}


def _name_family(lineage: Lineage) -> str:
    """The same for equal seeds, rows or requests of different runs and teachers."""
    if lineage.seed_id:
        return f"seed:{lineage.seed_id}"
    if lineage.dataset:
        return f"row:{lineage.dataset}/{lineage.dataset_row or lineage.request_id}"
    return lineage.request_id


def _build_turns(messages: tuple[Message, ...]) -> tuple[Turn, ...]:
    """Up to the last assistant message: a screen that nobody answered teaches nothing and breaks trainers' pairing."""
    last = max([index for index, message in enumerate(messages) if message.role == "assistant"], default=-1)
    turns: list[Turn] = []
    for message in messages[: last + 1]:
        # Nearly all replies begin with their object: thinking comes before it, or not at all.
        plain = message.role != "assistant" or (not message.reasoning and message.content.startswith("{"))
        content = message.content if plain else _join_reasoning(message)
        turns.append({"role": message.role, "content": content})
    return tuple(turns)


def _join_reasoning(message: Message) -> str:
    content, reasoning = message.content, (message.reasoning or "").strip("\n")
    if _opens_thinking(content):
        return content
    end = find_thinking_end(content)
    if end and _THINKING_BEGIN.search(content, 0, end) is None:
        lead = f"<think>\n{reasoning}\n" if reasoning else "<think>\n"
        return lead + content.lstrip("\n")
    return f"<think>\n{reasoning}\n</think>\n\n{content}" if reasoning else content


def _opens_thinking(content: str) -> bool:
    return _THINKING_BEGIN.match(content.lstrip()) is not None


def _holds_thinking(content: str) -> bool:
    return not content.startswith("{") and (_opens_thinking(content) or find_thinking_end(content) > 0)


def _shorten_id(trajectory_id: str) -> str:
    tail = trajectory_id.rpartition("-")[2]
    return tail[:7] if len(tail) >= 7 else content_digest(trajectory_id)[:7]
