"""The composition root: which concrete parts a configuration means, and how each stage is wired from them.

The only folder besides the drivers that names a driver.
"""

from __future__ import annotations

from terminal_task_gen.pipeline.filtering import filter_corpus
from terminal_task_gen.pipeline.generation import generate, load_taxonomy
from terminal_task_gen.pipeline.importing import import_harbor
from terminal_task_gen.pipeline.opening import SANDBOXES, OpenRun, make_engine, make_factory, open_run
from terminal_task_gen.pipeline.rollouts import rollout
from terminal_task_gen.pipeline.scripted_teacher import ServeOptions, serve_demo_teacher, serve_teacher

__all__ = [
    "SANDBOXES",
    "OpenRun",
    "ServeOptions",
    "filter_corpus",
    "generate",
    "import_harbor",
    "load_taxonomy",
    "make_engine",
    "make_factory",
    "open_run",
    "rollout",
    "serve_demo_teacher",
    "serve_teacher",
]
