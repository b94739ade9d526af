"""Domains and their skills, read from `<dir>/<domain>.yaml`. The domain list is data: what lies there is what there is.

name: data_processing           title: Data Processing        image: data_processing
role: >  one sentence, the author's role in this domain
focus:   five bullets
tools:   what the image must have: commands, or python3:<module>; probed inside the image by `ttg images check`
scenarios, artifacts, constraints, checks:   axes along which tasks are made to differ, a phrase each
verification:   pairs of {hard: …, easy: …}
skills:
  <Skill type>:
    - one concrete primitive per line
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from terminal_task_gen.errors import UsageError
from terminal_task_gen.records import Record


class Skill(Record):
    """A primitive ability; its text is its identity within a domain."""

    type: str
    text: str


class Verification(Record):
    """A trap for whoever writes the tests, and how to keep out of it."""

    hard: str
    easy: str


class Domain(Record):
    """One taxonomy file."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    image: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    role: str
    focus: tuple[str, ...] = Field(min_length=1)
    tools: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    """Settings a task may play in; one of the axes along which tasks are made to differ. So are the next three."""
    artifacts: tuple[str, ...] = ()
    """Kinds of things the work is on or produces."""
    constraints: tuple[str, ...] = ()
    """Language or tool constraints."""
    checks: tuple[str, ...] = ()
    """Styles of verification."""
    verification: tuple[Verification, ...] = ()
    """What makes tests hard to write here, and the way out."""
    skills: dict[str, tuple[str, ...]] = Field(min_length=1)
    """Skill type → primitives."""

    def list_skills(self) -> list[Skill]:
        """All primitives in file order."""
        return [Skill(type=kind, text=text) for kind, texts in self.skills.items() for text in texts]


def load_domains(folders: Iterable[Path]) -> dict[str, Domain]:
    """All domains of the folders by name, sorted; a later folder overrides an earlier one.

    Raises UsageError naming the file and field that is wrong.
    """
    domains: dict[str, Domain] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"taxonomy folder {folder} does not exist; check --taxonomy")
        for path in sorted(folder.glob("*.yaml")):
            domain = _load_domain(path)
            domains[domain.name] = domain
    return dict(sorted(domains.items()))


def select_domains(domains: dict[str, Domain], names: Sequence[str]) -> dict[str, Domain]:
    """The named domains in the order given; all of them when `names` is empty. Raises UsageError listing the known."""
    unknown = [name for name in names if name not in domains]
    if unknown:
        raise UsageError(f"unknown domain {unknown[0]!r}; known: {', '.join(domains)}")
    return {name: domains[name] for name in (names or domains)}


def _load_domain(path: Path) -> Domain:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        domain = Domain.model_validate(data)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "top level"
        raise UsageError(f"{path}: {where}: {first['msg']}") from error
    if domain.name != path.stem:
        raise UsageError(f"{path}: name is {domain.name!r} but the file is called {path.stem!r}; make them equal")
    return domain
