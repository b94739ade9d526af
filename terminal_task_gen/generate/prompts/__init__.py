"""What the author is told: templates beside this file, filled and turned into messages.

The wording decides the data, so it has a version that goes into every task's lineage; a test ties the version to the
templates' content. The user message carries four lines verbatim (category, mode, difficulty, commission number) that
recorded replies are matched by.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from terminal_task_gen.config import GenerateConfig
from terminal_task_gen.generate.complaint import Complaint
from terminal_task_gen.records import content_digest
from terminal_task_gen.seeds import Seed
from terminal_task_gen.task import Axes, Request
from terminal_task_gen.taxonomy import Domain
from terminal_task_gen.trajectory import Message

PROMPT_VERSION = "author-5"
FOLDER = Path(__file__).parent
MAX_COMPLAINT_CHARS = 3_000
MAX_PITFALLS = 6
"""Of the domain's verification pairs, the first so many are shown."""
AXES = {
    "Scenario": "scenario",
    "Works on or produces": "artifact",
    "Constraint": "constraint",
    "Kind of check": "check",
}
"""How the author sees an axis → field of `Axes`."""


def build_author_messages(
    request: Request, *, domain: Domain, seed: Seed | None, image_text: str, config: GenerateConfig
) -> list[Message]:
    """System and user message. `image_text` is the text of the domain's Dockerfile; empty where nobody knows it."""
    shared: dict[str, Any] = {
        "request": request,
        "domain": domain,
        "with_solution": config.reference_solution,
        "limits": config.limits,
        "max_files": config.max_files,
        "max_file_bytes": config.max_file_bytes,
    }
    system = _render("system.jinja2", **shared, pitfalls=domain.verification[:MAX_PITFALLS])
    user = _render(
        "user.jinja2",
        **shared,
        seed=seed,
        axes=_list_axes(request.axes),
        image_text=image_text.strip(),
        is_menu=request.mode == "skill" and config.skill_choice == "menu",
        least_skills=config.skills_per_task[0],
        most_skills=config.skills_per_task[1],
    )
    return [Message(role="system", content=system), Message(role="user", content=user)]


def build_repair_message(complaints: Sequence[Complaint], *, gate: str) -> Message:
    """Asks for the whole block again, with what was wrong in it."""
    shortened = [c._replace(text=_shorten(c.text)) for c in complaints]
    return Message(role="user", content=_render("repair.jinja2", complaints=shortened, gate=gate))


def digest_templates() -> str:
    """Content digest of all templates; changes with any word of them."""
    return content_digest({path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.jinja2"))})


def _list_axes(axes: Axes) -> list[tuple[str, str]]:
    phrases = axes.model_dump()
    return [(shown, phrases[field]) for shown, field in AXES.items() if phrases[field]]


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_COMPLAINT_CHARS else f"{text[:MAX_COMPLAINT_CHARS]} […]"


@functools.cache
def _load_environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )


def _render(name: str, **values: Any) -> str:
    return _load_environment().get_template(name).render(**values).strip() + "\n"
