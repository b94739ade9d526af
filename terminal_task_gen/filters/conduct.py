"""Rules about how the teacher worked: risky commands, unreadable replies, loops, brevity, length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from terminal_task_gen.filters.commands import COMMAND_WORDS, DESTRUCTIVE, FORK_BOMB, PRIVILEGED
from terminal_task_gen.filters.criteria import Case
from terminal_task_gen.filters.passages import quote
from terminal_task_gen.filters.triggers import Trigger
from terminal_task_gen.finding import Finding, Reason, RuleName
from terminal_task_gen.token_count import TokenCounter, make_counter
from terminal_task_gen.trajectory import Step


def find_empty(case: Case) -> Finding | None:
    """The teacher never spoke (its time was up before the first reply): nothing to learn from."""
    if case.passages:
        return None
    evidence = f"no assistant message; stopped: {case.trajectory.stop_reason}"
    return _find_state(RuleName.EMPTY, Reason.NO_REPLY, evidence)


def find_risky_commands(case: Case) -> Finding | None:
    """A command that destroys the machine, or asks for more rights than it has."""
    if not any(passage.triggers & Trigger.COMMAND or FORK_BOMB in passage.text for passage in case.spoken):
        return None
    kinds = ((DESTRUCTIVE, Reason.DESTRUCTIVE_COMMAND), (PRIVILEGED, Reason.PRIVILEGED_COMMAND))
    replies = [(step.turn, "".join([c.keystrokes for c in step.commands])) for step in _list_suspected_steps(case)]
    typed = [(turn, keystrokes) for turn, keystrokes in replies if any(map(keystrokes.__contains__, COMMAND_WORDS))]
    for expression, reason in kinds:
        for turn, keystrokes in typed:
            found = expression.search(keystrokes)
            if found is not None:
                return Finding(
                    rule=RuleName.RISKY_COMMANDS,
                    reason=reason,
                    where=f"turn {turn}",
                    match=found[0].strip(),
                    evidence=quote(keystrokes, *found.span()),
                )
    return None


def _list_suspected_steps(case: Case) -> Sequence[Step]:
    """Those whose reply has a trigger, where it is plain which reply is whose; else all."""
    replies = [passage for passage in case.spoken if not passage.thought]
    steps = case.trajectory.steps
    if len(replies) != len(steps) or case.trajectory.earlier:
        return steps
    pairs = zip(replies, steps, strict=True)
    return [step for reply, step in pairs if reply.triggers & Trigger.COMMAND or FORK_BOMB in reply.text]


def find_invalid_turns(case: Case) -> Finding | None:
    """More than a share of the replies could not be read."""
    steps = case.trajectory.steps
    invalid = len([step for step in steps if step.error is not None])
    if not invalid or invalid <= case.criteria.rules.invalid_turns.max_share * len(steps):
        return None
    evidence = f"{invalid} of {len(steps)} replies could not be read"
    return _find_state(RuleName.INVALID_TURNS, Reason.INVALID_TURNS, evidence)


def find_repetition(case: Case) -> Finding | None:
    """The same commands turn after turn, or the same line over and over in one reply."""
    limits = case.criteria.rules.repetition
    before: list[str] = []
    run = 1
    for step in case.trajectory.steps:
        typed = [command.keystrokes for command in step.commands]
        run = run + 1 if typed == before and any(map(str.strip, typed)) else 1
        before = typed
        if run >= limits.same_turns:
            text = " ".join("".join(typed).split())
            return Finding(
                rule=RuleName.REPETITION,
                reason=Reason.REPEATED_TURNS,
                where=f"turn {step.turn}",
                match=text[:120],
                evidence=quote(f"{run} turns in a row: {text}", 0, 0),
            )
    return _find_repeated_lines(case, limits.same_lines)


def find_few_turns(case: Case) -> Finding | None:
    """Fewer replies than asked for."""
    turns = len([passage for passage in case.spoken if not passage.thought])
    if turns >= case.criteria.rules.few_turns.at_least or not turns:
        return None
    return _find_state(RuleName.FEW_TURNS, Reason.TOO_FEW_TURNS, f"{turns} turns")


def find_over_length(case: Case) -> Finding | None:
    """More tokens than a trainer would take; it would cut the row or leave it out."""
    limit = case.criteria.rules.over_length
    counter = _get_counter(limit.tokenizer)
    messages = case.trajectory.messages
    characters = sum([len(message.content) + len(message.reasoning or "") for message in messages])
    if counter.bound(characters, len(messages)) <= limit.max_tokens:
        return None
    tokens = counter.count([f"{message.reasoning or ''}{message.content}" for message in messages])
    if tokens <= limit.max_tokens:
        return None
    evidence = f"{tokens} tokens ({counter.name}), more than {limit.max_tokens}"
    return _find_state(RuleName.OVER_LENGTH, Reason.TOO_LONG, evidence)


@lru_cache(maxsize=1)
def _get_counter(tokenizer: Path | None) -> TokenCounter:
    return make_counter(tokenizer)


def _find_repeated_lines(case: Case, same_lines: int) -> Finding | None:
    for passage in case.spoken:
        if passage.lines < same_lines:
            continue
        text = passage.text
        # A reply is JSON on few lines or breaks them as \n; what is typed (a data file, say) may repeat itself.
        if text.count("\n") + text.count("\\n") < same_lines:
            continue
        lines = Counter(line.strip() for line in passage.prose.replace("\\n", "\n").split("\n"))
        line, times = max(lines.items(), key=lambda item: item[1] if len(item[0]) >= 8 else 0)
        if times >= same_lines and len(line) >= 8:
            return Finding(
                rule=RuleName.REPETITION,
                reason=Reason.REPEATED_TEXT,
                where=passage.where,
                match=line[:120],
                evidence=quote(f"{times} times: {line}", 0, 0),
            )
    return None


def _find_state(rule: RuleName, reason: Reason, evidence: str) -> Finding:
    return Finding(rule=rule, reason=reason, where="trajectory", match="", evidence=evidence)


def find_injected(case: Case) -> Finding | None:
    """A turn was asked for a plausible mistake (rollout.inject_errors)."""
    steps = [step for step in case.trajectory.steps if step.injected is not None]
    if not steps:
        return None
    return Finding(
        rule=RuleName.INJECTED,
        reason=Reason.INJECTED_MISTAKE,
        where=f"turn {steps[0].turn}",
        match=steps[0].injected or "",
        evidence=f"{len(steps)} of {len(case.trajectory.steps)} turns were asked for a mistake",
    )
