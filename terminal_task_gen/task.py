"""Request, task and rejection: what generation takes and gives.

A task bundle, as it lies in a sandbox:

    /app/…                  Task.files, the only things the teacher finds beside the image's own
    /tests/test_outputs.py  Task.tests, brought in after the teacher has left
    (never)                 Task.solution
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from terminal_task_gen.errors import Cause
from terminal_task_gen.records import Record, Usage, content_id

Mode = Literal["skill", "seed", "import", "adapt"]
Difficulty = Literal["easy", "medium", "hard"]


class Axes(Record):
    """What a task is made to differ in besides its skills: a phrase each, empty where the domain offers none."""

    scenario: str = ""
    artifact: str = ""
    constraint: str = ""
    check: str = ""


class Request(Record):
    """One unit of generation work; `index` counts within its mode, so a longer run has the same first requests."""

    id: str
    mode: Mode
    domain: str
    difficulty: Difficulty
    index: int = Field(ge=0)
    ordinal: int = Field(ge=1)
    """Counts from 1 within (mode, domain); shown to the author as the commission number."""
    skills: tuple[str, ...] = ()
    """Skill texts shown to the author (skill mode)."""
    axes: Axes = Axes()
    """Shown to the author as given."""
    seed_id: str | None = None


class TaskFile(Record):
    """One file put under /app before the teacher arrives. `path` is relative to /app, already checked."""

    path: str
    content: str
    encoding: Literal["utf-8", "base64"] = "utf-8"
    executable: bool = False

    def to_bytes(self) -> bytes:
        return base64.b64decode(self.content) if self.encoding == "base64" else self.content.encode()


class Limits(Record):
    """What a rollout and its verification may use."""

    agent_timeout_sec: float = 900.0
    verifier_timeout_sec: float = 120.0
    memory_mb: int = 2048
    cpus: float = 1.0
    network: bool = False


class GateResult(Record):
    """A gate the task has passed. `evidence` is one line for a person."""

    gate: str
    evidence: str = ""


class Refusal(Record):
    """A reply that a gate sent back to its author."""

    gate: str
    reasons: tuple[str, ...]
    """Codes, each once, in the order found."""


class Lineage(Record):
    """Where a task comes from; enough to make it again."""

    request_id: str
    mode: Mode
    index: int
    seed_id: str | None = None
    dataset: str | None = None
    """Existing data set whose row was wrapped (adapters), and that row's id there."""
    dataset_row: str | None = None
    skills: tuple[str, ...] = ()
    """As given to the author; the task's own are those it used."""
    axes: Axes = Axes()
    """As given to the author."""
    author_model: str
    """Empty where no author was asked."""
    prompt_version: str
    repair_rounds: int = 0
    refusals: tuple[Refusal, ...] = ()
    """Why each repair was asked for, in order."""
    image_digest: str = ""
    """Digest of the image its gates ran in; empty on bubblewrap, which has none."""
    image_manifest: str = ""
    """Id of the list of all that the image held, kept in the run as `images/<id>.json`; empty as image_digest."""


class Foreign(Record):
    """What a task that was made elsewhere brings in place of our own conventions; it needs a Docker engine."""

    origin: Literal["harbor"]
    """`harbor`: /tests/test.sh judges and leaves its reward in /logs/verifier (Harbor's task format 1.4, §verifier)."""
    test_files: tuple[TaskFile, ...]
    """Laid under /tests after the teacher has left; `path` is relative to /tests."""
    solution_files: tuple[TaskFile, ...] = ()
    """Private, as a solution is; `path` is relative to /solution, where solve.sh runs."""
    verifier_env: dict[str, str] = {}


class Task(Record):
    """Instruction, files, tests, weights and limits; complete in itself. See the module docstring for the bundle."""

    id: str
    domain: str
    image: str
    difficulty: Difficulty
    title: str
    instruction: str
    files: tuple[TaskFile, ...]
    tests: str
    weights: dict[str, float]
    """Test function name → weight; positive, sums to 1. Empty: nothing can be checked, verdicts are not `judged`."""
    skills: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    solution: str | None = None
    """Bash script, private: never in the teacher's sandbox, never in a prompt to the actor."""
    foreign: Foreign | None = None
    """Set for tasks made elsewhere; `tests` is empty then, and `weights` gives the one reward weight 1."""
    limits: Limits = Limits()
    gates: tuple[GateResult, ...] = ()
    lineage: Lineage
    usage: Usage = Usage()


def task_id(
    request: Request, *, instruction: str, files: Sequence[TaskFile], tests: str, weights: dict[str, float]
) -> str:
    """Content id of a task: its request and everything that decides what a rollout on it means."""
    payload = {
        "request": request.id,
        "instruction": instruction,
        "files": [f.model_dump(mode="json") for f in sorted(files, key=lambda f: f.path)],
        "tests": tests,
        "weights": weights,
    }
    return content_id(request.domain, payload)


class Rejection(Record):
    """An item that a stage gave up: recorded, never lost. In tasks/rejected-* and trajectories/failed-*."""

    id: str
    """The request's id (generate) or the trajectory's id (rollout)."""
    stage: Literal["generate", "rollout"]
    cause: Cause
    reason: str
    """Stable code from a closed set, e.g. `weights_sum`, `fail_first`, `sandbox_died`."""
    evidence: str
    domain: str
    mode: Mode | None = None
    difficulty: Difficulty | None = None
    skills: tuple[str, ...] = ()
    """As given to the author (generate)."""
    task_id: str | None = None
    repair_rounds: int = 0
    refusals: tuple[Refusal, ...] = ()
    """Of every reply in order; the last one ended the item, unless an endpoint or a sandbox did."""
    usage: Usage = Usage()
