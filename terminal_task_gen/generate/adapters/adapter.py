"""A row becomes a task or a rejection; nothing here raises for a row.

The id of an item is that of the row's content as the adapter sees it, so a row keeps its id wherever it stands, and
equal rows are one item.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from terminal_task_gen.bundle import build_spec
from terminal_task_gen.config import Config, GateConfig
from terminal_task_gen.errors import GateError, ItemError, SandboxError
from terminal_task_gen.generate.adapters.adapted import Adapt, Adapted
from terminal_task_gen.generate.adapters.code_rows import adapt_code
from terminal_task_gen.generate.adapters.math_rows import adapt_math
from terminal_task_gen.generate.adapters.spec import AdapterSpec
from terminal_task_gen.generate.adapters.swe_rows import adapt_swe
from terminal_task_gen.generate.draft import Draft
from terminal_task_gen.generate.ladder import Climb, run_sandbox_gates
from terminal_task_gen.generate.sandbox_gates import Proving
from terminal_task_gen.records import content_id
from terminal_task_gen.row_files import BadRow, Row
from terminal_task_gen.sandbox import SandboxFactory
from terminal_task_gen.sandbox.governor import wait_until_ready
from terminal_task_gen.task import GateResult, Lineage, Rejection, Request, Task, task_id
from terminal_task_gen.verifier.bench import TestBench

ADAPTER_VERSION = "adapt-2"
"""Changes with the contracts and the suites; in every lineage, as the author's prompt version is."""
_GATES = GateConfig(flake_proofs=0)
"""The suites are ours and the same for every row: proving each again against clocks and order would only cost."""
MAX_TITLE_CHARS = 80
MAX_EVIDENCE_CHARS = 4_000


@dataclass(frozen=True)
class RowItem:
    """A row to adapt, or what is wrong with it."""

    id: str
    index: int
    place: str
    fields: Mapping[str, Any]
    fault: BadRow | None = None


def list_items(spec: AdapterSpec, rows: Iterable[Row | BadRow], *, max_rows: int) -> Iterator[RowItem]:
    """An item for each row that the spec wants, `max_rows` at most (0: all); lazily, in the order of the rows."""
    index = 0
    for row in rows:
        if isinstance(row, Row) and not spec.is_wanted(row.values):
            continue
        if max_rows and index >= max_rows:
            return
        yield _make_item(spec, row, index)
        index += 1


def _make_item(spec: AdapterSpec, row: Row | BadRow, index: int) -> RowItem:
    if isinstance(row, Row):
        fields = spec.pick(row.values)
        try:
            return RowItem(content_id("row", {"kind": spec.kind, "fields": fields}), index, row.place, fields)
        except TypeError as error:
            row = BadRow(row.place, "row_encoding", f"a column holds what JSON cannot: {error}")
    return RowItem(content_id("row", {"source": spec.source, "place": row.place}), index, row.place, {}, row)


@dataclass(kw_only=True)
class Adapter:
    """Adapts the rows of one data set; safe to call for many at once."""

    spec: AdapterSpec
    factory: SandboxFactory
    config: Config
    image_digest: str
    run_id: str

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.config.sandbox.parallel)
        self._bench = TestBench(self.factory, run_id=self.run_id)
        adapts: dict[str, Adapt] = {
            "math": adapt_math,
            "code": adapt_code,
            "swe": partial(adapt_swe, patch_reversed=self.spec.patch_reversed),
        }
        self._adapt = adapts[self.spec.kind]

    async def work(self, item: RowItem) -> Task | Rejection:
        """The whole way. Raises UsageError only."""
        try:
            if item.fault is not None:
                raise GateError(item.fault.reason, item.fault.why)
            adapted = self._adapt(item.fields, self.config.generate.adapt.max_cases)
            self._check_size(adapted)
            return self._make_task(item, adapted, await self._run_gates(item, adapted))
        except ItemError as error:
            return Rejection(
                id=item.id,
                stage="generate",
                cause=error.cause,
                reason=error.reason,
                evidence=f"{item.place}: {error.evidence}"[:MAX_EVIDENCE_CHARS],
                domain=self.spec.kind,
                mode="adapt",
                difficulty=self.spec.difficulty,
            )

    def _check_size(self, adapted: Adapted) -> None:
        limits = self.config.generate
        if len(adapted.files) > limits.max_files:
            raise GateError("row_too_large", f"{len(adapted.files)} files; generate.max_files is {limits.max_files}")
        for file in adapted.files:
            if len(file.content.encode()) > limits.max_file_bytes:
                raise GateError("row_too_large", f"{file.path} is longer than generate.max_file_bytes")

    async def _run_gates(self, item: RowItem, adapted: Adapted) -> tuple[GateResult, ...]:
        if not adapted.weights:
            return (GateResult(gate="adapted", evidence=f"no outcome: {adapted.no_outcome}"),)
        made = GateResult(gate="adapted", evidence=f"{len(adapted.weights)} tests from the row")
        if not self.config.generate.adapt.prove:
            return (made,)
        limits = self.config.generate.limits
        spec = build_spec(self.spec.image, limits, self.config.sandbox, run_id=self.run_id, item_id=item.id)
        draft = Draft(title="", **adapted.model_dump(exclude={"no_outcome"}))
        proving, climb = Proving(self.factory, self._bench, spec, draft, limits), Climb()
        for is_last in (False, True):
            try:
                async with self._slots:
                    await run_sandbox_gates(proving, climb, _GATES)
                return (made, *climb.results)
            except SandboxError:
                if is_last:
                    raise
                await wait_until_ready(self.factory.ping, timeout_sec=self.config.sandbox.patience_sec)
        raise AssertionError("unreachable")

    def _make_task(self, item: RowItem, adapted: Adapted, gates: tuple[GateResult, ...]) -> Task:
        spec = self.spec
        request = Request(
            id=item.id,
            mode="adapt",
            domain=spec.kind,
            difficulty=spec.difficulty,
            index=item.index,
            ordinal=item.index + 1,
        )
        return Task(
            id=task_id(
                request,
                instruction=adapted.instruction,
                files=adapted.files,
                tests=adapted.tests,
                weights=adapted.weights,
            ),
            domain=spec.kind,
            image=spec.image,
            difficulty=spec.difficulty,
            title=_make_title(adapted.instruction),
            instruction=adapted.instruction,
            files=adapted.files,
            tests=adapted.tests,
            weights=adapted.weights,
            tags=spec.tags,
            solution=adapted.solution,
            limits=self.config.generate.limits,
            gates=gates,
            lineage=Lineage(
                request_id=item.id,
                mode="adapt",
                index=item.index,
                dataset=spec.source,
                dataset_row=item.place,
                author_model="",
                prompt_version=ADAPTER_VERSION,
                image_digest=self.image_digest,
            ),
        )


def _make_title(instruction: str) -> str:
    first = " ".join(instruction.strip().partition("\n")[0].strip("#* ").split())
    return first if len(first) <= MAX_TITLE_CHARS else f"{first[: MAX_TITLE_CHARS - 1]}…"
