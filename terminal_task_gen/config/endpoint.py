"""Endpoints: which teacher to ask, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from terminal_task_gen.records import Record


class ReplicaConfig(Record):
    """A further server of the same model. What it leaves out is as the endpoint has it."""

    base_url: str
    api_key_env: str | None = None
    model: str = ""
    """What this server calls the model; replies, ids and prices are the endpoint's all the same."""
    parallel: int | None = Field(default=None, ge=1)


class EndpointConfig(Record):
    """An OpenAI-compatible endpoint and how to call it."""

    base_url: str = ""
    """E.g. `http://127.0.0.1:8000/v1`. Empty: not configured; commands that need a teacher then say so."""
    model: str = ""
    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable with the key. Empty: the endpoint needs none."""
    temperature: float | None = Field(default=None, ge=0.0)
    """None: not sent, the endpoint decides. The same holds for top_p and max_tokens."""
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    max_tokens: int | None = Field(default=None, gt=0)
    """Limit of one reply."""
    extra_body: dict[str, Any] = {}
    """Sent as is in every request's body, e.g. `{chat_template_kwargs: {enable_thinking: true}}`."""
    replicas: tuple[ReplicaConfig, ...] = ()
    """Further servers of the model beside base_url. Each call goes to the least loaded that is well."""
    parallel: int = Field(default=16, ge=1)
    """Calls in flight at once, at each server."""
    adaptive: bool = True
    """Start with few calls in flight, grow while they are answered, cut when the server is overloaded; `parallel` is
    the ceiling. False: `parallel` from the start, whatever comes."""
    requests_per_minute: int = Field(default=0, ge=0)
    """Of each server; 0: no limit. x-ratelimit headers tighten both limits. The same holds for tokens_per_minute."""
    tokens_per_minute: int = Field(default=0, ge=0)
    max_retries: int = Field(default=6, ge=0)
    """Tries after the first, for 408, 409, 429, 5xx, connection errors, timeouts and empty or broken replies."""
    timeout_sec: float = Field(default=600.0, gt=0.0)
    """Limit of one try, from its first byte sent to its last received."""
    idle_timeout_sec: float | None = Field(default=None, gt=0.0)
    """Limit of silence within a try. Calls are not streamed: most servers send nothing until the reply is complete, so
    this must be longer than the longest reply takes, unless the server sends blanks to keep the line open."""
    max_backoff_sec: float = Field(default=60.0, gt=0.0)
    """Longest wait between two tries; a longer Retry-After is honoured up to ten times this."""
    prompt_usd_per_mtok: float = Field(default=0.0, ge=0.0)
    completion_usd_per_mtok: float = Field(default=0.0, ge=0.0)
    cached_usd_per_mtok: float | None = Field(default=None, ge=0.0)
    """Of prompt tokens that came from the endpoint's cache; None: as the others."""
    budget_tokens: int = Field(default=0, ge=0)
    """What the calls of this role may use in one run, prompt and completion; 0: no limit. See teacher.budget_usd."""
    budget_usd: float = Field(default=0.0, ge=0.0)
    stop_after_failures: int = Field(default=50, ge=0)
    """The run ends when so many calls in a row failed for one cause, retries and all; 0: never."""

    def count_cost_usd(self, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> float:
        """Price of a call; `cached_tokens` are part of `prompt_tokens`."""
        cached_usd = self.prompt_usd_per_mtok if self.cached_usd_per_mtok is None else self.cached_usd_per_mtok
        fresh = (prompt_tokens - cached_tokens) * self.prompt_usd_per_mtok
        return (fresh + cached_tokens * cached_usd + completion_tokens * self.completion_usd_per_mtok) / 1_000_000


class TeacherConfig(Record):
    """Who writes tasks and who solves them."""

    author: EndpointConfig = EndpointConfig()
    actor: EndpointConfig | None = None
    """None: the author's endpoint acts too."""
    actors: tuple[EndpointConfig, ...] = ()
    """Several actors in place of one: each solves every task. Their models must differ."""
    budget_tokens: int = Field(default=0, ge=0)
    """As budget_usd, in tokens."""
    budget_usd: float = Field(default=0.0, ge=0.0)
    """What all teachers' calls may cost in one run, earlier starts included; 0: no limit. At the limit no further call
    starts, what is under way finishes, and a larger budget goes on. Needs the prices above."""

    cache: bool = True
    """Keep every usable reply, and answer the same call of the same item from it: a rerun costs nothing. Another
    top-level `seed` asks anew."""
    cache_dir: Path | None = None
    """Where replies are kept, on a disk of this machine; None: `.cache/teacher` in output_dir, shared by its runs."""

    def make_absolute(self) -> TeacherConfig:
        return self.model_copy(update={"cache_dir": self.cache_dir and self.cache_dir.absolute()})

    def list_actors(self) -> dict[str, EndpointConfig]:
        """Place in the configuration → endpoint, of everyone who acts."""
        if self.actors:
            return {f"teacher.actors.{number}": actor for number, actor in enumerate(self.actors)}
        return {"teacher.author" if self.actor is None else "teacher.actor": self.get_actor()}

    @model_validator(mode="after")
    def _check_actors(self) -> Self:
        models = [actor.model for actor in self.actors]
        if len(set(models)) < len(models):
            raise ValueError(f"actors: two of them have one model ({models}); attempts are told apart by it")
        return self

    def get_actor(self) -> EndpointConfig:
        return self.actor if self.actor is not None else self.author
