"""What tasks are compared with: the corpora and benchmarks the user gave, and the run's own earlier tasks.

The given ones are looked up while a draft is gated, so that its author may mend it. The run's own are compared after
the stage, in the order of the requests: while it runs, what is earlier depends on who was quicker. The outcome is a
view, as the corpus is: duplicates stay among the tasks and are listed in tasks/duplicates-*.jsonl, anew each time.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from terminal_task_gen.config import GateConfig
from terminal_task_gen.errors import Cause, UsageError
from terminal_task_gen.events import Notice
from terminal_task_gen.filters.benchmarks import BenchmarkPrompt, read_benchmarks
from terminal_task_gen.filters.contamination import BenchmarkScreen, build_indexes
from terminal_task_gen.generate.duplicates import Near, Sketches
from terminal_task_gen.generate.ladder import Screens
from terminal_task_gen.pipeline.opening import OpenRun
from terminal_task_gen.records import content_digest
from terminal_task_gen.store import DUPLICATES, TASKS
from terminal_task_gen.task import Rejection, Task


def make_screens(config: GateConfig) -> Screens:
    """Raises UsageError naming the file that cannot be used."""
    return Screens(
        duplicate=_make_duplicate_screen(config) if config.corpora and config.max_likeness is not None else None,
        contamination=_make_contamination_screen(config) if config.benchmarks else None,
    )


def digest_screened(config: GateConfig) -> dict[str, str]:
    """Digests of what the screens were made from, for the stage's fingerprint."""
    given = {"gate corpora": config.corpora, "gate benchmarks": config.benchmarks}
    return {
        name: content_digest([[prompt.entry, prompt.text] for prompt in _read_prompts(paths)])
        for name, paths in given.items()
    }


def _make_duplicate_screen(config: GateConfig) -> Callable[[str], str | None]:
    least = config.max_likeness or 1.0
    sketches = Sketches()
    for prompt in _read_prompts(config.corpora):
        sketches.add(f"{prompt.benchmark} {prompt.entry}", prompt.text)

    def screen(instruction: str) -> str | None:
        near = sketches.find(instruction, least=least)
        return None if near is None else f"the instruction is not new: {near.describe()}; give another task"

    return screen


def _make_contamination_screen(config: GateConfig) -> Callable[[str], str | None]:
    prompts = tuple(_read_prompts(config.benchmarks))
    benchmarks = BenchmarkScreen(tuple(build_indexes(prompts, ngram=config.ngram, mask_numbers=False)))

    def screen(instruction: str) -> str | None:
        overlap = benchmarks.find_overlap(instruction)
        if overlap is None:
            return None
        # Not the entry's name: the author might take it for something to go by.
        return f"the instruction shares words in a row with a task of {overlap.benchmark}: {overlap.words}"

    return screen


def _read_prompts(paths: Iterable[Path]) -> Iterator[BenchmarkPrompt]:
    """File by file, so that no more than one is held; a run's folder stands for its shards of tasks."""
    for path in paths:
        shards = sorted(path.glob(f"{TASKS.folder}/{TASKS.prefix}-*.jsonl"))
        for part in shards or [path]:
            for prompt in _read(part):
                yield prompt.model_copy(update={"benchmark": path.name}) if shards else prompt


def _read(part: Path) -> tuple[BenchmarkPrompt, ...]:
    try:
        return read_benchmarks([part])
    except UsageError as error:
        raise UsageError(f"generate.gates: {error}".replace("filter.benchmarks", "corpora and benchmarks")) from error


def write_duplicates(run: OpenRun) -> None:
    """Tell which of the run's tasks are near to earlier ones, earlier by index, then by mode. Replaces the last word.

    The tasks are read twice, so that not their texts are held but some 700 bytes of each.
    """
    max_likeness = run.config.generate.gates.max_likeness
    directory = run.directory
    repeated = _find_repeated(_read_all_tasks(run), max_likeness) if max_likeness is not None else {}
    path = directory.path / DUPLICATES.folder / f"{DUPLICATES.prefix}-00000.jsonl"
    if not repeated and not path.exists():
        return
    refused = {task.id: _refuse(task, repeated[task.id]) for task in _read_all_tasks(run) if task.id in repeated}
    directory.write_file(path, "".join(f"{refused[task_id].model_dump_json()}\n" for task_id in sorted(refused)))
    if refused:
        text = f"{len(refused)} tasks are near-duplicates of earlier ones and left out from here on; see {path}"
        run.listener(Notice(text))


def _read_all_tasks(run: OpenRun) -> Iterator[Task]:
    """Each once."""
    seen: set[str] = set()
    for task in run.directory.read_records(TASKS, Task, run.report_damage):
        if task.id not in seen:
            seen.add(task.id)
            yield task


def _find_repeated(tasks: Iterable[Task], max_likeness: float) -> dict[str, Near]:
    sketches = Sketches()
    positions: list[tuple[int, str]] = []
    for task in tasks:
        sketches.add(task.id, task.instruction)
        positions.append((task.lineage.index, task.lineage.mode))
    ranks = array("I", bytes(4 * len(positions)))
    for rank, place in enumerate(sorted(range(len(positions)), key=positions.__getitem__)):
        ranks[place] = rank
    return dict(sketches.list_repeated(ranks, least=max_likeness))


def _refuse(task: Task, near: Near) -> Rejection:
    return Rejection(
        id=task.lineage.request_id,
        stage="generate",
        cause=Cause.MERIT,
        reason="duplicate",
        evidence=f"gate duplicate:\n- duplicate: {near.describe()}, a task of this run",
        domain=task.domain,
        mode=task.lineage.mode,
        difficulty=task.difficulty,
        skills=task.lineage.skills,
        task_id=task.id,
        repair_rounds=task.lineage.repair_rounds,
        refusals=task.lineage.refusals,
        usage=task.usage,
    )
