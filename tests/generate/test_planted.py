"""The gates against planted defects and clean tasks: what reading finds in whole, what needs sandboxes in a sample."""

from __future__ import annotations

import pytest

from benchmarks.gates.measure import (
    READING,
    judge_all_by_reading,
    judge_all_in_sandboxes,
    list_cases,
    list_false_alarms,
    list_missed,
)

MIN_RECALL = 0.98
MAX_FALSE_ALARMS = 0.01


def test_reading_finds_defects_and_leaves_clean_tasks_alone() -> None:
    cases = list_cases(seed=7)
    judge_all_by_reading(cases)
    planted = [case for case in cases if case.defect is not None and case.defect.gate in READING]
    clean = [case for case in cases if case.defect is None]
    missed = [case for case in list_missed(cases) if case in planted]
    assert len(planted) >= 200
    assert len(clean) == 200
    assert len(missed) <= (1 - MIN_RECALL) * len(planted), [(case.defect, case.sample.name) for case in missed]
    assert len(list_false_alarms(cases)) <= MAX_FALSE_ALARMS * len(clean), [
        c.evidence for c in list_false_alarms(cases)
    ]


@pytest.mark.slow
@pytest.mark.bubblewrap
async def test_sandboxes_find_the_rest() -> None:
    cases = list_cases(clean=24, times=1, seed=7)
    judge_all_by_reading(cases)
    running = [case for case in cases if case.defect is None or case.defect.gate not in READING]
    await judge_all_in_sandboxes(running, parallel=2)
    assert not list_false_alarms(running), [case.evidence for case in list_false_alarms(running)]
    # What passes by chance half of the time may pass four times in a row.
    certain = [c for c in list_missed(running) if c.defect and "chance" not in c.defect.name]
    assert not certain, [case.defect for case in certain]
