"""Rules about what is said and shown: identity, script, secrets, personal data, benchmark text, a sick machine."""

from __future__ import annotations

import re
from functools import lru_cache, reduce
from operator import or_

from terminal_task_gen.filters.commands import MACHINE_NOISE, NETWORK_NOISE
from terminal_task_gen.filters.criteria import Case, report_overlap
from terminal_task_gen.filters.identity import find_leak
from terminal_task_gen.filters.passages import Passage, decode_escapes, quote
from terminal_task_gen.filters.scripts import BITS, SCRIPTS
from terminal_task_gen.filters.secrets import Private, find_emails, find_phones, find_secrets, shorten
from terminal_task_gen.filters.triggers import Trigger
from terminal_task_gen.filters.words import SAYS_ESCAPE_U, SAYS_PERSONAL, open_escapes
from terminal_task_gen.finding import Finding, Reason, RuleName

_ASCII = bytes(range(128))


def find_contamination(case: Case) -> Finding | None:
    """The task's instruction shares words in a row with a benchmark prompt."""
    return _get_task_finding(case, RuleName.CONTAMINATION)


def find_contaminated_turns(case: Case) -> Finding | None:
    """A reply or a screen shares words in a row with a benchmark prompt."""
    for number, overlap in sorted(case.overlaps.items()):
        return report_overlap(RuleName.CONTAMINATED_TURNS, case.passages[number].where, overlap)
    return None


def find_similar_task(case: Case) -> Finding | None:
    """The task's instruction is nearly that of another task, whose id sorts before it."""
    return _get_task_finding(case, RuleName.NEAR_DUPLICATE_TASK)


def find_identity(case: Case) -> Finding | None:
    """The teacher says, in reasoning or prose, what it is or who made it; keystrokes do not count."""
    if not case.triggers & Trigger.IDENTITY:
        return None
    terms = case.criteria.rules.identity.terms
    for passage in case.spoken:
        if not passage.triggers & Trigger.IDENTITY:
            continue
        prose = open_escapes(passage.prose)
        leak = find_leak(prose, model=case.trajectory.model, terms=terms, instruction=case.task.instruction)
        if leak is not None:
            reason = Reason.IDENTITY_CLAIM if leak.claimed else Reason.IDENTITY_NAME
            return _find_here(RuleName.IDENTITY, reason, passage, leak.start, leak.end)
    return None


def find_foreign_script(case: Case) -> Finding | None:
    """A letter of a foreign script in reasoning or prose; what is typed into the terminal or shown there is content."""
    expression, signs = _compile_scripts(case.criteria.rules.foreign_script.scripts)
    if not case.says & signs:
        return None
    for passage in case.spoken:
        if not passage.says & signs or not _may_hold(expression, passage.text):
            continue
        prose = passage.prose
        for text in (prose, decode_escapes(prose)):
            found = expression.search(text)
            if found is not None:
                evidence = quote(text, *found.span())
                return Finding(
                    rule=RuleName.FOREIGN_SCRIPT,
                    reason=Reason.FOREIGN_CHARACTERS,
                    where=passage.where,
                    match=found[0],
                    evidence=evidence,
                )
    return None


def find_secret(case: Case) -> Finding | None:
    """A key or password in any reply or screen, unless it is the task's own."""
    if not case.triggers & Trigger.SECRET:
        return None
    least = case.criteria.rules.secrets.min_entropy_bits
    for passage in case.passages:
        if passage.triggers & Trigger.SECRET:
            for secret in find_secrets(passage.text, min_entropy_bits=least):
                if not _is_planted(secret.value, case):
                    reason = Reason.SECRET_KEY if secret.known_form else Reason.SECRET_VALUE
                    return _find_private(RuleName.SECRETS, reason, passage, secret)
    return None


def find_personal_data(case: Case) -> Finding | None:
    """An address or telephone number in a reply, unless it is the task's own or was on a screen before."""
    if not case.says & SAYS_PERSONAL:
        return None
    shown: list[str] = []
    for passage in case.passages:
        if not passage.spoken:
            shown.append(passage.text)
            continue
        if not passage.says & SAYS_PERSONAL:
            continue
        for finder, reason in ((find_emails, Reason.PERSONAL_EMAIL), (find_phones, Reason.PERSONAL_PHONE)):
            for private in finder(passage.text):
                known = _is_planted(private.value, case) or any(private.value in text for text in shown)
                if not known:
                    return _find_private(RuleName.PERSONAL_DATA, reason, passage, private)
    return None


def find_infrastructure_noise(case: Case) -> Finding | None:
    """A screen shows a sick machine: a full disk, no memory, a dead terminal; no network where one was promised."""
    if not case.triggers & Trigger.NOISE:
        return None
    expressions = (MACHINE_NOISE, NETWORK_NOISE) if case.task.limits.network else (MACHINE_NOISE,)
    for passage in case.passages:
        if passage.spoken or not passage.triggers & Trigger.NOISE:
            continue
        for expression in expressions:
            found = expression.search(passage.text)
            if found is not None and found[0] not in case.task.instruction:
                return _find_here(RuleName.INFRASTRUCTURE_NOISE, Reason.INFRASTRUCTURE, passage, *found.span())
    return None


def _get_task_finding(case: Case, rule: RuleName) -> Finding | None:
    return next((finding for finding in case.task_findings if finding.rule is rule), None)


def _may_hold(expression: re.Pattern[str], text: str) -> bool:
    """Whether the text, less its ASCII (deleting which is quicker than a search through all of it), has a match."""
    if "\\u" in text:
        return True
    return not text.isascii() and expression.search(text.encode().translate(None, _ASCII).decode()) is not None


@lru_cache(maxsize=16)
def _compile_scripts(scripts: tuple[str, ...]) -> tuple[re.Pattern[str], int]:
    """What is sought, and the bits of which a text that holds it has one."""
    expression = re.compile(f"[{''.join(SCRIPTS[script] for script in scripts)}]+" if scripts else r"(?!)")
    return expression, reduce(or_, [BITS[script] for script in scripts], SAYS_ESCAPE_U)


def _is_planted(value: str, case: Case) -> bool:
    task = case.task
    if any(value in text for text in (task.instruction, task.tests, task.solution or "")):
        return True
    return any(value.encode() in file.to_bytes() for file in task.files)


def _find_here(rule: RuleName, reason: Reason, passage: Passage, start: int, end: int) -> Finding:
    text = passage.text
    return Finding(
        rule=rule, reason=reason, where=passage.where, match=text[start:end], evidence=quote(text, start, end)
    )


def _find_private(rule: RuleName, reason: Reason, passage: Passage, private: Private) -> Finding:
    """Told without being repeated: reports and cards are read by more people than the corpus."""
    short = shorten(private.value)
    before = passage.text[max(0, private.start - 40) : private.start]
    evidence = " ".join(f"…{before}{short}".split())
    return Finding(rule=rule, reason=reason, where=passage.where, match=short, evidence=evidence)
