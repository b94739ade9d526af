"""One request becomes one task or one rejection: prompt, reply, draft, gates, and a bounded number of repairs.

Never raises for a failed item: what the author gets wrong, an endpoint that gives up and a sandbox that dies all end
as a Rejection with the cause that decides whether the request is owed again. UsageError (wrong key, URL or model)
passes through, since no item can succeed after it. The conversation goes on over repairs, so the author sees its own
reply; whatever the gates found of it is the last thing it reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from terminal_task_gen.bundle import build_spec
from terminal_task_gen.config import Config
from terminal_task_gen.errors import DiskFullError, ItemError, SandboxError, TeacherRefusedError
from terminal_task_gen.events import DraftExamined, Listener, ignore
from terminal_task_gen.generate.complaint import Complaint, RefusedError
from terminal_task_gen.generate.draft import Draft, parse_draft
from terminal_task_gen.generate.ladder import NO_SCREENS, Climb, Screens, run_reading_gates, run_sandbox_gates
from terminal_task_gen.generate.prompts import PROMPT_VERSION, build_author_messages, build_repair_message
from terminal_task_gen.generate.sandbox_gates import Proving
from terminal_task_gen.generate.static_gates import list_promised_modules
from terminal_task_gen.generate.structured import add_format_note, make_response_format, write_as_tags
from terminal_task_gen.records import Usage
from terminal_task_gen.sandbox import SandboxFactory
from terminal_task_gen.sandbox.governor import wait_until_ready
from terminal_task_gen.seeds import Seed
from terminal_task_gen.task import GateResult, Lineage, Refusal, Rejection, Request, Task, task_id
from terminal_task_gen.taxonomy import Domain
from terminal_task_gen.teacher import Reply, Teacher
from terminal_task_gen.trajectory import Message
from terminal_task_gen.verifier.bench import TestBench

MAX_EVIDENCE_CHARS = 4_000
SANDBOX_TRIES = 2
"""A sandbox that dies under a draft is no fault of the draft's: once more on a fresh one, then the item is owed."""


@dataclass(frozen=True)
class Accepted:
    """A draft that passed every gate."""

    draft: Draft
    gates: tuple[GateResult, ...]


@dataclass
class Commission:
    """What one request has cost so far; mutable, and of one coroutine only."""

    usage: Usage = field(default_factory=Usage)
    repairs: int = 0
    refusals: list[Refusal] = field(default_factory=list)


@dataclass(kw_only=True)
class Author:
    """Turns requests into tasks; safe to call for many requests at once."""

    teacher: Teacher
    factory: SandboxFactory
    config: Config
    domains: Mapping[str, Domain]
    seeds: Mapping[str, Seed]
    image_texts: Mapping[str, str]
    """Image name → text of its Dockerfile, shown to the author."""
    image_digests: Mapping[str, str]
    """Image name → content digest, for the lineage; empty strings where the driver has none."""
    run_id: str
    image_manifests: Mapping[str, str] = field(default_factory=dict)
    """Image name → id of the manifest of its contents, for the lineage."""
    screens: Screens = NO_SCREENS
    listener: Listener = ignore
    """Told of every reply that was examined."""

    def __post_init__(self) -> None:
        # Gates hold sandboxes, which are dearer than replies that are waited for.
        self._slots = asyncio.Semaphore(self.config.sandbox.parallel)
        self._bench = TestBench(self.factory, run_id=self.run_id)

    async def write_task(self, request: Request) -> Task | Rejection:
        """The whole way. Raises UsageError only."""
        commission = Commission()
        try:
            accepted = await self._negotiate(request, commission)
        except RefusedError as error:
            return self._reject(request, commission, error, f"gate {error.gate}:\n{error.evidence}")
        except ItemError as error:
            return self._reject(request, commission, error, error.evidence)
        return self._make_task(request, accepted, commission)

    async def _negotiate(self, request: Request, commission: Commission) -> Accepted:
        domain = self.domains[request.domain]
        messages = build_author_messages(
            request,
            domain=domain,
            seed=self.seeds[request.seed_id] if request.seed_id is not None else None,
            image_text=self.image_texts.get(domain.image, ""),
            config=self.config.generate,
        )
        response_format = None
        if self.config.generate.structured:
            messages = add_format_note(messages)
            response_format = make_response_format(with_solution=self.config.generate.reference_solution)
        while True:
            reply = await self.teacher.complete(messages, response_format=response_format)
            commission.usage += reply.usage
            climb = Climb()
            try:
                accepted = await self._examine(request, reply, climb)
                self._tell(request, commission, climb, None)
                return accepted
            except RefusedError as error:
                self._tell(request, commission, climb, error)
                if commission.repairs >= self.config.generate.repair_rounds:
                    raise
                commission.repairs += 1
                messages.append(Message(role="assistant", content=reply.content, reasoning=reply.reasoning))
                messages.append(build_repair_message(error.complaints, gate=error.gate))

    def _tell(self, request: Request, commission: Commission, climb: Climb, error: RefusedError | None) -> None:
        reasons: tuple[str, ...] = ()
        if error is not None:
            reasons = tuple(dict.fromkeys(complaint.reason for complaint in error.complaints))
            commission.refusals.append(Refusal(gate=error.gate, reasons=reasons))
        gate = error.gate if error is not None else ""
        self.listener(DraftExamined(request.id, commission.repairs, gate, reasons, dict(climb.seconds)))

    async def _examine(self, request: Request, reply: Reply, climb: Climb) -> Accepted:
        """From reply to passed gates, cheapest first. Raises RefusedError, TeacherRefusedError, SandboxError."""
        if reply.finish_reason == "content_filter":
            raise TeacherRefusedError("content_filter", "the endpoint's content filter stopped the reply")
        if reply.finish_reason == "length":
            text = f"the reply was cut off at the limit of its length, after {len(reply.content)} characters"
            raise RefusedError("reply", [Complaint("truncated_reply", text)])
        config = self.config.generate
        draft = parse_draft(
            write_as_tags(reply.content) if config.structured else reply.content,
            with_solution=config.reference_solution,
            max_files=config.max_files,
            max_file_bytes=config.max_file_bytes,
        )
        modules = list_promised_modules(self.domains[request.domain])
        run_reading_gates(draft, climb, modules=modules, screens=self.screens)
        await self._run_sandbox_gates(request, draft, climb)
        return Accepted(draft, tuple(climb.results))

    async def _run_sandbox_gates(self, request: Request, draft: Draft, climb: Climb) -> None:
        limits, image = self.config.generate.limits, self.domains[request.domain].image
        spec = build_spec(image, limits, self.config.sandbox, run_id=self.run_id, item_id=request.id)
        proving = Proving(self.factory, self._bench, spec, draft, limits)
        for attempt in range(1, SANDBOX_TRIES + 1):
            try:
                async with self._slots:
                    return await run_sandbox_gates(proving, climb, self.config.generate.gates)
            except SandboxError as error:
                if attempt == SANDBOX_TRIES or isinstance(error, DiskFullError):
                    raise
                await wait_until_ready(self.factory.ping, timeout_sec=self.config.sandbox.patience_sec)
        raise AssertionError("unreachable")

    def _make_task(self, request: Request, accepted: Accepted, commission: Commission) -> Task:
        draft = accepted.draft
        image = self.domains[request.domain].image
        return Task(
            id=task_id(
                request, instruction=draft.instruction, files=draft.files, tests=draft.tests, weights=draft.weights
            ),
            domain=request.domain,
            image=image,
            difficulty=request.difficulty,
            title=draft.title,
            instruction=draft.instruction,
            files=draft.files,
            tests=draft.tests,
            weights=draft.weights,
            skills=pick_skills(request, draft),
            tags=draft.tags,
            solution=draft.solution,
            limits=self.config.generate.limits,
            gates=(GateResult(gate="draft", evidence="; ".join(draft.notes)), *accepted.gates),
            lineage=Lineage(
                request_id=request.id,
                mode=request.mode,
                index=request.index,
                seed_id=request.seed_id,
                skills=request.skills,
                axes=request.axes,
                author_model=self.teacher.model,
                prompt_version=PROMPT_VERSION,
                repair_rounds=commission.repairs,
                refusals=tuple(commission.refusals),
                image_digest=self.image_digests.get(image, ""),
                image_manifest=self.image_manifests.get(image, ""),
            ),
            usage=commission.usage,
        )

    def _reject(self, request: Request, commission: Commission, error: ItemError, evidence: str) -> Rejection:
        return Rejection(
            id=request.id,
            stage="generate",
            cause=error.cause,
            reason=error.reason,
            evidence=evidence[:MAX_EVIDENCE_CHARS],
            domain=request.domain,
            mode=request.mode,
            difficulty=request.difficulty,
            skills=request.skills,
            repair_rounds=commission.repairs,
            refusals=tuple(commission.refusals),
            usage=commission.usage,
        )


def pick_skills(request: Request, draft: Draft) -> tuple[str, ...]:
    """The shown skills that the author says it used, as they are in the taxonomy; what it made up is dropped."""
    named = {_normalise(text) for text in draft.skills}
    return tuple(text for text in request.skills if _normalise(text) in named)


def _normalise(text: str) -> str:
    return " ".join(text.split()).casefold().rstrip(".")
