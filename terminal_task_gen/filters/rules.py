"""The rules, in the order in which they give the reason. Polarity: a finding of a rule that drops drops the row.

A rule is a plain function case → Finding | None: no state, no files, no clock, so that rulings are the same anywhere
and a filter can be run again over what is on disk. Two rules need the whole corpus (`CORPUS_RULES`) and are asked when
all of it has been read. A further rule is a function, a name in finding.py, a field in config/filtering.py and a line
in RULES. All rules that are not off are asked about every row; what they do about it is the preset's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from terminal_task_gen.filters import conduct, outcomes, speech
from terminal_task_gen.filters.commands import COMMAND_TRIGGERS, NOISE_TRIGGERS
from terminal_task_gen.filters.criteria import Case, Criteria, report_overlap
from terminal_task_gen.filters.identity import list_triggers, needs_no_trigger
from terminal_task_gen.filters.passages import list_passages
from terminal_task_gen.filters.secrets import TRIGGERS as SECRET_TRIGGERS
from terminal_task_gen.filters.similarity import Signatures, sign
from terminal_task_gen.filters.triggers import Trigger, TriggerTable, build_table
from terminal_task_gen.filters.words import split_texts
from terminal_task_gen.finding import Action, Finding, RuleName, Ruling
from terminal_task_gen.task import Task
from terminal_task_gen.trajectory import Trajectory


class Rule(NamedTuple):
    """A rule under its name."""

    name: RuleName
    find: Callable[[Case], Finding | None]


RULES: tuple[Rule, ...] = (
    Rule(RuleName.EMPTY, conduct.find_empty),
    Rule(RuleName.CONTAMINATION, speech.find_contamination),
    Rule(RuleName.CONTAMINATED_TURNS, speech.find_contaminated_turns),
    Rule(RuleName.IDENTITY, speech.find_identity),
    Rule(RuleName.FOREIGN_SCRIPT, speech.find_foreign_script),
    Rule(RuleName.SECRETS, speech.find_secret),
    Rule(RuleName.PERSONAL_DATA, speech.find_personal_data),
    Rule(RuleName.TAMPERED, outcomes.find_tampered),
    Rule(RuleName.VERIFIER_SUSPECT, outcomes.find_verifier_suspect),
    Rule(RuleName.INFRASTRUCTURE_NOISE, speech.find_infrastructure_noise),
    Rule(RuleName.RISKY_COMMANDS, conduct.find_risky_commands),
    Rule(RuleName.INVALID_TURNS, conduct.find_invalid_turns),
    Rule(RuleName.REPETITION, conduct.find_repetition),
    Rule(RuleName.INJECTED, conduct.find_injected),
    Rule(RuleName.FEW_TURNS, conduct.find_few_turns),
    Rule(RuleName.OVER_LENGTH, conduct.find_over_length),
    Rule(RuleName.COMPLETED, outcomes.find_incomplete),
    Rule(RuleName.SOLVED, outcomes.find_unsolved),
    Rule(RuleName.REWARD_BAND, outcomes.find_reward_outside),
    Rule(RuleName.NEAR_DUPLICATE_TASK, speech.find_similar_task),
)
CORPUS_RULES = frozenset({RuleName.SOLVE_RATE_BAND, RuleName.NEAR_DUPLICATE})


class Judgement(NamedTuple):
    """What one batch of trajectories gave, in order."""

    rulings: list[Ruling]
    signatures: Signatures
    """Of what was said and shown from the first reply on."""


class TaskJudgement(NamedTuple):
    """What one batch of tasks gave."""

    findings: dict[str, Finding]
    """Task id → contamination; clean tasks are not in it."""
    signatures: Signatures
    """Of the instructions, in order."""


def judge_tasks(tasks: Sequence[Task], criteria: Criteria) -> TaskJudgement:
    """What can be said of tasks before any attempt at them."""
    texts = [task.instruction for task in tasks]
    overlaps = criteria.benchmarks.find_in_instructions(texts)
    findings = {
        tasks[number].id: report_overlap(RuleName.CONTAMINATION, "instruction", overlap)
        for number, overlap in overlaps.items()
    }
    return TaskJudgement(findings, sign(split_texts(texts), range(len(texts) + 1)))


def judge_trajectories(
    pairs: Sequence[tuple[Task, Trajectory]], criteria: Criteria, task_findings: Mapping[str, Sequence[Finding]]
) -> Judgement:
    """Every objection to each trajectory, but for those that need all others. Words are cut once for all rules."""
    passages = [list_passages(trajectory) for _, trajectory in pairs]
    bounds = [0]
    for some in passages:
        bounds.append(bounds[-1] + len(some))
    flat = [passage for some in passages for passage in some]
    texts = [passage.text for passage in flat]
    batch = split_texts(texts)
    table = _get_table(tuple(sorted({trajectory.model for _, trajectory in pairs})), criteria.rules.identity.terms)
    always = Trigger.IDENTITY if needs_no_trigger(criteria.rules.identity.terms) else Trigger.NONE
    seen = zip(flat, table.find(batch).tolist(), batch.says.tolist(), batch.lines.tolist(), strict=True)
    for passage, rules, says, lines in seen:
        passage.triggers, passage.says, passage.lines = rules | always, says, lines
    overlaps = criteria.benchmarks.find_in_turns(batch, texts)
    rulings = []
    for number, (task, trajectory) in enumerate(pairs):
        first, end = bounds[number], bounds[number + 1]
        here = {text - first: overlap for text, overlap in overlaps.items() if first <= text < end} if overlaps else {}
        case = Case(task, trajectory, passages[number], criteria, tuple(task_findings.get(task.id, ())), here)
        rulings.append(rule_on(case))
    return Judgement(rulings, sign(batch, bounds))


def rule_on(case: Case) -> Ruling:
    """Ask every rule that is not off."""
    findings: list[Finding] = []
    flags: list[Finding] = []
    for find, drops in _list_asked(case.criteria):
        finding = find(case)
        if finding is not None:
            (findings if drops else flags).append(finding)
    return Ruling.trust({"trajectory_id": case.trajectory.id, "findings": tuple(findings), "flags": tuple(flags)})


@lru_cache(maxsize=4)
def _list_asked(criteria: Criteria) -> list[tuple[Callable[[Case], Finding | None], bool]]:
    """The rules that are not off, and whether they drop."""
    actions = criteria.actions
    return [(rule.find, actions[rule.name] is Action.DROP) for rule in RULES if actions[rule.name] is not Action.OFF]


@lru_cache(maxsize=64)
def _get_table(models: tuple[str, ...], terms: tuple[str, ...]) -> TriggerTable:
    return build_table(
        {
            Trigger.IDENTITY: list_triggers(models, terms),
            Trigger.SECRET: SECRET_TRIGGERS,
            Trigger.COMMAND: COMMAND_TRIGGERS,
            Trigger.NOISE: NOISE_TRIGGERS,
        }
    )
