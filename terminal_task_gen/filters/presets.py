"""Named sets of actions: what each rule's objection does, before the configuration says otherwise.

    paper        today's consensus: contaminated prompts, identity leaks and foreign script go; all else is only flagged
    strict       what a careful buyer would ask for: proven, clean, complete, once
    labels-only  nothing is dropped that could be trained on; every objection is a flag

`empty` drops in each of them: a row without a single reply has nothing to train on. A band objects to nothing until it
is given bounds.
"""

from __future__ import annotations

from collections.abc import Mapping

from terminal_task_gen.config.filtering import BandConfig, FilterConfig, RuleConfig
from terminal_task_gen.finding import Action, RuleName

_PAPER = {RuleName.EMPTY, RuleName.CONTAMINATION, RuleName.IDENTITY, RuleName.FOREIGN_SCRIPT}
_STRICT_FLAGS = {RuleName.RISKY_COMMANDS, RuleName.INJECTED, RuleName.REWARD_BAND, RuleName.SOLVE_RATE_BAND}

DROPPING: Mapping[str, frozenset[RuleName]] = {
    "paper": frozenset(_PAPER),
    "strict": frozenset(set(RuleName) - _STRICT_FLAGS),
    "labels-only": frozenset({RuleName.EMPTY}),
}
"""Preset → the rules that drop; the others flag."""


def resolve_actions(config: FilterConfig) -> dict[RuleName, Action]:
    """What every rule does under a configuration. A band that was given bounds but no action drops."""
    dropping = set(DROPPING[config.preset])
    if config.preset != "labels-only":
        bands: dict[RuleName, BandConfig] = {
            RuleName.REWARD_BAND: config.rules.reward_band,
            RuleName.SOLVE_RATE_BAND: config.rules.solve_rate_band,
        }
        dropping |= {rule for rule, band in bands.items() if band.at_least > 0.0 or band.at_most < 1.0}
    actions: dict[RuleName, Action] = {}
    for rule in RuleName:
        given: RuleConfig = getattr(config.rules, rule, RuleConfig())
        actions[rule] = given.action or (Action.DROP if rule in dropping else Action.FLAG)
    return actions
