"""What the actor is told in words: the first message, and the side conversations of handover and injected mistakes.

The first message is ours, from the templates beside this file, or another that is given.
Only the wording is ours: what is asked for is the standard's protocol. A corpus can carry the exact wording its users
evaluate with: `harbor` takes the template of an installed Harbor, anything else is the path of a file. A file is Jinja
where it says `{{ instruction }}`, else a Python format string with `{instruction}` and `{terminal_state}`, as Harbor's.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from terminal_task_gen.errors import PrerequisiteError, UsageError
from terminal_task_gen.records import content_digest

HARBOR = "harbor"
PROMPTS_DIR = Path(__file__).parent
FIELDS = ("instruction", "terminal_state")
# autoescape stays off: what is rendered is plain text for a model, not markup.
_ENVIRONMENT = Environment(loader=FileSystemLoader(PROMPTS_DIR), undefined=StrictUndefined, autoescape=False)
_HARBOR_FILE = "agents/terminus_2/templates/terminus-{dialect}-plain.txt"


class Template(NamedTuple):
    """Text of a first message with two gaps, and where it comes from."""

    origin: str
    text: str

    @property
    def version(self) -> str:
        """Digest of every word that the actor may meet: a run cannot go on half in one wording and half in another."""
        others = {path.name: path.read_text(encoding="utf-8") for path in PROMPTS_DIR.glob("[!t]*.j2")}
        return content_digest([self.text, others])[:16]

    def render(self, *, instruction: str, terminal_state: str) -> str:
        """Raises UsageError naming the file when it is no template."""
        gaps = {"instruction": instruction, "terminal_state": terminal_state}
        try:
            if "{{ instruction }}" in self.text or "{{instruction}}" in self.text:
                return _ENVIRONMENT.from_string(self.text).render(**gaps)
            return self.text.format(**gaps)
        except (TemplateError, KeyError, IndexError, ValueError, AttributeError) as error:
            raise UsageError(
                f"{self.origin} is no prompt template ({type(error).__name__}: {error}); it may name "
                f"{{instruction}} and {{terminal_state}}, with other braces doubled"
            ) from error


def render_prompt(name: str, **gaps: str) -> str:
    """A side conversation's message, `<name>.md.j2`."""
    return _ENVIRONMENT.get_template(f"{name}.md.j2").render(**gaps)


def get_own_template(dialect: str) -> Template:
    path = PROMPTS_DIR / f"terminus-2-{dialect}.md.j2"
    return Template(path.name, path.read_text(encoding="utf-8"))


def load_template(source: str, dialect: str) -> Template:
    """`source` is empty (ours), `harbor`, or a path. Raises UsageError for a file that cannot serve."""
    if not source:
        return get_own_template(dialect)
    path = _find_in_harbor(dialect) if source == HARBOR else Path(source)
    try:
        template = Template(str(path), path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"rollout.prompt_template: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"rollout.prompt_template: {path} is not UTF-8 text: {error.reason}") from error
    marks = {field: f"<{field} goes here>" for field in FIELDS}
    trial = template.render(**marks)
    for field, mark in marks.items():
        if mark not in trial:
            raise UsageError(f"rollout.prompt_template: {path} does not name {{{field}}}, so no teacher would see it")
    return template


def _find_in_harbor(dialect: str) -> Path:
    found = find_spec("harbor")
    if found is None or not found.submodule_search_locations:
        raise PrerequisiteError(
            "rollout.prompt_template: Harbor is not installed beside ttg; pip install harbor (Python 3.12 or later), "
            "or give the path of its templates/terminus-json-plain.txt"
        )
    return Path(found.submodule_search_locations[0]) / _HARBOR_FILE.format(dialect=dialect)
