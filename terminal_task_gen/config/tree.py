"""The whole of a run's configuration."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from terminal_task_gen.config.endpoint import TeacherConfig
from terminal_task_gen.config.filtering import FilterConfig
from terminal_task_gen.config.generation import GenerateConfig
from terminal_task_gen.config.rollouts import RolloutConfig, SandboxConfig
from terminal_task_gen.config.storage import StorageConfig
from terminal_task_gen.places import get_staging_folder, read_folder, read_url
from terminal_task_gen.records import Record


class Config(Record):
    """Everything of one run. `name` and `output_dir` say where: `<output_dir>/<name>/`.

    An `output_dir` that is the URL of an object store becomes `storage.url`, and `output_dir` its staging folder.
    """

    name: str = Field(default="run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    output_dir: Path = Path("runs")
    seed: int = 0
    taxonomy_dirs: tuple[Path, ...] = ()
    """Folders of domains that are added to, or override, the shipped ones. The same for image_dirs."""
    image_dirs: tuple[Path, ...] = ()
    seed_dirs: tuple[Path, ...] = ()
    """Folders of seeds; when given they replace the shipped ones."""
    date: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    """Put on every corpus row; None: the day the run was started."""
    shard_mb: int = Field(default=256, ge=1)
    """A shard is sealed when it has grown past this."""
    teacher: TeacherConfig = TeacherConfig()
    generate: GenerateConfig = GenerateConfig()
    sandbox: SandboxConfig = SandboxConfig()
    rollout: RolloutConfig = RolloutConfig()
    filter: FilterConfig = FilterConfig()
    storage: StorageConfig = StorageConfig()

    @model_validator(mode="before")
    @classmethod
    def _split_place(cls, data: Any) -> Any:
        """A Path has lost a slash of a URL already, so only text is looked at."""
        place = data.get("output_dir") if isinstance(data, dict) else None
        if not isinstance(place, str):
            return data
        url = read_url(place)
        if url is None:
            return {**data, "output_dir": read_folder(place)}
        storage = data.get("storage") or {}
        if not isinstance(storage, dict):
            return data
        return {**data, "output_dir": get_staging_folder(url), "storage": {**storage, "url": url}}

    @field_validator("date", mode="before")
    @classmethod
    def _write_date(cls, value: Any) -> Any:
        """YAML reads an unquoted day as a date."""
        return value.isoformat() if isinstance(value, datetime.date) else value

    @property
    def reply_cache_dir(self) -> Path:
        return self.teacher.cache_dir or self.output_dir / ".cache" / "teacher"

    @property
    def run_dir(self) -> Path:
        """On this machine: the run, or its staging folder."""
        return self.output_dir / self.name

    @property
    def run_url(self) -> str:
        """Empty where the run lies on this machine alone."""
        return f"{self.storage.url}/{self.name}" if self.storage.url else ""

    @property
    def run_place(self) -> str:
        """What to call the run by: URL or folder."""
        return self.run_url or str(self.run_dir)
