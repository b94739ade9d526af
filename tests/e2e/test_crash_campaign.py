"""Kill -9, a full disk and a killed worker in every stage: the corpus of an undisturbed run, byte for byte.

The long one (200 rounds; endpoint, clock and Docker engine, too) is benchmarks/crash.
"""

from __future__ import annotations

import json

import pytest

from benchmarks.crash.campaign import run_on_small_disk

pytestmark = [pytest.mark.bubblewrap, pytest.mark.slow]
ROUND = 5
"""Its schedule holds blows in all stages."""


@pytest.mark.timeout(900)
def test_a_run_that_was_struck_in_every_stage_is_the_same_run() -> None:
    result = run_on_small_disk(["--first", str(ROUND), "--rounds", "1"], as_root=False)
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["differences"] == []
    assert (result.returncode, report["rounds"]) == (0, 1)
    assert report["exits"]["-9"] >= 1
    assert len(report["dealt"]) >= 3
