"""Measures the gates on planted defects and clean tasks, and writes the table of docs/gates.md.

    python -m benchmarks.gates.measure --reading                  the gates that read: seconds
    python -m benchmarks.gates.measure --write docs/gates.md      all gates, in bubblewrap: minutes

A defect counts as caught when any gate refuses it; `own` counts those refused by the gate whose matter it is. Clean
tasks of one family are near-duplicates of one another by design, so a task is compared with other families' only.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.gates.defects import BENCHMARK, Defect, spoil_samples
from benchmarks.gates.families import list_clean
from benchmarks.gates.sample import Sample
from terminal_task_gen.bundle import build_spec
from terminal_task_gen.config import GateConfig, SandboxConfig
from terminal_task_gen.filters.benchmarks import BenchmarkPrompt
from terminal_task_gen.filters.contamination import BenchmarkScreen, build_index
from terminal_task_gen.generate.complaint import RefusedError
from terminal_task_gen.generate.draft import parse_draft
from terminal_task_gen.generate.duplicates import Sketches
from terminal_task_gen.generate.ladder import LADDER, Climb, Screens, run_reading_gates, run_sandbox_gates
from terminal_task_gen.generate.sandbox_gates import Proving
from terminal_task_gen.sandbox import SandboxFactory
from terminal_task_gen.sandbox.bubblewrap import BubblewrapFactory
from terminal_task_gen.task import Limits
from terminal_task_gen.verifier.bench import TestBench

GATES = ("draft", *LADDER)
READING = ("draft", "static", "leak", "duplicate", "contamination")
LIMITS = Limits(agent_timeout_sec=30.0, verifier_timeout_sec=24.0)
MARK = "<!-- measured -->"


@dataclass
class Case:
    """One task to be judged, and what came of it."""

    sample: Sample
    reply: str
    defect: Defect | None = None
    refused_by: str = ""
    reason: str = ""
    evidence: str = ""
    seconds: dict[str, float] = field(default_factory=dict)


class Screening:
    """What tasks are compared with: all clean ones, by family, and a benchmark."""

    def __init__(self, clean: list[Sample]) -> None:
        self._sketches: dict[str, Sketches] = defaultdict(Sketches)
        for sample in clean:
            self._sketches[_get_family(sample)].add(sample.name, sample.instruction)
        prompts = [BenchmarkPrompt(benchmark="bench", entry=str(n), text=text) for n, text in enumerate(BENCHMARK)]
        self._index = BenchmarkScreen((build_index(prompts, ngram=GateConfig().ngram),))

    def make_screens(self, case: Case) -> Screens:
        own = _get_family(case.sample) if case.defect is None or case.defect.gate != "duplicate" else ""

        def find_duplicate(instruction: str) -> str | None:
            least = GateConfig().max_likeness or 1.0
            others = (sketches for family, sketches in self._sketches.items() if family != own)
            near = next((near for s in others if (near := s.find(instruction, least=least)) is not None), None)
            return None if near is None else near.describe()

        def find_overlap(instruction: str) -> str | None:
            overlap = self._index.find_overlap(instruction)
            return None if overlap is None else overlap.words

        return Screens(duplicate=find_duplicate, contamination=find_overlap)


def _get_family(sample: Sample) -> str:
    return sample.name.partition("-")[0]


def list_cases(*, clean: int = 200, times: int = 5, seed: int = 0) -> list[Case]:
    samples = list_clean(clean, seed=seed)
    cases = [Case(sample, sample.compose()) for sample in samples]
    for defect, sample, made in spoil_samples(samples, times=times, seed=seed):
        cases.append(Case(sample, made if isinstance(made, str) else made.compose(), defect))
    return cases


def judge_by_reading(case: Case, screening: Screening) -> None:
    """Draft, static, leak, duplicate, contamination."""
    climb = Climb()
    try:
        draft = parse_draft(case.reply)
        run_reading_gates(draft, climb, modules=frozenset(), screens=screening.make_screens(case))
    except RefusedError as error:
        case.refused_by, case.reason, case.evidence = error.gate, error.reason, error.evidence
    case.seconds.update(climb.seconds)


async def judge_in_sandboxes(case: Case, factory: SandboxFactory, bench: TestBench) -> None:
    """What passed by reading. Raises SandboxError."""
    climb = Climb()
    draft = parse_draft(case.reply)
    spec = build_spec("base", LIMITS, SandboxConfig(), run_id="measure", item_id=case.sample.name)
    try:
        await run_sandbox_gates(Proving(factory, bench, spec, draft, LIMITS), climb, GateConfig())
    except RefusedError as error:
        case.refused_by, case.reason, case.evidence = error.gate, error.reason, error.evidence
    case.seconds.update(climb.seconds)


def judge_all_by_reading(cases: list[Case]) -> None:
    screening = Screening([case.sample for case in cases if case.defect is None])
    for case in cases:
        judge_by_reading(case, screening)


async def judge_all_in_sandboxes(cases: list[Case], *, parallel: int) -> None:
    factory = BubblewrapFactory()
    bench = TestBench(factory, run_id="measure")
    slots = asyncio.Semaphore(parallel)

    left = [case for case in cases if not case.refused_by]
    done = 0

    async def judge(case: Case) -> None:
        nonlocal done
        async with slots:
            await judge_in_sandboxes(case, factory, bench)
        done += 1
        if done % 20 == 0:
            print(f"{done} of {len(left)} tried in sandboxes", file=sys.stderr)

    try:
        await asyncio.gather(*map(judge, left))
    finally:
        await factory.close()


def list_missed(cases: list[Case]) -> list[Case]:
    return [case for case in cases if case.defect is not None and not case.refused_by]


def list_false_alarms(cases: list[Case]) -> list[Case]:
    return [case for case in cases if case.defect is None and case.refused_by]


def write_table(cases: list[Case]) -> str:
    """Markdown: a line a gate, then the whole."""
    planted = [case for case in cases if case.defect is not None]
    clean = len(cases) - len(planted)
    lines = [
        "| gate | planted | caught | by its own gate | recall | clean refused | precision | median cost |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    alarms = Counter(case.refused_by for case in list_false_alarms(cases))
    for gate in GATES:
        mine = [case for case in planted if case.defect is not None and case.defect.gate == gate]
        caught = [case for case in mine if case.refused_by]
        own = sum(case.refused_by == gate for case in caught)
        refused = sum(case.refused_by == gate for case in planted)
        right = refused / (refused + alarms[gate]) if refused + alarms[gate] else 1.0
        lines.append(
            f"| {gate} | {len(mine)} | {len(caught)} | {own} | {_show_share(len(caught), len(mine))} | {alarms[gate]} "
            f"| {right:.1%} | {_show_cost(cases, gate)} |"
        )
    caught_in_all = sum(bool(case.refused_by) for case in planted)
    false = sum(alarms.values())
    total = len(planted)
    lines.append(
        f"| **all** | **{total}** | **{caught_in_all}** | | **{_show_share(caught_in_all, total)}** | **{false}** of {clean} "
        f"({_show_share(false, clean)}) | **{caught_in_all / max(1, caught_in_all + false):.1%}** | |"
    )
    missed = Counter(f"{case.defect.gate}: {case.defect.name}" for case in list_missed(cases) if case.defect)
    lines += ["", "Missed: " + ("; ".join(f"{name} ({n})" for name, n in sorted(missed.items())) or "none") + "."]
    return "\n".join(lines) + "\n"


def _show_share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def _show_cost(cases: list[Case], gate: str) -> str:
    costs = sorted(case.seconds[gate] for case in cases if gate in case.seconds)
    if not costs:
        return "–"
    median = costs[len(costs) // 2]
    return f"{median * 1000:.1f} ms" if median < 1 else f"{median:.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reading", action="store_true", help="leave the sandboxes out")
    parser.add_argument("--write", type=Path, help="file whose table is to be replaced")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other tasks and other defects")
    parser.add_argument("--times", type=int, default=5, help="how often each defect is planted")
    parser.add_argument("--clean", type=int, default=200, help="clean tasks")
    parser.add_argument("--parallel", type=int, default=2, help="sandboxes at once")
    arguments = parser.parse_args()
    begun = time.monotonic()
    cases = list_cases(clean=arguments.clean, times=arguments.times, seed=arguments.seed)
    judge_all_by_reading(cases)
    if arguments.reading:
        cases = [case for case in cases if case.defect is None or case.defect.gate in READING]
    else:
        asyncio.run(judge_all_in_sandboxes(cases, parallel=arguments.parallel))
    table = write_table(cases)
    print(table)
    for case in [*list_missed(cases), *list_false_alarms(cases)]:
        what = case.defect.name if case.defect else "clean"
        print(f"{what:<40} {case.sample.name:<14} {case.refused_by} {case.evidence[:300]}")
    print(f"{time.monotonic() - begun:.0f} s")
    if arguments.write:
        text = arguments.write.read_text(encoding="utf-8")
        before, _, rest = text.partition(MARK)
        _, _, after = rest.partition(MARK)
        arguments.write.write_text(f"{before}{MARK}\n\n{table}\n{MARK}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
