"""What is kept: a preset, what each rule does differently from it, and the rules' parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from terminal_task_gen.finding import Action
from terminal_task_gen.records import Record

Preset = Literal["paper", "strict", "labels-only"]
Script = Literal["han", "kana", "hangul", "cyrillic", "arabic", "hebrew", "devanagari", "thai", "greek"]

MOVED = {
    "contamination": "rules.contamination",
    "identity": "rules.identity",
    "identity_terms": "rules.identity.terms",
    "chinese": "rules.foreign_script",
    "completed_only": "rules.completed",
    "success_only": "rules.solved",
}
"""Fields of before, and where the same is said now."""


class RuleConfig(Record):
    """One rule. `completed: drop` is short for `completed: {action: drop}`."""

    action: Action | None = None
    """drop, flag or off; None: as the preset says."""


class IdentityConfig(RuleConfig):
    """Names and claims that give the teacher away."""

    terms: tuple[str, ...] = ()
    """Names that betray the teacher, besides the built-in list and the configured model's own name."""


class ForeignScriptConfig(RuleConfig):
    """Scripts in which the teacher must not write."""

    scripts: tuple[Script, ...] = ("han",)
    """Of han, kana, hangul, cyrillic, arabic, hebrew, devanagari, thai, greek. Keystrokes do not count."""


class SecretsConfig(RuleConfig):
    """Keys and passwords."""

    min_entropy_bits: float = Field(default=3.5, ge=0.0)
    """Per character, for values that are named like secrets but have no known form; below it is a word, not a key."""


class InvalidTurnsConfig(RuleConfig):
    """Replies that could not be read."""

    max_share: float = Field(default=0.5, ge=0.0, le=1.0)
    """Of all turns."""


class RepetitionConfig(RuleConfig):
    """Loops."""

    same_turns: int = Field(default=4, ge=2)
    """Equal, non-empty commands in so many turns in a row are a loop."""
    same_lines: int = Field(default=20, ge=2)
    """One line so often in one reply, keystrokes left out, is a loop."""


class FewTurnsConfig(RuleConfig):
    """Short trajectories."""

    at_least: int = Field(default=2, ge=1)
    """Assistant turns."""


class OverLengthConfig(RuleConfig):
    """Trajectories that a trainer would cut."""

    max_tokens: int = Field(default=32_768, ge=1)
    tokenizer: Path | None = None
    """A tokenizer.json, counted with the `tokenizers` extra; None: estimated from the bytes, and said so."""


class BandConfig(RuleConfig):
    """Bounds, both included."""

    at_least: float = Field(default=0.0, ge=0.0, le=1.0)
    at_most: float = Field(default=1.0, ge=0.0, le=1.0)


class SolveRateConfig(BandConfig):
    """Share of a task's attempts that passed every test."""

    min_attempts: int = Field(default=2, ge=1)
    """Tasks with fewer attempts are not judged."""


class SimilarityConfig(RuleConfig):
    """Near-duplicates."""

    similarity: float = Field(default=0.75, gt=0.0, le=1.0)
    """Estimated Jaccard similarity of 5-word shingles from which on two are near-duplicates."""


class RulesConfig(Record):
    """Every rule that can be set. Absent ones are as the preset says."""

    contamination: RuleConfig = RuleConfig()
    contaminated_turns: RuleConfig = RuleConfig()
    identity: IdentityConfig = IdentityConfig()
    foreign_script: ForeignScriptConfig = ForeignScriptConfig()
    secrets: SecretsConfig = SecretsConfig()
    personal_data: RuleConfig = RuleConfig()
    tampered: RuleConfig = RuleConfig()
    verifier_suspect: RuleConfig = RuleConfig()
    infrastructure_noise: RuleConfig = RuleConfig()
    risky_commands: RuleConfig = RuleConfig()
    invalid_turns: InvalidTurnsConfig = InvalidTurnsConfig()
    repetition: RepetitionConfig = RepetitionConfig()
    injected: RuleConfig = RuleConfig()
    few_turns: FewTurnsConfig = FewTurnsConfig()
    over_length: OverLengthConfig = OverLengthConfig()
    completed: RuleConfig = RuleConfig()
    solved: RuleConfig = RuleConfig()
    reward_band: BandConfig = BandConfig()
    solve_rate_band: SolveRateConfig = SolveRateConfig()
    near_duplicate_task: SimilarityConfig = SimilarityConfig()
    near_duplicate: SimilarityConfig = SimilarityConfig()

    @field_validator("*", mode="before")
    @classmethod
    def _read_short_form(cls, value: Any) -> Any:
        """YAML reads a bare `off` as false."""
        if value is False:
            return {"action": "off"}
        return {"action": value} if isinstance(value, str) else value


class FilterConfig(Record):
    """What is kept. The default is the paper's; completion and success are not demanded (paper §5: no filter won)."""

    preset: Preset = "paper"
    """paper, strict or labels-only (everything is kept, with flags)."""
    rules: RulesConfig = RulesConfig()
    benchmarks: tuple[Path, ...] = ()
    """JSONL files with an `instruction` (or `prompt`) field, folders of Harbor tasks, or index files (*.idx)."""
    shipped_benchmarks: bool = True
    """Screen against the indexes that come with the package, too (Terminal-Bench 2.0)."""
    ngram: int = Field(default=14, ge=2)
    """Words in a row that make an overlap, for benchmarks given as text; an index has its own."""
    mask_numbers: bool = False
    """Take all numbers for equal, for benchmarks given as text; an index has its own."""
    workers: int = Field(default=0, ge=0)
    """Processes; 0: one a core. Small runs are filtered in one."""
    licence: str = "cc-by-4.0"
    """Put on the dataset card."""

    def make_absolute(self) -> FilterConfig:
        """The same with the files it names found from any directory."""
        length = self.rules.over_length
        tokenizer = length.tokenizer.absolute() if length.tokenizer is not None else None
        rules = self.rules.model_copy(update={"over_length": length.model_copy(update={"tokenizer": tokenizer})})
        benchmarks = tuple(path.absolute() for path in self.benchmarks)
        return self.model_copy(update={"benchmarks": benchmarks, "rules": rules})

    @model_validator(mode="before")
    @classmethod
    def _name_what_moved(cls, data: Any) -> Any:
        moved = [field for field in MOVED if isinstance(data, dict) and field in data]
        if moved:
            raise ValueError(f"{moved[0]} is now filter.{MOVED[moved[0]]}; write e.g. {MOVED[moved[0]]}: drop|flag|off")
        return data
