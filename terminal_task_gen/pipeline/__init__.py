"""The composition root: which concrete parts a configuration means, and how each stage is wired from them.

The only folder besides the drivers that names a driver.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from terminal_task_gen.pipeline.benchmark_indexes import INDEX_SUFFIX, read_benchmark_indexes, write_benchmark_index
    from terminal_task_gen.pipeline.demo import plan_generation, tell_missing_tools
    from terminal_task_gen.pipeline.estimating import Estimate, estimate
    from terminal_task_gen.pipeline.filtering import explain_trajectory, filter_corpus
    from terminal_task_gen.pipeline.generation import load_taxonomy
    from terminal_task_gen.pipeline.importing import import_harbor
    from terminal_task_gen.pipeline.opening import SANDBOXES, OpenRun, make_engine, make_factory, open_run
    from terminal_task_gen.pipeline.projection import Range
    from terminal_task_gen.pipeline.rehearsal import rehearse
    from terminal_task_gen.pipeline.scripted_teacher import (
        REPERTOIRE,
        ROGUES,
        ServeOptions,
        count_scripted_tasks,
        serve_demo_teacher,
        serve_teacher,
    )
    from terminal_task_gen.pipeline.spreading import generate, rollout
    from terminal_task_gen.pipeline.surveying import survey_run
    from terminal_task_gen.pipeline.yields import read_yield
    from terminal_task_gen.teacher.reply_store import list_files, measure_store

_PLACES = {
    "pipeline.benchmark_indexes": ("INDEX_SUFFIX", "read_benchmark_indexes", "write_benchmark_index"),
    "pipeline.demo": ("plan_generation", "tell_missing_tools"),
    "pipeline.estimating": ("Estimate", "estimate"),
    "pipeline.filtering": ("explain_trajectory", "filter_corpus"),
    "pipeline.generation": ("load_taxonomy",),
    "pipeline.importing": ("import_harbor",),
    "pipeline.opening": ("SANDBOXES", "OpenRun", "make_engine", "make_factory", "open_run"),
    "pipeline.projection": ("Range",),
    "pipeline.rehearsal": ("rehearse",),
    "pipeline.scripted_teacher": (
        "REPERTOIRE",
        "ROGUES",
        "ServeOptions",
        "count_scripted_tasks",
        "serve_demo_teacher",
        "serve_teacher",
    ),
    "pipeline.spreading": ("generate", "rollout"),
    "pipeline.surveying": ("survey_run",),
    "pipeline.yields": ("read_yield",),
    "teacher.reply_store": ("list_files", "measure_store"),
}
"""Imported when asked for: a stage does not pay for the others."""

__all__ = [
    "INDEX_SUFFIX",
    "REPERTOIRE",
    "ROGUES",
    "SANDBOXES",
    "Estimate",
    "OpenRun",
    "Range",
    "ServeOptions",
    "count_scripted_tasks",
    "estimate",
    "explain_trajectory",
    "filter_corpus",
    "generate",
    "import_harbor",
    "list_files",
    "load_taxonomy",
    "make_engine",
    "make_factory",
    "measure_store",
    "open_run",
    "plan_generation",
    "read_benchmark_indexes",
    "read_yield",
    "rehearse",
    "rollout",
    "serve_demo_teacher",
    "serve_teacher",
    "survey_run",
    "tell_missing_tools",
    "write_benchmark_index",
]


def __getattr__(name: str) -> Any:
    for module, names in _PLACES.items():
        if name in names:
            value = globals()[name] = getattr(importlib.import_module(f"terminal_task_gen.{module}"), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
