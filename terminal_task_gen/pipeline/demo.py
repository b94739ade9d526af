"""What the demo needs to know beforehand: which domains its scripted teacher can serve, and what bubblewrap lacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from terminal_task_gen.errors import SandboxError, UsageError
from terminal_task_gen.events import Notice
from terminal_task_gen.image_check import list_missing_tools
from terminal_task_gen.pipeline.opening import OpenRun, open_sandboxes
from terminal_task_gen.pipeline.scripted_teacher import count_scripted_tasks
from terminal_task_gen.resources import data_dir
from terminal_task_gen.sandbox import SandboxSpec
from terminal_task_gen.seeds import load_seeds
from terminal_task_gen.taxonomy import load_domains, select_domains


def plan_generation(names: Sequence[str], seeds: Path) -> dict[str, Any]:
    """Fields of `generate` with which every scripted task of the domains is asked for; all that have any: no names.

    Raises UsageError for a domain that is unknown or that nobody has written a script for.
    """
    domains = load_domains([data_dir("taxonomy")])
    counts = count_scripted_tasks(select_domains(domains, names))
    scripted = {name: number for name, number in counts.items() if number}
    unscripted = [name for name in names if name not in scripted]
    if unscripted:
        known = ", ".join(name for name, number in count_scripted_tasks(domains).items() if number)
        raise UsageError(f"no scripted task in {unscripted[0]}; the demo has some in: {known}")
    problems = [seed for seed in load_seeds([seeds]).values() if seed.domain in scripted]
    return {
        "domains": list(scripted),
        "domain_counts": scripted,
        # Both modes end by themselves, each at its last script.
        "count": max(sum(scripted.values()), len(problems)),
        "modes": ["skill", "seed"] if problems else ["skill"],
    }


async def tell_missing_tools(run: OpenRun) -> None:
    """On bubblewrap, one line on what the domains promise and this machine does not have."""
    if run.config.sandbox.driver != "bubblewrap":
        return
    domains = select_domains(load_domains([data_dir("taxonomy")]), run.config.generate.domains)
    lacking: list[str] = []
    async with open_sandboxes(run, []) as factory:
        try:
            sandbox = await factory.start(SandboxSpec(image="", run_id="demo", item_id="tools"))
            for name, domain in domains.items():
                missing = await list_missing_tools(sandbox, domain.tools)
                if missing:
                    lacking.append(f"{name} ({len(missing)}, e.g. {missing[0]})")
            await sandbox.close()
        except SandboxError as error:
            raise UsageError(f"bubblewrap does not work here: {error}") from error
    if lacking:
        run.listener(
            Notice(
                f"bubblewrap has only this machine's programs, so tools are missing: {', '.join(lacking)}; tasks that "
                "need them will be refused by the oracle gate; with --sandbox docker they are there"
            )
        )
